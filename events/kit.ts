/** Vocabulary of the primitives that modules are built from: what threads ask shared memory. */
import type { ActorId, Delivery, EventOf } from './event.ts';
import type { TaskState, WakeMode } from './sched.ts';

/** What a field of a cell holds. @public */
export type CellValue = string | number | boolean | null;

/** One access to one field; the field is as wide as one access is. @public */
export type CellEvent = EventOf<{
  'cell.load': { field: string };
  'cell.store': { field: string; value: CellValue };
  /** Locked: gives back what was there. */
  'cell.xchg': { field: string; value: CellValue };
  /** Locked: stores only where `expected` is; gives back what was there. */
  'cell.cmpxchg': { field: string; expected: CellValue; value: CellValue };
  /** Locked: gives back the sum. */
  'cell.add': { field: string; value: number };
}>;

/** What a cell answers. @public */
export type CellAnswer = EventOf<{ 'cell.value': { value: CellValue } }>;

/** A spinlock: it answers in the same step. @public */
export type SpinEvent = EventOf<{ 'spin.lock': object; 'spin.unlock': object }>;
/** What a spinlock answers. @public */
export type SpinAnswer = EventOf<{ 'spin.locked': { acquired: boolean } }>;

/** Memory with a life. @public */
export type ObjectEvent = EventOf<{ 'object.alloc': object; 'object.use': object; 'object.free': object }>;

/** A reference count. @public */
export type RefcountEvent = EventOf<{
  'refcount.inc': object;
  'refcount.incNotZero': object;
  'refcount.decAndTest': object;
  'refcount.decNotOne': object;
  'refcount.set': { count: number };
  'refcount.read': object;
}>;
/** What a reference count answers. @public */
export type RefcountAnswer = EventOf<{ 'refcount.done': { result: boolean }; 'refcount.value': { count: number | 'saturated' } }>;

/** RCU, or one SRCU domain. @public */
export type GraceEvent = EventOf<{
  'grace.enter': object;
  /** With the index that an SRCU reader was given. */
  'grace.leave': { index?: 0 | 1 };
  'grace.synchronize': object;
  'grace.call': { callback: { to: ActorId; event: { readonly type: string; readonly [field: string]: unknown } } };
  /** Offer: the grace period ends. */
  'grace.end': object;
}>;
/** What it answers. @public */
export type GraceAnswer = EventOf<{ 'grace.index': { index: 0 | 1 }; 'grace.over': { over: boolean } }>;

/** An rwlock: it answers in the same step. @public */
export type RwlockEvent = EventOf<{
  'rwlock.trylock': { writes: boolean };
  /** In the queue, or to get there. */
  'rwlock.wait': { writes: boolean };
  'rwlock.unlock': { writes: boolean };
}>;
/** What an rwlock answers. @public */
export type RwlockAnswer = EventOf<{ 'rwlock.locked': { acquired: boolean } }>;

/** An rw_semaphore. @public */
export type RwsemEvent = EventOf<{
  'rwsem.down': { writes: boolean };
  'rwsem.trylock': { writes: boolean };
  /** By a thread that was woken: whether it was granted the lock, or can take it. */
  'rwsem.woken': { writes: boolean };
  /** By a thread that waits no more. */
  'rwsem.cancel': object;
  'rwsem.downgrade': object;
  'rwsem.up': { writes: boolean };
}>;
/** A counting semaphore. @public */
export type SemaphoreEvent = EventOf<{
  'semaphore.down': object;
  'semaphore.trylock': object;
  'semaphore.woken': object;
  'semaphore.cancel': object;
  'semaphore.up': object;
}>;
/** What locks with a queue answer. @public */
export type QueuedAnswer = EventOf<{ 'queued.granted': { granted: boolean } }>;

/** A sequence count. @public */
export type SeqcountEvent = EventOf<{ 'seqcount.begin': object; 'seqcount.end': object; 'seqcount.read': object }>;
/** What a sequence count answers. @public */
export type SeqcountAnswer = EventOf<{ 'seqcount.value': { sequence: number } }>;

/** A wait queue: `nr` is how many exclusive waiters a wake-up is for; null: all. */
export type WaitQueueEvent = EventOf<{
  'wq.prepare': { exclusive: boolean };
  'wq.finish': object;
  'wq.wake': { mode: WakeMode; nr: number | null };
  'wq.active?': object;
}>;
export type WaitQueueAnswer = EventOf<{ 'wq.active': { active: boolean } }>;

/** Timers of threads that wait with a time-out, by thread; `expire` is the timer in flight. */
export type TimeoutEvent = EventOf<{ 'timeout.arm': object; 'timeout.expire': { thread: ActorId }; 'timeout.delete': object }>;
/** `pending`: it had not expired. */
export type TimeoutAnswer = EventOf<{ 'timeout.deleted': { pending: boolean } }>;

