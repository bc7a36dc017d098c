/** Interrupts, IPIs and notifier chains as races see them. */
import { describe, expect, it } from 'vitest';
import { assign, enqueueActions } from 'xstate';
import { type HostEnv, type HostItem, host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { completion } from '../../../actors/kit/completion.ts';
import { interrupt } from '../../../actors/kit/interrupt.ts';
import { local } from '../../../actors/kit/local.ts';
import { type Block, type ChainKind, type NotifierChain, notifierChain } from '../../../actors/kit/notifier.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { smpCall } from '../../../actors/kit/smp-call.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { outgoing } from '../../../events/event.ts';
import { happens, holds } from '../../../sim/host/race-properties.ts';
import type { Property } from '../../../sim/property.ts';
import { kitClaims, provides } from './claims.ts';
import { raced } from './raced.ts';

const { when } = host;
const seen = cell('seen', { ran: 0, other: 0, freed: false, late: false });
interface Seen {
  readonly ran: number;
  readonly other: number;
  readonly late: boolean;
}
type Says = (seen: Seen) => boolean;
const may = (id: string, says: Says) => happens<Seen>({ kind: 'seen' }, `seen.${id}`, 'a test', (c) => says(c) && 'so it is');
const never = (id: string, says: Says) => holds<Seen>({ kind: 'seen' }, `seen.${id}`, 'a test', (c) => says(c) && 'so it is');
const late = never('late', (s) => s.late);
const freed = local<boolean>('freed');
const n = local<number>('n');
const isLate = seen.store('late', true);
const body: readonly HostItem[] = [seen.addReturn('ran', 1), seen.load('freed', freed), when([freed.is(true), [isLate]])];
const free = seen.store('freed', true);
const CLEAN = { verdict: 'clean', exhausted: true };

type Items = (env: HostEnv) => readonly HostItem[];
/** Each on a CPU of its own. */
const of = (uses: readonly Primitive[], programs: readonly Items[], properties: readonly Property[] = []) =>
  raced({
    race: {
      uses: [seen, ...uses],
      operations: Object.fromEntries(
        programs.map(
          (does, at) =>
            [`op${at}`, { summary: 'works', source: 'a test', does: (env: HostEnv) => syscall('write', 'a test', does(env)) }] as const,
        ),
      ),
    },
    host: { cpus: Math.max(2, programs.length) },
    properties,
    processes: Object.fromEntries(programs.map((_, at) => [`p${at}`, { cpu: at, threads: [[{ [`op${at}`]: {} }]] }])),
  });
const kernel =
  (...items: readonly HostItem[]): Items =>
  () =>
    items;
const clean = (...race: Parameters<typeof of>) => expect(of(...race)).toMatchObject(CLEAN);

const irq = interrupt('dev', { handler: () => body });
const threaded = interrupt('threaded', { thread: () => body });
const flush = smpCall('flush', () => [seen.addReturn('ran', 1)]);
const looks = (least: number): readonly HostItem[] => [seen.load('ran', n), when([(_t, l) => n.of(l)! < least, [isLate]])];
const onEach =
  (wait: boolean): Items =>
  (env) => [flush.onEach(env, { wait }), ...looks(2)];
const blocks: Readonly<Record<'first' | 'second', Block>> = {
  first: { does: () => [seen.addReturn('ran', 1)], priority: 1 },
  second: { does: () => body },
};
type Chain = NotifierChain<'first' | 'second'>;
const chainOf = (kind: ChainKind): Chain => notifierChain('chain', blocks, { kind });
const changes = (chain: Chain): Items => kernel(chain.register('second'), chain.unregister('second'), free);
const calls =
  (chain: NotifierChain): Items =>
  (env) => [chain.call(env)];
const stops: Chain = notifierChain('stops', { ...blocks, first: { ...blocks.first, stops: () => true } }, { kind: 'raw' });
const order: Chain = notifierChain(
  'order',
  { ...blocks, first: { does: () => [seen.addReturn('other', 1)], priority: 1 } },
  { kind: 'raw' },
);

const saysNo = enqueueActions(((asked: { readonly event: { readonly from: string }; readonly enqueue: { emit(message: object): void } }) =>
  asked.enqueue.emit(outgoing(asked.event.from, { type: 'call.is', value: false }))) as never);

kitClaims([
  {
    id: 'KIT-64',
    says: 'when disable_irq() has returned, no handler runs, and what is raised from then on is handled after enable_irq()',
    source: 'kernel/irq/manage.c, disable_irq(), __enable_irq(); kernel/irq/chip.c, handle_edge_irq(), 6.12',
    grade: 'read',
    mutants: {
      'it disables nothing': { dev_desc: provides({ actions: { disable: assign({}), enable: assign({}) } }) },
      'no handler is in progress': { dev_desc: provides({ actions: { begin: assign({}) } }) },
    },
    check: (use) => {
      clean([use(irq)], [kernel(irq.raise()), kernel(irq.disable(), free)], [late]);
      clean(
        [use(irq)],
        [kernel(irq.disable(), irq.raise(), irq.enable())],
        [may('ran', (s) => s.ran === 1), never('twice', (s) => s.ran > 1)],
      );
    },
  },
  {
    id: 'KIT-65',
    says: 'synchronize_irq() waits for the thread that its handler has woken as well',
    source: 'kernel/irq/manage.c, __synchronize_irq(); kernel/irq/handle.c, __irq_wake_thread(), 6.12',
    grade: 'read',
    mutants: {
      'no thread is counted': { threaded_desc: provides({ actions: { wakeThread: assign({ runThread: true }) } }) },
      'no thread is wanted': { threaded_desc: provides({ actions: { wakeThread: assign({}) } }) },
    },
    check: (use) =>
      clean([use(threaded)], [kernel(threaded.raise()), kernel(threaded.disable(), free)], [late, may('ran', (s) => s.ran === 1)]),
  },
  {
    id: 'KIT-67',
    says: 'on_each_cpu() that waits returns when the function has run on each CPU',
    source: 'kernel/smp.c, smp_call_function_many_cond(), csd_lock_wait(), 6.12',
    grade: 'read',
    mutants: {
      'no caller is queued': { flush_queue: provides({ actions: { queue: assign({}) } }) },
      'it does not wait': { flush_queue: provides({ actions: { answerLocked: saysNo } }) },
    },
    check: (use) => clean([use(flush)], [onEach(true)], [late]),
  },
  {
    id: 'KIT-70',
    says: 'when a block of a blocking, srcu or atomic chain has been unregistered, it is called no more',
    source: 'kernel/notifier.c, blocking_, srcu_ and atomic_notifier_chain_unregister(), 6.12',
    grade: 'read',
    mutants: {
      'no one is seen who walks it': { chain: provides({ actions: { enter: assign({}) } }) },
      'it stays in the list': { chain: provides({ actions: { unregister: assign({}) } }) },
    },
    check: (use) => {
      for (const kind of ['blocking', 'srcu', 'atomic'] as const) {
        const chain = chainOf(kind);
        clean([use(chain)], [calls(chain), changes(chain)], [late, may('ran', (s) => s.ran === 1)]);
      }
    },
  },
  {
    id: 'KIT-71',
    says: 'blocks are called by priority, up to one that answers NOTIFY_STOP',
    source: 'kernel/notifier.c, notifier_call_chain(), 6.12',
    grade: 'read',
    mutants: {
      'none is registered': { stops: provides({ actions: { register: assign({}) } }) },
      'they are called in the order of registration': {
        order: provides({ actions: { register: assign({ head: 'second', next: { second: 'first', first: null } }) } }),
      },
    },
    check: (use) => {
      const all =
        (chain: Chain): Items =>
        (env) => [chain.register('second'), chain.register('first'), chain.call(env)];
      clean([use(stops)], [all(stops)], [never('both', (s) => s.ran > 1), may('one', (s) => s.ran === 1)]);
      clean([use(order)], [all(order)], [never('second-first', (s) => s.ran > s.other), may('both', (s) => s.ran + s.other === 2)]);
    },
  },
]);

describe('what those contracts do not promise', () => {
  it('disable_irq_nosync() does not wait', () =>
    expect(of([irq], [kernel(irq.raise()), kernel(irq.disableNosync(), free)], [late]).broken).toEqual(['seen.late']));
  it('on_each_cpu() that does not wait', () => expect(of([flush], [onEach(false)], [late]).broken).toEqual(['seen.late']));
  it('a raw chain may call a block that has been taken out', () => {
    const chain = chainOf('raw');
    expect(of([chain], [calls(chain), changes(chain)], [late]).broken).toEqual(['seen.late']);
  });
  it('a callback of a blocking chain cannot change it', () => {
    const own: NotifierChain<'block'> = notifierChain('own', { block: { does: () => [own.unregister('block')] } });
    expect(of([own], [(env) => [own.register('block'), own.call(env)]]).broken).toEqual(['deadlock']);
  });
});

it('an interrupt is enabled as often as it was disabled, and no more', () =>
  expect(() => of([irq], [kernel(irq.disable(), irq.enable(), irq.enable())])).toThrow(
    'thread:p0/0 enables an interrupt that is not disabled: "Unbalanced enable for IRQ"',
  ));

describe('a handler', () => {
  it('runs on top of what its CPU runs, at any point', () =>
    clean(
      [irq],
      [kernel(irq.raise(), seen.addReturn('other', 1))],
      [may('before', (c) => c.ran > c.other), may('after', (c) => c.other > c.ran)],
    ));
  it('does not sleep', () => {
    const c = completion('c');
    const sleeps = interrupt('sleeps', { handler: () => [c.wait()] });
    expect(() => of([c, sleeps], [kernel(sleeps.raise())])).toThrow(/sleeps with/);
  });
  it('of a call runs on one CPU, the own one included', () =>
    clean([flush], [(env) => [flush.single(env, () => 'pcpu:1'), flush.single(env, () => 'pcpu:0'), ...looks(2)]], [late]));
});
