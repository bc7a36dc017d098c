/** Interrupts, IPIs and signals as races see them. */
import { describe, expect, it } from 'vitest';
import { type HostEnv, type HostItem, host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { completion } from '../../../actors/kit/completion.ts';
import { type DeviceInterrupt, interrupt } from '../../../actors/kit/interrupt.ts';
import { local } from '../../../actors/kit/local.ts';
import { type NotifierChain, notifierChain } from '../../../actors/kit/notifier.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { handleSignal, sigkill, tgkill, threadOf } from '../../../actors/kit/signal.ts';
import { smpCall } from '../../../actors/kit/smp-call.ts';
import { spinlock } from '../../../actors/kit/spinlock.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { timeouts } from '../../../actors/kit/timeout.ts';
import { waitQueue } from '../../../actors/kit/wait-queue.ts';
import { always, type Property, sometimes } from '../../../sim/property.ts';
import { raced } from './raced.ts';

const { when, step } = host;
const seen = cell('seen', { ran: 0, other: 0, freed: false, late: false, handled: 0, met: 0, gaveUp: 0, left: 0, timedOut: 0 });
const known = { source: 'a test', grade: 'decision', kinds: ['seen'] } as const;
type Seen = Readonly<Record<string, number | boolean>>;
type Says = (seen: Seen) => boolean;
const check = (says: Says) => (world: unknown) =>
  says((world as { actors: <C>(kind: string) => readonly { context: C }[] }).actors<Seen>('seen')[0]!.context) ? 'so it is' : null;
const may = (id: string, says: Says) => sometimes(`irqs.${id}`, { ...known, check: check(says) });
const never = (id: string, says: Says) => always(`irqs.${id}`, { ...known, check: check(says) });
const late = never('late', (s) => s.late === true);
const freed = local<boolean>('freed');
const n = local<number>('n');
const ok = local<boolean>('ok');
const body: readonly HostItem[] = [seen.addReturn('ran', 1), seen.load('freed', freed), when([freed.is(true), [seen.store('late', true)]])];
const free = seen.store('freed', true);
const CLEAN = { verdict: 'clean', exhausted: true };

type Items = (env: HostEnv) => readonly HostItem[];
const of = (uses: readonly Primitive[], programs: readonly Items[], properties: readonly Property[] = [], settings: object = {}) =>
  raced({
    race: {
      uses: [seen, timeouts, ...uses],
      operations: Object.fromEntries(programs.map((does, at) => [`op${at}`, { summary: 'works', source: 'a test', does }] as const)),
    },
    properties,
    processes: { p: { threads: programs.map((_, at) => [{ [`op${at}`]: {} }]) } },
    ...settings,
  });
const kernel =
  (...items: readonly HostItem[]): Items =>
  () =>
    syscall('write', 'a test', items);

describe('an interrupt', () => {
  const irq = interrupt('dev', { handler: () => body });
  it('is handled once, on top of what its CPU runs', () =>
    expect(
      of(
        [irq],
        [kernel(irq.raise(), seen.addReturn('other', 1))],
        [may('before', (s) => s.ran === 1 && s.other === 0), may('after', (s) => s.other === 1 && s.ran === 0)],
      ),
    ).toMatchObject(CLEAN));
  it('runs no more when disable_irq() has returned, and may when disable_irq_nosync() has', () => {
    const raises = kernel(irq.raise());
    expect(of([irq], [raises, kernel(irq.disable(), free)], [late])).toMatchObject(CLEAN);
    expect(of([irq], [raises, kernel(irq.disableNosync(), free)], [late]).broken).toEqual(['irqs.late']);
  });
  it('that came while it was disabled is handled when it is enabled', () =>
    expect(
      of(
        [irq],
        [kernel(irq.disable(), irq.raise(), irq.enable())],
        [may('ran', (s) => s.ran === 1), never('twice', (s) => Number(s.ran) > 1)],
      ),
    ).toMatchObject(CLEAN));
  const s = spinlock('s');
  const locks = interrupt('locks', { handler: () => [s.lock(), s.unlock()] });
  it('deadlocks with spin_lock() on its CPU, and not with spin_lock_irqsave()', () => {
    const one = { host: { cpus: 1 } };
    expect(of([locks, s], [kernel(locks.raise(), s.lock(), s.unlock())], [], one).broken).toEqual(['deadlock']);
    expect(of([locks, s], [kernel(locks.raise(), s.lockIrqsave(), s.unlockIrqrestore())], [], one)).toMatchObject(CLEAN);
  });
  it('has a handler that does not sleep', () => {
    const c = completion('c');
    const sleeps = interrupt('sleeps', { handler: () => [c.wait()] });
    expect(() => of([c, sleeps], [kernel(sleeps.raise())])).toThrow(/sleeps with/);
  });
  const threaded: DeviceInterrupt = interrupt('threaded', { thread: () => body });
  it('has a thread that runs once its handler has, and that synchronize_irq() waits for', () =>
    expect(of([threaded], [kernel(threaded.raise(), threaded.disable(), free)], [late, may('ran', (s) => s.ran === 1)])).toMatchObject(
      CLEAN,
    ));
});

describe('a call of a function on other CPUs', () => {
  const flush = smpCall('flush', () => [seen.addReturn('ran', 1)]);
  const looks = (least: number) =>
    [seen.load('ran', n), when([(_t, l) => n.of(l)! < least, [seen.store('late', true)]])] as readonly HostItem[];
  const all =
    (wait: boolean, least: number): Items =>
    (env) =>
      syscall('write', 'a test', [flush.onEach(env, { wait }), ...looks(least)]);
  it('has run on each CPU when on_each_cpu() returns, if it waits', () => {
    expect(of([flush], [all(true, 2)], [late])).toMatchObject(CLEAN);
    expect(of([flush], [all(false, 2)], [late]).broken).toEqual(['irqs.late']);
  });
  it('runs on one CPU, the own one included', () =>
    expect(
      of(
        [flush],
        [(env) => syscall('write', 'a test', [flush.single(env, () => 'pcpu:1'), flush.single(env, () => 'pcpu:0'), ...looks(2)])],
        [late],
      ),
    ).toMatchObject(CLEAN));
  it('never ends where two CPUs call each other with interrupts off', () => {
    const calls: Items = (env) =>
      syscall('write', 'a test', [
        step('local_irq_disable', { irqs: false }),
        flush.many(env, () => env.cpus),
        step('local_irq_enable', { irqs: true }),
      ]);
    expect(of([flush], [calls, calls]).broken).toEqual(['deadlock']);
  });
});

describe('a signal', () => {
  const q = waitQueue('q');
  const target = threadOf('p', 0);
  const never_ = (_t: unknown, l: object) => n.of(l) === -1;
  const look = seen.load('ran', n);
  const counts = [when([ok.is(true), [seen.addReturn('met', 1)]], [() => true, [seen.addReturn('gaveUp', 1)]])];
  const waiter =
    (wait: HostItem): Items =>
    () => [...syscall('read', 'a test', [wait, ...counts], { leaves: [] }), handleSignal(seen.addReturn('handled', 1))];
  const sends =
    (item: HostItem): Items =>
    () => [item];
  it('ends an interruptible wait, and its handler runs', () =>
    expect(
      of(
        [q],
        [waiter(q.waitEventInterruptible(ok, never_, look)), sends(tgkill(target))],
        [may('handled', (s) => s.gaveUp === 1 && s.handled === 1), never('met', (s) => s.met === 1)],
      ),
    ).toMatchObject(CLEAN));
  it('ends no killable wait, unless it is fatal', () => {
    expect(of([q], [waiter(q.waitEventKillable(ok, never_, look)), sends(tgkill(target))]).broken).toEqual(['deadlock']);
    expect(
      of([q], [waiter(q.waitEventKillable(ok, never_, look)), sends(sigkill([target]))], [may('gave-up', (s) => s.gaveUp === 1)]),
    ).toMatchObject(CLEAN);
  });
  it('ends no other wait', () =>
    expect(of([q], [waiter(q.waitEvent(never_, look)), sends(sigkill([target]))]).broken).toEqual(['deadlock']));
  it('ends msleep_interruptible(), and msleep() not', () => {
    const sleeps =
      (item: HostItem): Items =>
      () =>
        syscall('read', 'a test', [item, seen.addReturn('left', 1)]);
    const done = may('done', (s) => s.left === 1);
    expect(of([], [sleeps(timeouts.msleepInterruptible(ok)), sends(tgkill(target))], [done])).toMatchObject(CLEAN);
    expect(of([], [sleeps(timeouts.msleep()), sends(tgkill(target))], [done])).toMatchObject(CLEAN);
  });
});

describe('a wait with a time-out', () => {
  const q = waitQueue('q');
  const c = completion('c');
  const look = seen.load('freed', freed);
  const counts = [when([ok.is(true), [seen.addReturn('met', 1)]], [() => true, [seen.addReturn('timedOut', 1)]])];
  const both = [
    may('met', (s) => s.met === 1),
    may('timed-out', (s) => s.timedOut === 1),
    never('early', (s) => s.met === 1 && s.freed === false),
  ];
  it('of a wait queue ends in either way', () =>
    expect(of([q], [kernel(q.waitEventTimeout(ok, freed.is(true), look), ...counts), kernel(free, q.wakeUp())], both)).toMatchObject(
      CLEAN,
    ));
  it('of a completion too', () =>
    expect(of([c], [kernel(c.waitTimeout(ok), ...counts), kernel(free, c.complete())], both)).toMatchObject(CLEAN));
  it('ends even if nothing ever wakes it', () =>
    expect(
      of([q], [kernel(q.waitEventInterruptibleTimeout(ok, freed.is(true), look), ...counts)], [never('met', (s) => s.met === 1)]),
    ).toMatchObject(CLEAN));
});

describe('a notifier chain', () => {
  const blocks = { first: { does: () => [seen.addReturn('ran', 1)], priority: 1 }, second: { does: () => body } };
  const one = { host: { cpus: 1 } };
  const calls =
    (chain: NotifierChain): Items =>
    (env) =>
      syscall('write', 'a test', [chain.call(env)]);
  const changes = (chain: NotifierChain<'first' | 'second'>): Items =>
    kernel(chain.register('second'), chain.register('first'), chain.unregister('second'), free);
  it.each(['blocking', 'srcu', 'atomic'] as const)('calls no block that has been taken out of it: %s', (kind) => {
    const chain = notifierChain('chain', blocks, { kind });
    expect(of([chain], [calls(chain), changes(chain)], [late, may('both', (s) => s.ran === 2)], one)).toMatchObject(CLEAN);
  });
  it('calls one that has, if nothing but its callers keeps it from that', () => {
    const chain = notifierChain('chain', blocks, { kind: 'raw' });
    expect(of([chain], [calls(chain), changes(chain)], [late], one).broken).toEqual(['irqs.late']);
  });
  it('calls those of higher priority first, up to one that stops', () => {
    const stops = notifierChain('stops', { ...blocks, first: { ...blocks.first, stops: () => true } }, { kind: 'raw' });
    expect(
      of(
        [stops],
        [(env) => syscall('write', 'a test', [stops.register('second'), stops.register('first'), stops.call(env)])],
        [never('both', (s) => s.ran === 2), may('one', (s) => s.ran === 1)],
      ),
    ).toMatchObject(CLEAN);
  });
  it('cannot be changed from a callback of a blocking chain', () => {
    const own: NotifierChain<'block'> = notifierChain('own', { block: { does: () => [own.unregister('block')] } });
    expect(of([own], [(env) => syscall('write', 'a test', [own.register('block'), own.call(env)])]).broken).toEqual(['deadlock']);
  });
});
