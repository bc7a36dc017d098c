/**
 * Vocabulary of a CPU and its tasks: steps, context, interrupts, the context switch, run queues,
 * sleeping and waking.
 */
import type { ActorId, Delivery, EventOf, Letter } from './event.ts';

/** A function that another CPU runs in the handler of an IPI: what it tells which actor. */
export interface CalledFunction {
  readonly to: ActorId;
  readonly event: { readonly type: string; readonly [field: string]: unknown };
}

export type PcpuEvent = EventOf<{
  /** Offer: run one micro-step of whatever is on top. */
  exec: object;
  /**
   * Offer (`ticks: direct`): the scheduler takes the CPU from the current task; in guest mode a
   * tick ends guest mode first.
   */
  preempt: object;
  /** Offer (`ticks: pending`): a timer tick sets need_resched. */
  tick: object;
  /** Offer: an interrupt of a device outside the model; only where the scenario allows it. */
  interrupt: object;
  /** Offer: guest mode ends for nothing; only where the scenario allows `spurious-exit`. */
  'spurious-exit': object;
  /** Offer: which of several runnable tasks __schedule() picks. */
  pick: { thread: ActorId };
  /** From the current task: what may be interposed from now on. */
  'cpu.context': { letter: Letter };
  /** From the current task: it sleeps after this step; __schedule() must not queue it again. */
  'cpu.sleep': object;
  /** From the current task: it is dead after this step. */
  'cpu.exit': object;
  /** From the current task: a fatal error; this CPU panics the host. */
  'cpu.panic': { reason: string; pfn: number };
  /** From the current task: another kernel runs on this CPU from here, and is not told of. */
  'cpu.replaced': object;
  /** Whether it runs nothing any more: asked by the sender of `nmi.stop`. */
  'cpu.stopped?': object;
  'cpu.needResched?': object;
  /** CPU hotplug: it takes no task any more from here, if it is idle; else it says so. */
  'cpu.offline?': object;
  'sched.done': object;
  /** With the flags of thread_info that __switch_to_xtra() compares, if the task has any. */
  'sched.swappedOut': { tif?: readonly string[] };
  /** From the host scheduler: who is queued here. */
  'rq.waiting': { threads: readonly ActorId[] };
  'irq.reschedule': object;
  /** The IPI of smp_call_function_many() and smp_call_function_single(). */
  'irq.call_function': object;
  /**
   * Into its call_single_queue, by a sender that waits; the handler of `irq.call_function` empties
   * it. Without `func` the function does nothing: that it has run is all.
   */
  'csd.queue': { func?: CalledFunction };
  'nmi.stop': object;
  /** An interrupt whose handler an actor of this CPU walks. */
  'irq.raise': { irq: string };
  /** From that actor: the handler has returned. */
  'irq.done': object;
}>;

/** To the actor that walks a handler: its CPU has been interrupted. */
export type HandlerEvent = EventOf<{ 'irq.enter': object }>;

/**
 * What a task is about to wait in, or waits in; TASK_RUNNING has no name here.
 * @public
 */
export type TaskState = 'interruptible' | 'killable' | 'uninterruptible' | 'parked';
/** Tasks in which states a wake-up is for: TASK_NORMAL, TASK_INTERRUPTIBLE, TASK_PARKED. @public */
export type WakeMode = 'normal' | 'interruptible' | 'parked';
/** To the actor that asked for a wake-up. */
export type WakeAnswer = EventOf<{ 'task.woken': { woken: boolean } }>;

export type TaskEvent = EventOf<{
  /** One micro-step of the task's own code. */
  step: object;
  /** One micro-step of its notifiers, inside __schedule(). */
  'notify.step': object;
  'sched.out': object;
  'sched.swapOut': { letter: Letter };
  /**
   * On a host whose cores have state of their own: the core, and the flags of the task that ran
   * before.
   */
  'sched.swapIn': { core?: { readonly id: ActorId; readonly previous: readonly string[] } };
  /** wake_up_new_task(): it is there, and will be run. */
  'task.wakeUpNew': object;
  'cpu.needResched': { pending: boolean };
  'cpu.offlined': { done: boolean };
  'cpu.stopped': { stopped: boolean };
  /** csd_unlock(): the sender of this has run what it was called for. */
  'csd.unlock': object;
  /**
   * try_to_wake_up(): a task whose state the mode names becomes runnable. A sender that `asks` is
   * told whether it did.
   */
  'task.wake': { mode: WakeMode; asks?: true };
  /** What it asks has refused it: its state, set under the lock of what it waits for. */
  'task.state': { state: TaskState };
  /**
   * A physical interrupt arrives while the task's guest runs; `spurious`: an NMI, which no handler
   * acts upon.
   */
  'cpu.interrupt': { spurious: boolean };
}>;

