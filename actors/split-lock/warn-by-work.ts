/**
 * Generation 2 of the warning (5.19 and later): no flag of the task, but a work item that turns
 * detection on again a little later; and, while the sysctl says so, a sleep and a semaphore, so
 * that only one core at a time splits locks.
 *
 * @see kernel arch/x86/kernel/cpu/bus_lock.c, split_lock_warn(); domain debug-and-split-lock C.3,
 * W1 to W9
 */
import { type ActorId, type Outgoing, outgoing } from '../../events/event.ts';
import { type HostItem, type HostLocals, type HostThread, host, kernelSource, signalPending, toCpu } from '../host/host-env.ts';
import { sleepUntil } from '../host/sleeping.ts';
import { otherwise } from '../path/path.ts';
import { paid } from './bus-lock.ts';
import { SEMAPHORE, SLEEP_TIMER, SYSCTL, WORKQUEUE } from './delayed-work.ts';
import { type SldFacts, toCore } from './sld-facts.ts';

const { path, step, loop, when, note, leaveLoop, leavePath } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    readonly mitigate?: boolean | undefined;
    /** Between down and the work item that will give the semaphore back. */
    readonly holdsSem?: boolean | undefined;
    /** Milliseconds of its sleep. */
    readonly left?: number | undefined;
    /** Of a worker: the present item. */
    readonly work?: string | undefined;
  }
}

/** The item that also gives back the semaphore. */
export const UNLOCK_WORK = 'sl_reenable_unlock';
const workOf = (facts: SldFacts, t: HostThread, mitigate: boolean): string =>
  mitigate ? UNLOCK_WORK : facts.warn === 'gen2' ? `sl_reenable/${t.cpu!.slice('pcpu:'.length)}` : 'sl_reenable';

const readSysctl = (name: string): HostItem =>
  step(name, { send: () => outgoing(SYSCTL, { type: 'sysctl.read?' }), answers: { 'sysctl.value': (e) => ({ mitigate: e.mitigate }) } });

const SLEEP_MS = 10;
/**
 * schedule() goes on with a task whose signal came before it slept.
 * @see kernel kernel/sched/core.c, signal_pending_state()
 */
const scheduleInterruptible = (t: HostThread, ...timer: readonly Outgoing[]) =>
  signalPending(t) ? [] : [...timer, toCpu(t, { type: 'cpu.sleep' })];

/**
 * W3. Where timers are in order, the woken thread asks how much time is left, and sleeps on if it
 * was woken for nothing.
 */
const msleepInterruptible = (facts: SldFacts): readonly HostItem[] => {
  const sleep = step('msleep_interruptible', {
    sleeps: true,
    send: (t, l) => scheduleInterruptible(t, outgoing(SLEEP_TIMER, { type: 'timer.arm', ms: l.left ?? SLEEP_MS })),
    local: () => ({ interruptible: true }),
  });
  if (facts.exitTimerMs === null) return [sleep, note(() => ({ interruptible: undefined }))];
  return [
    note(() => ({ left: SLEEP_MS })),
    loop(
      when([(t, l) => l.left === 0 || signalPending(t), [leaveLoop]]),
      sleep,
      step('timer_delete', {
        send: () => outgoing(SLEEP_TIMER, { type: 'timer.cancel' }),
        answers: { 'timer.left': (e, _t, l) => ({ left: e.ms ?? l.left, interruptible: undefined }) },
      }),
    ),
  ];
};
/** msleep_interruptible() > 0. */
const isInterrupted = (facts: SldFacts, t: HostThread, { left }: HostLocals): boolean =>
  facts.exitTimerMs === null ? signalPending(t) : left !== 0;
const whenInterrupted = ({ options }: SldFacts): readonly HostItem[] =>
  options['host.sldInterrupted'] === 'return' ? [leavePath] : [note(() => ({ mitigate: false }))];

/** W4. */
const downInterruptible = sleepUntil(
  { first: 'down_interruptible', again: '__down_common' },
  {
    send: () => outgoing(SEMAPHORE, { type: 'sem.down' }),
    answers: { 'sem.taken': (e) => ({ granted: e.taken, interruptible: undefined }) },
  },
  when(
    [(_t, l) => l.granted === true, [note(() => ({ holdsSem: true })), leaveLoop]],
    [signalPending, [step('list_del', { send: () => outgoing(SEMAPHORE, { type: 'sem.leave' }) }), leavePath]],
  ),
  step('schedule', { sleeps: true, send: (t) => scheduleInterruptible(t), local: () => ({ interruptible: true }) }),
);

/** Who has split the lock: the guest of a thread, or, if null, the thread itself. */
export type Culprit = (t: HostThread) => ActorId | null;

/** Where bus locks are counted: the sleep and the semaphore have held the culprit up. */
const heldUp = ({ countsBusLocks }: SldFacts, culprit: Culprit, t: HostThread, { mitigate }: HostLocals): readonly Outgoing[] =>
  countsBusLocks && mitigate === true ? [paid(culprit(t))] : [];

/** W1 to W9. */
export const warnByWork = (facts: SldFacts, culprit: Culprit) =>
  path(
    'split_lock_warn',
    kernelSource('arch/x86/kernel/cpu/bus_lock.c, split_lock_warn()'),
    [
      step('pr_warn_ratelimited'),
      readSysctl('sysctl_sld_mitigate'),
      when([
        (_t, l) => l.mitigate === true,
        [
          ...msleepInterruptible(facts),
          when([(t, l) => isInterrupted(facts, t, l), whenInterrupted(facts)], [otherwise, downInterruptible]),
        ],
      ]),
      ...(facts.options['host.sldSysctlReads'] === 'twice' ? [readSysctl('sysctl_sld_mitigate_again')] : []),
      step('get_cpu', { preempt: 1, ns: 5 }),
      step('schedule_delayed_work_on', {
        send: (t, l) => [
          outgoing(WORKQUEUE, { type: 'work.schedule', work: workOf(facts, t, l.mitigate === true), cpu: t.cpu! }),
          ...heldUp(facts, culprit, t, l),
        ],
        local: () => ({ holdsSem: undefined }),
      }),
      step('sld_update_msr', { send: (t) => toCore(facts, t, { type: 'core.wrmsr', sld: false }) }),
      step('put_cpu', { preempt: -1, ns: 5 }),
    ],
    { locals: ['mitigate', 'granted', 'holdsSem', 'left', 'interruptible'] },
  );
