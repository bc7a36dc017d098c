/**
 * `worldswitch/kit`: primitives of the kernel, and what makes a module of them. docs/kit.md goes
 * through it.
 */
import './shipped.ts';

export { schedule, setCurrentRunning, setCurrentState } from '../actors/host/task-state.ts';
export { type Cell, type CellFields, cell, type Fields, type Instances, type Where } from '../actors/kit/cell.ts';
export { type Completion, completion } from '../actors/kit/completion.ts';
export { after, atEnd, atStart, before, type FnRest, fn, instead } from '../actors/kit/fn.ts';
export { type DeviceInterrupt, type Handling, interrupt } from '../actors/kit/interrupt.ts';
export {
  call,
  leaveLoop,
  leavePath,
  loop,
  note,
  preemptDisable,
  preemptEnable,
  step,
  when,
} from '../actors/kit/items.ts';
export { type Body, type Kthread, kthread, mayIdle, type Runs } from '../actors/kit/kthread.ts';
export { type Given, type Local, local } from '../actors/kit/local.ts';
export { type LockWhere, type Mutex, mutex } from '../actors/kit/mutex.ts';
export { type Block, type ChainKind, type NotifierChain, notifierChain } from '../actors/kit/notifier.ts';
export type { At, HostShape, Part, Per, Primitive } from '../actors/kit/primitive.ts';
export { type Rcuwait, rcuwait } from '../actors/kit/rcuwait.ts';
export { handleSignal, isSignalPending, sigkill, tgkill, threadOf } from '../actors/kit/signal.ts';
export { type SmpCall, smpCall } from '../actors/kit/smp-call.ts';
export { type Spinlock, spinlock } from '../actors/kit/spinlock.ts';
export { syscall } from '../actors/kit/syscall.ts';
export { type Timeouts, timeouts } from '../actors/kit/timeout.ts';
export { type Hrtimer, hrtimer, type Timer, timer } from '../actors/kit/timer.ts';
export { type Test, type WaitQueue, waitQueue } from '../actors/kit/wait-queue.ts';
export { type Workqueue, workqueue } from '../actors/kit/workqueue.ts';
export { otherwise } from '../actors/path/path.ts';
export type { CellAnswer, CellEvent, CellValue, SpinAnswer, SpinEvent } from '../events/kit.ts';
export type { TaskState, WakeMode } from '../events/sched.ts';
export { type Argument, type Race, type RaceOperation, race } from '../sim/host/race.ts';
export { happens, holds } from '../sim/host/race-properties.ts';
export { always, alwaysEach, eventually, leavesEach, sometimes } from '../sim/property.ts';
