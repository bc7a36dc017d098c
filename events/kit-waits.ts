/**
 * Vocabulary of what waits, runs later or interrupts: what threads and handlers ask those
 * primitives.
 */
import type { ActorId, Delivery, EventOf } from './event.ts';
import type { TaskState, WakeMode } from './sched.ts';

/** A wait queue: `nr` is how many exclusive waiters a wake-up is for; null: all. */
export type WaitQueueEvent = EventOf<{
  'wq.prepare': { exclusive: boolean };
  'wq.finish': object;
  'wq.wake': { mode: WakeMode; nr: number | null };
  'wq.active?': object;
}>;
export type WaitQueueAnswer = EventOf<{ 'wq.active': { active: boolean } }>;

/** Timers of threads that wait with a time-out, by thread; `expire` is the timer in flight. */
export type TimeoutEvent = EventOf<{ 'timeout.start': object; 'timeout.expire': { thread: ActorId }; 'timeout.delete': object }>;
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
/** Whether there is a call to run; whether the caller's own is still to be run. */
export type CallAnswer = EventOf<{ 'call.is': { value: boolean } }>;

/** The descriptor of an interrupt: whether it is disabled, and what of its handling runs. */
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
/** `cpu`: the one on which it came that is to come again. */
export type IrqDescAnswer = EventOf<{ 'desc.is': { value: boolean; cpu?: ActorId } }>;

/** A chain of notifiers: what is registered, and what comes after a block. */
export type NotifierEvent = EventOf<{
  'chain.register': { block: string };
  'chain.unregister': { block: string };
  /** What comes after a block, or stands first. */
  'chain.next?': { block: string | null };
}>;
export type NotifierAnswer = EventOf<{ 'chain.block': { block: string | null } }>;

/** What they answer. */
export type WaitAnswer =
  | WaitQueueAnswer
  | TimeoutAnswer
  | CompletionAnswer
  | RcuwaitAnswer
  | WorkqueueAnswer
  | TimerAnswer
  | CallAnswer
  | IrqDescAnswer
  | NotifierAnswer;
export type WaitEvent =
  | WaitQueueEvent
  | TimeoutEvent
  | CompletionEvent
  | RcuwaitEvent
  | WorkqueueEvent
  | TimerEvent
  | CallEvent
  | IrqDescEvent
  | NotifierEvent
  | WaitAnswer;

export const WAIT_EVENTS = {
  'wq.prepare': 'bus',
  'wq.finish': 'bus',
  'wq.wake': 'bus',
  'wq.active?': 'bus',
  'wq.active': 'bus',
  'timeout.start': 'bus',
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
  'chain.block': 'bus',
} as const satisfies Readonly<Record<WaitEvent['type'], Delivery>>;
