/**
 * `worldswitch/kit`: primitives of the kernel, and what makes a module of them. docs/kit.md goes
 * through it.
 */
import './shipped.ts';

export { schedule, setCurrentRunning, setCurrentState } from '../actors/host/task-state.ts';
export { smpMb, smpRmb, smpWmb } from '../actors/kit/barriers.ts';
export { type Cell, type CellFields, type CellRest, cell, type Fields, type Instances, type Where } from '../actors/kit/cell.ts';
export { type Completion, completion } from '../actors/kit/completion.ts';
export { fail, failed } from '../actors/kit/errno.ts';
export { after, around, atEnd, atStart, before, type FnRest, fn, instead } from '../actors/kit/fn.ts';
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
export { type Body, type Kthread, kthread, mayIdle, type Runs, type Sourced } from '../actors/kit/kthread.ts';
export { type Given, type Local, local } from '../actors/kit/local.ts';
export { type LockWhere, type Mutex, mutex } from '../actors/kit/mutex.ts';
export { type Block, type ChainKind, type NotifierChain, notifierChain } from '../actors/kit/notifier.ts';
export { type MemoryObject, object } from '../actors/kit/object.ts';
export type { At, Breach, HostShape, Part, Per, Primitive } from '../actors/kit/primitive.ts';
export { type Callback, type GracePeriods, type Rcu, rcu, type Srcu, srcu } from '../actors/kit/rcu.ts';
export { type Rcuwait, rcuwait } from '../actors/kit/rcuwait.ts';
export { type Refcount, type RefcountRest, refcount } from '../actors/kit/refcount.ts';
export { type Rwlock, rwlock } from '../actors/kit/rwlock.ts';
export { type Rwsem, rwsem } from '../actors/kit/rwsem.ts';
export { type Lockable, preemptOff, under } from '../actors/kit/section.ts';
export { type Semaphore, semaphore } from '../actors/kit/semaphore.ts';
export { type Seqcount, type Seqlock, seqcount, seqlock } from '../actors/kit/seqcount.ts';
export { handleSignal, isSignalPending, sigkill, tgkill, threadOf } from '../actors/kit/signal.ts';
export { type SmpCall, smpCall } from '../actors/kit/smp-call.ts';
export { type Spinlock, spinlock } from '../actors/kit/spinlock.ts';
export { syscall } from '../actors/kit/syscall.ts';
export { type Timeouts, timeouts } from '../actors/kit/timeout.ts';
export { type Hrtimer, hrtimer, type Timer, timer } from '../actors/kit/timer.ts';
export { type Test, type WaitQueue, waitQueue } from '../actors/kit/wait-queue.ts';
export { type Workqueue, workqueue } from '../actors/kit/workqueue.ts';
export { toUserSpace } from '../actors/kvm/kit-exits.ts';
export { thisCpu, thisVcpu, thisVm, vcpu } from '../actors/kvm/kit-here.ts';
export { kvmLock, slotsLock, vcpuMutex } from '../actors/kvm/kit-locks.ts';
export { kick, type OfVcpu, type Request, request } from '../actors/kvm/kit-requests.ts';
export { type MmuLockSide, mmuLock, type OfVm } from '../actors/kvm/mmu-lock.ts';
export { otherwise } from '../actors/path/path.ts';
export type {
  CellAnswer,
  CellEvent,
  CellValue,
  GraceAnswer,
  GraceEvent,
  QueuedAnswer,
  RefcountAnswer,
  RefcountEvent,
  RwlockAnswer,
  RwlockEvent,
  RwsemEvent,
  SemaphoreEvent,
  SeqcountAnswer,
  SeqcountEvent,
  SpinAnswer,
  SpinEvent,
} from '../events/kit.ts';
export type { ObjectEvent } from '../events/object.ts';
export type { TaskState, WakeMode } from '../events/sched.ts';
export { type Race, type RaceOperation, race } from '../sim/host/race.ts';
export type { Argument } from '../sim/host/race-argument.ts';
export type { RunHooks } from '../sim/host/race-hooks.ts';
export type { KvmRace, RaceExit, RaceHypercall, RaceIoctl, RaceMsr, RaceRequest } from '../sim/host/race-kvm.ts';
export { happens, holds } from '../sim/host/race-properties.ts';
export { propertiesOf } from '../sim/host/used-parts.ts';
export { always, alwaysEach, eventually, leavesEach, sometimes } from '../sim/property.ts';
export { GFN, integer, NAME, VCPU } from '../sim/scenario/fields.ts';
export { makePagePrivate, makePageShared, type OfPage, storeToPage } from './shipped.ts';