/** A completion. `last`: the thread waits no more, whatever the answer is. */
export type CompletionEvent = EventOf<{
  'completion.wait': { state: TaskState; last: boolean };
  'completion.try': object;
  'completion.done?': object;
  'completion.complete': object;
  'completion.all': object;
  'completion.reinit': object;
}>;
/** `over`: the thread has stopped waiting. */
export type CompletionAnswer = EventOf<{ 'completion.done': { done: boolean; over: boolean } }>;

/** One task that waits, as an rcuwait knows it. */
export type RcuwaitEvent = EventOf<{ 'rcuwait.prepare': object; 'rcuwait.finish': object; 'rcuwait.task?': object }>;
export type RcuwaitAnswer = EventOf<{ 'rcuwait.task': { task: ActorId | null } }>;

/** A work queue: `kwork.timer` is the timer of a delayed item, in flight. */
export type WorkqueueEvent = EventOf<{
  'kwork.queue': { work: string };
  'kwork.delay': { work: string; modifies: boolean };
  'kwork.timer': { work: string };
  'kwork.next': { worker: string };
  'kwork.end': { work: string };
  /** `timers`: a delayed item is queued at once. */
  'kwork.flush': { works: readonly string[]; timers: boolean };
  'kwork.flushed?': object;
  'kwork.cancel': { work: string; waits: boolean };
  'kwork.enable': { work: string };
}>;
export type WorkqueueAnswer = EventOf<{
  /** What queueing and cancelling return: whether it was queued now, or was pending before. */
  'kwork.was': { value: boolean };
  'kwork.item': { work: string | null };
  'kwork.flushed': { done: boolean };
}>;

/** A timer: the interrupt of its expiry is in flight while it is pending. */
export type TimerEvent = EventOf<{
  'timer.mod': { cpu: ActorId };
  'timer.pending?': object;
  'timer.del': { shutdown: boolean };
  /** Deletes it unless its function runs: -1 then. */
  'timer.tryDel': { shutdown: boolean };
  'timer.run?': { cpu: ActorId };
  'timer.ran': object;
}>;
export type TimerAnswer = EventOf<{ 'timer.was': { value: number }; 'timer.run': { run: boolean } }>;

/** Calls of a function on another CPU: who waits for it. */
export type CallEvent = EventOf<{ 'call.queue': object; 'call.next': object; 'call.end': object; 'call.locked?': object }>;
/** What a call is told: whether there is one to run; whether the caller's own is still to be run. */
export type CallAnswer = EventOf<{ 'call.is': { value: boolean } }>;

/** What the kernel knows of one interrupt: whether it is disabled, and what of its handling runs. */
export type IrqDescEvent = EventOf<{
  'desc.begin': object;
  'desc.end': object;
  'desc.wakeThread': object;
  'desc.takeThread': object;
  'desc.threadDone': object;
  /** `threads`: of the thread besides the handler. */
  'desc.runs?': { threads: boolean };
  'desc.disable': object;
  'desc.enable': object;
}>;
export type IrqDescAnswer = EventOf<{ 'desc.is': { value: boolean } }>;

/** A chain of notifiers: what is registered, and what comes after a block. */
export type NotifierEvent = EventOf<{
  'chain.register': { block: string };
  'chain.unregister': { block: string };
  /** What comes after a block, or stands first. */
  'chain.next?': { after: string | null };
  /** down_read(), srcu_read_lock() and its likes; `exclusive`: down_write(). */
  'chain.enter': { exclusive: boolean };
  'chain.leave': object;
  /** A grace period: of those who read now. */
  'chain.synchronize': object;
  'chain.synced?': object;
}>;
export type NotifierAnswer = EventOf<{ 'chain.block': { block: string | null }; 'chain.done': { done: boolean } }>;

/** What primitives answer threads and guests. */
export type KitAnswer =
  | CellAnswer
  | SpinAnswer
  | RefcountAnswer
  | GraceAnswer
  | RwlockAnswer
  | QueuedAnswer
  | SeqcountAnswer
  | WaitQueueAnswer
  | TimeoutAnswer
  | CompletionAnswer
  | RcuwaitAnswer
  | WorkqueueAnswer
  | TimerAnswer
  | CallAnswer
  | IrqDescAnswer
  | NotifierAnswer;
export type KitEvent =
  | CellEvent
  | SpinEvent
  | ObjectEvent
  | RefcountEvent
  | GraceEvent
  | RwlockEvent
  | RwsemEvent
  | SemaphoreEvent
  | SeqcountEvent
  | WaitQueueEvent
  | TimeoutEvent
  | CompletionEvent
  | RcuwaitEvent
  | WorkqueueEvent
  | TimerEvent
  | CallEvent
  | IrqDescEvent
  | NotifierEvent
  | KitAnswer;

/**
 * How a processor carries out what is asked of a primitive whose actor tells `by` whom it is asked.
 * A plain store may wait in a store buffer, a plain load finds what waits there, a locked
 * instruction waits until nothing does. `none`: it is no access to memory, or a plain load of what no
 * store waits for. What does not stand here waits until nothing does, and then goes its own way.
 */
