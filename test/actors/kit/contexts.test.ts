/** Where something must not be called from, and what never runs: claims with one context each. */
import { expect } from 'vitest';
import { assign, enqueueActions } from 'xstate';
import { type HostEnv, type HostItem, type HostPath, host } from '../../../actors/host/host-env.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { instead } from '../../../actors/kit/fn.ts';
import { interrupt } from '../../../actors/kit/interrupt.ts';
import { kthread } from '../../../actors/kit/kthread.ts';
import { local } from '../../../actors/kit/local.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { smpCall } from '../../../actors/kit/smp-call.ts';
import { spinlock } from '../../../actors/kit/spinlock.ts';
import { hrtimer, timer } from '../../../actors/kit/timer.ts';
import { outgoing } from '../../../events/event.ts';
import { happens, holds } from '../../../sim/host/race-properties.ts';
import type { Property } from '../../../sim/property.ts';
import { kitClaims, provides, threads, walks } from './claims.ts';

const { when, step } = host;
const CLEAN = { verdict: 'clean', exhausted: true };
const seen = cell('seen', { ran: 0, over: false, freed: false, late: false });
interface Seen {
  readonly ran: number;
  readonly over: boolean;
  readonly late: boolean;
}
type Says = (seen: Seen) => boolean;
const may = (id: string, says: Says) => happens<Seen>({ kind: 'seen' }, `seen.${id}`, 'a test', (c) => says(c) && 'so it is');
const never = (id: string, says: Says) => holds<Seen>({ kind: 'seen' }, `seen.${id}`, 'a test', (c) => says(c) && 'so it is');
const run = seen.addReturn('ran', 1);
const over = seen.store('over', true);
const freed = local<boolean>('freed');
const ran = local<number>('ran');

type Works = Parameters<typeof threads>[0];
const clean = (uses: readonly Primitive[], works: Works, properties: readonly Property[] = []) =>
  expect(threads(works, { uses: [seen, ...uses], properties })).toMatchObject(CLEAN);
const stuck = (uses: readonly Primitive[], works: Works) => expect(threads(works, { uses: [seen, ...uses] }).broken).toEqual(['deadlock']);

const worker = kthread('worker', () => [run]);
const s = spinlock('s');
const section = [s.lock(), s.unlock()];
const locks = timer('locks', () => section);
const own: ReturnType<typeof timer> = timer('own', () => [own.deleteSync()]);
const late = never('late', (c) => c.late);
const body = [seen.addReturn('ran', 1, ran), seen.load('freed', freed), when([freed.is(true), [seen.store('late', true)]])];
const hr = hrtimer('hr', () => body, { restarts: (_t, l) => ran.of(l) === 1 });
const irq = interrupt('dev', { handler: () => section });
const flush = smpCall('flush', () => [run]);

const saysNo = (type: string) =>
  enqueueActions((({ event, enqueue }: { event: { from: string }; enqueue: { emit(message: object): void } }) =>
    enqueue.emit(outgoing(event.from, { type, value: false }))) as never);
const alwaysFree = { s: provides({ guards: { isFree: () => true }, actions: { release: assign({ owner: null }) } }) };
/** Each loop of the function is gone through once. */
const once = (path: HostPath): HostPath => ({
  ...path,
  items: path.items.flatMap((item) => (item.kind === 'loop' ? item.body.filter(({ kind }) => kind === 'step') : [item])),
});

kitClaims([
  {
    id: 'KIT-51',
    says: 'a thread that is stopped before it has run never runs its function',
    source: 'kernel/kthread.c, kthread(), 6.12',
    grade: 'read',
    mutants: {
      'it does not look before it runs': walks({
        kthread: (path) =>
          instead(
            path,
            'test_bit',
            step('test_bit', { leaves: ['kthreadShouldStop'], local: () => ({ kthreadShouldStop: false }) as object }),
          ),
      }),
      'kthread_stop() does not say so': { worker_flags: provides({ actions: { write: assign({}) } }) },
    },
    check: (of) => {
      clean([of(worker)], [[worker.stop(), over]], [never('ran', (c) => c.ran > 0)]);
      clean(
        [of(worker)],
        [[worker.wakeUp(), worker.stop(), over]],
        [1, 0].map((n) => may(`ran-${n}`, (c) => c.over && c.ran === n)),
      );
    },
  },
  {
    id: 'KIT-62',
    says: 'timer_delete_sync() never returns under a lock that the function of the timer takes, nor in that function',
    source: 'kernel/time/timer.c, timer_delete_sync(), 6.12',
    grade: 'read',
    mutants: {
      'it waits for no function': Object.fromEntries(
        ['locks', 'own'].map((one) => [one, provides({ guards: { isRunning: () => false } })]),
      ),
      'the lock keeps no one out': alwaysFree,
    },
    check: (of) => {
      const all = [of(locks), of(own), of(s)];
      stuck(all, [[locks.mod()], [s.lockIrqsave(), locks.deleteSync(), s.unlockIrqrestore()]]);
      stuck(all, [[own.mod()]]);
      stuck(all, [[locks.mod(), ...section]]);
      clean(all, [[locks.mod(), s.lockIrqsave(), s.unlockIrqrestore()]]);
    },
  },
  {
    id: 'KIT-63',
    says: 'hrtimer_cancel() ends an hrtimer whose function restarts it',
    source: 'kernel/time/hrtimer.c, hrtimer_cancel(), __run_hrtimer(), 6.12',
    grade: 'read',
    mutants: {
      'it waits for no function': { hr: provides({ guards: { isRunning: () => false } }) },
      'it tries once': walks({ hrtimer_cancel: once }),
    },
    check: (of) => {
      const cancels = (item: HostItem) => [[hr.start()], [seen.load('ran', ran), when([ran.is(1), [item, seen.store('freed', true)]])]];
      clean([of(hr)], cancels(hr.cancel()), [late, may('restarted', (c) => c.ran === 2)]);
      const { broken } = threads(cancels(hr.tryToCancel(local<number>('tried'))), { uses: [seen, of(hr)], properties: [late] });
      expect(broken).toEqual(['seen.late']);
    },
  },
  {
    id: 'KIT-66',
    says: 'a handler that takes a lock never gets it from a holder on its CPU that has interrupts on',
    source: 'Documentation/locking/spinlocks.rst, "Lesson 3: spinlocks revisited", 6.12',
    grade: 'read',
    mutants: {
      'the lock keeps no one out': alwaysFree,
      'no handler runs': { dev_desc: provides({ actions: { answer: saysNo('desc.is') } }) },
    },
    check: (of) => {
      stuck([of(irq), of(s)], [[irq.raise(), ...section]]);
      clean([of(irq), of(s)], [[irq.raise(), s.lockIrqsave(), s.unlockIrqrestore()]]);
    },
  },
  {
    id: 'KIT-68',
    says: 'two CPUs that call each other and wait with interrupts off never return',
    source: 'kernel/smp.c, smp_call_function_many_cond(), "Can deadlock when called with interrupts disabled", 6.12',
    grade: 'read',
    mutants: {
      'they do not wait': { flush_queue: provides({ actions: { answerLocked: saysNo('call.is') } }) },
      'no one is called': { flush_queue: provides({ actions: { queue: assign({}) } }) },
    },
    check: (of) => {
      const off = (env: HostEnv) => [
        step('local_irq_disable', { irqs: false }),
        flush.many(env, () => ['pcpu:0', 'pcpu:1']),
        step('local_irq_enable', { irqs: true }),
      ];
      stuck([of(flush)], [off, off]);
    },
  },
]);
