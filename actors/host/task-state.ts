/**
 * task->__state: what a thread says before it sleeps, so that a wake-up that comes between its look
 * at a condition and its schedule() is not lost.
 *
 * set_current_state() and schedule() are steps of their own. A wake-up of a task that is runnable
 * does nothing; one that comes after set_current_state() makes it runnable again, and schedule()
 * does not sleep.
 *
 * @see kernel kernel/sched/core.c, try_to_wake_up(), __schedule(), signal_pending_state();
 * include/linux/sched.h, set_current_state()
 */
import type { TaskState } from '../../events/sched.ts';
import type { StepSpec } from '../path/path.ts';
import { fatalSignalPending, fromMemory, type HostItem, type HostLocals, type HostThread, host, toCpu } from './host-env.ts';

const SCHEDULED = fromMemory('kernel/sched/core.c, __schedule(), signal_pending_state()');
export const RUNNING = { state: undefined, offRq: undefined } as const;

/** signal_pending_state(): a signal that has come ends a wait in this state. */
export const endsWait = (t: HostThread, state: TaskState | undefined): boolean => {
  if (state === 'interruptible') return fatalSignalPending(t) || t.sigpending === true;
  return state === 'killable' && fatalSignalPending(t);
};

const mustRun = (t: HostThread): boolean => t.state === undefined || endsWait(t, t.state);

type Rest = Pick<StepSpec<HostThread, HostLocals, never>, 'local' | 'leaves' | 'source' | 'grade'>;

/**
 * schedule(): sleeps, unless the thread has been woken or a signal has come since it said what it
 * waits in. `before` is sent first.
 * @public
 */
export const schedule = (
  name = 'schedule',
  before: StepSpec<HostThread, HostLocals, never>['send'] = () => [],
  rest: Rest = {},
): HostItem =>
  host.step(name, {
    ...SCHEDULED,
    ...rest,
    sleeps: true,
    mayResched: true,
    set: (t) => (mustRun(t) ? RUNNING : { offRq: true as const }),
    send: (t, l) => [before(t, l)].flat().concat(mustRun(t) ? [] : [toCpu(t, { type: 'cpu.sleep' })]),
  });

/** set_current_state(), which is smp_store_mb(). @public */
export const setCurrentState = (state: TaskState, name = 'set_current_state'): HostItem =>
  host.step(name, { ...fromMemory('include/linux/sched.h, set_current_state()'), set: () => ({ state }), fences: true });

/** __set_current_state(TASK_RUNNING). @public */
export const setCurrentRunning = (name = '__set_current_state'): HostItem =>
  host.step(name, { ...fromMemory('include/linux/sched.h, __set_current_state()'), set: () => RUNNING });