export const ACCESSES: Readonly<Partial<Record<KitEvent['type'], 'load' | 'store' | 'rmw' | 'none'>>> = {
  'cell.load': 'load',
  'cell.store': 'store',
  'cell.xchg': 'rmw',
  'cell.cmpxchg': 'rmw',
  'cell.add': 'rmw',
  'spin.lock': 'rmw',
  'spin.unlock': 'store',
  // Said of the access beside it.
  'object.use': 'none',
  'wq.active?': 'none',
  'completion.done?': 'none',
  'timer.pending?': 'none',
  'refcount.read': 'none',
  'seqcount.read': 'none',
};

export const KIT_EVENTS = {
  'cell.load': 'bus',
  'cell.store': 'bus',
  'cell.xchg': 'bus',
  'cell.cmpxchg': 'bus',
  'cell.add': 'bus',
  'cell.value': 'bus',
  'spin.lock': 'bus',
  'spin.unlock': 'bus',
  'spin.locked': 'bus',
  'object.alloc': 'bus',
  'object.use': 'bus',
  'object.free': 'bus',
  'refcount.inc': 'bus',
  'refcount.incNotZero': 'bus',
  'refcount.decAndTest': 'bus',
  'refcount.decNotOne': 'bus',
  'refcount.set': 'bus',
  'refcount.read': 'bus',
  'refcount.done': 'bus',
  'refcount.value': 'bus',
  'grace.enter': 'bus',
  'grace.leave': 'bus',
  'grace.synchronize': 'bus',
  'grace.call': 'bus',
  'grace.end': 'offer',
  'grace.index': 'bus',
  'grace.over': 'bus',
  'rwlock.trylock': 'bus',
  'rwlock.wait': 'bus',
  'rwlock.unlock': 'bus',
  'rwlock.locked': 'bus',
  'rwsem.down': 'bus',
  'rwsem.trylock': 'bus',
  'rwsem.woken': 'bus',
  'rwsem.cancel': 'bus',
  'rwsem.downgrade': 'bus',
  'rwsem.up': 'bus',
  'semaphore.down': 'bus',
  'semaphore.trylock': 'bus',
  'semaphore.woken': 'bus',
  'semaphore.cancel': 'bus',
  'semaphore.up': 'bus',
  'queued.granted': 'bus',
  'seqcount.begin': 'bus',
  'seqcount.end': 'bus',
  'seqcount.read': 'bus',
  'seqcount.value': 'bus',
  'wq.prepare': 'bus',
  'wq.finish': 'bus',
  'wq.wake': 'bus',
  'wq.active?': 'bus',
  'wq.active': 'bus',
  'timeout.arm': 'bus',
  'timeout.expire': 'latched',
  'timeout.delete': 'bus',
  'timeout.deleted': 'bus',
  'completion.wait': 'bus',
  'completion.try': 'bus',
  'completion.done?': 'bus',
  'completion.complete': 'bus',
  'completion.all': 'bus',
  'completion.reinit': 'bus',
  'completion.done': 'bus',
  'rcuwait.prepare': 'bus',
  'rcuwait.finish': 'bus',
  'rcuwait.task?': 'bus',
  'rcuwait.task': 'bus',
  'kwork.queue': 'bus',
  'kwork.delay': 'bus',
  'kwork.timer': 'latched',
  'kwork.next': 'bus',
  'kwork.end': 'bus',
  'kwork.flush': 'bus',
  'kwork.flushed?': 'bus',
  'kwork.cancel': 'bus',
  'kwork.enable': 'bus',
  'kwork.was': 'bus',
  'kwork.item': 'bus',
  'kwork.flushed': 'bus',
  'timer.mod': 'bus',
  'timer.pending?': 'bus',
  'timer.del': 'bus',
  'timer.tryDel': 'bus',
  'timer.run?': 'bus',
  'timer.ran': 'bus',
  'timer.was': 'bus',
  'timer.run': 'bus',
  'call.queue': 'bus',
  'call.next': 'bus',
  'call.end': 'bus',
  'call.locked?': 'bus',
  'call.is': 'bus',
  'desc.begin': 'bus',
  'desc.end': 'bus',
  'desc.wakeThread': 'bus',
  'desc.takeThread': 'bus',
  'desc.threadDone': 'bus',
  'desc.runs?': 'bus',
  'desc.disable': 'bus',
  'desc.enable': 'bus',
  'desc.is': 'bus',
  'chain.register': 'bus',
  'chain.unregister': 'bus',
  'chain.next?': 'bus',
  'chain.synchronize': 'bus',
  'chain.synced?': 'bus',
  'chain.enter': 'bus',
  'chain.leave': 'bus',
  'chain.block': 'bus',
  'chain.done': 'bus',
} as const satisfies Readonly<Record<KitEvent['type'], Delivery>>;