export type SchedulerEvent = EventOf<{
  /** Offer: a queued thread moves to another pCPU's run queue. */
  migrate: { thread: ActorId; to: ActorId };
  /** A pCPU took this thread off its queue. */
  'rq.take': { thread: ActorId };
  /**
   * switch_to() is done with the previous task: it may be queued again (kernel: on_cpu is clear).
   */
  'rq.put': { thread: ActorId };
  /** switch_to() is done with a task that sleeps. */
  'rq.sleep': { thread: ActorId };
  /** From a pCPU that panicked or was stopped by NMI: it runs nothing any more. */
  'rq.stopped': object;
  /** wake_up_new_task(): a thread is queued for the first time. */
  'sched.wakeUpNew': { thread: ActorId; cpu: ActorId };
  /** From a thread: it does not leave this CPU any more. */
  'sched.setaffinity': { cpu: ActorId };
  /** try_to_wake_up(). */
  'sched.wake': { thread: ActorId };
  /** From a task that slept, and that try_to_wake_up() has made runnable. */
  'ttwu.queue': object;
}>;

/**
 * S3, __switch_to_xtra(): to the core, with the flags of both tasks; the idle task has none. Only a
 * host whose cores have state has such an actor; the mechanism that brings it has the event in its
 * catalogue.
 */
export type CoreEvent = EventOf<{ 'core.switchTo': { previous: readonly string[]; next: readonly string[] } }>;

/** A mutex of the kernel, and a counter of a program's loop: both answer in the same step. */
export type MutexEvent = EventOf<{
  'mutex.lock': object;
  /** By a thread that will not wait, or waits no more: it is in no queue behind it. */
  'mutex.trylock': object;
  'mutex.unlock': object;
  /** mutex_is_locked(): a look, by a thread that will not wait. */
  'mutex.owned?': object;
}>;
export type MutexAnswer = EventOf<{ 'mutex.locked': { acquired: boolean }; 'mutex.owned': { owned: boolean } }>;
export type LoopEvent = EventOf<{ 'loop.next': { loop: number } }>;
/**
 * Offer of an actor that stands at a `choose`: its program goes on at another option than the
 * first.
 */
export type ChoiceEvent = EventOf<{ choose: { option: number } }>;
export type LoopAnswer = EventOf<{ 'loop.turn': { again: boolean } }>;

export const SCHED_EVENTS = {
  exec: 'offer',
  preempt: 'offer',
  tick: 'offer',
  interrupt: 'offer',
  'spurious-exit': 'offer',
  pick: 'offer',
  choose: 'offer',
  migrate: 'offer',
  'cpu.context': 'bus',
  'cpu.sleep': 'bus',
  'cpu.exit': 'bus',
  'cpu.panic': 'bus',
  'cpu.replaced': 'bus',
  'cpu.stopped?': 'bus',
  'cpu.stopped': 'bus',
  'cpu.needResched?': 'bus',
  'cpu.needResched': 'bus',
  'cpu.offline?': 'bus',
  'cpu.offlined': 'bus',
  'cpu.interrupt': 'bus',
  step: 'bus',
  'notify.step': 'bus',
  'sched.done': 'bus',
  'sched.out': 'bus',
  'sched.swapOut': 'bus',
  'sched.swapIn': 'bus',
  'sched.swappedOut': 'bus',
  'rq.waiting': 'bus',
  'rq.take': 'bus',
  'rq.put': 'bus',
  'rq.sleep': 'bus',
  'rq.stopped': 'bus',
  'sched.setaffinity': 'bus',
  'sched.wakeUpNew': 'bus',
  'task.wakeUpNew': 'bus',
  'sched.wake': 'queued',
  'ttwu.queue': 'queued',
  'irq.reschedule': 'latched',
  'irq.call_function': 'latched',
  'csd.queue': 'bus',
  'csd.unlock': 'bus',
  'task.wake': 'bus',
  'task.woken': 'bus',
  'task.state': 'bus',
  'irq.raise': 'latched',
  'irq.enter': 'bus',
  'irq.done': 'bus',
  'nmi.stop': 'queued',
  'mutex.lock': 'bus',
  'mutex.trylock': 'bus',
  'mutex.unlock': 'bus',
  'mutex.locked': 'bus',
  'mutex.owned?': 'bus',
  'mutex.owned': 'bus',
  'loop.next': 'bus',
  'loop.turn': 'bus',
} as const satisfies Record<
  (
    | PcpuEvent
    | HandlerEvent
    | TaskEvent
    | WakeAnswer
    | SchedulerEvent
    | MutexEvent
    | MutexAnswer
    | LoopEvent
    | LoopAnswer
    | ChoiceEvent
  )['type'],
  Delivery
>;
