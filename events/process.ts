/** Vocabulary of a host process: its threads and how it ends. */
import type { ActorId, Delivery, EventOf } from './event.ts';

export type Signal = 'SIGBUS' | 'SIGKILL';

export type ProcessEvent = EventOf<{
  /** do_exit() of one thread; `signal` is what killed it, null for a normal end. */
  'process.threadExit': { signal: Signal | null; pfn: number | null };
  /**
   * copy_process(): one thread more, unless a signal ends the process, or the thread that asks, or
   * it has been started.
   */
  'process.threadNew': { thread: ActorId; killed?: true };
}>;
/** Whether there is one thread more. */
export type ProcessAnswer = EventOf<{ 'process.threadMade': { done: boolean } }>;
/**
 * SIGKILL is pending for this thread now. `wakes`: it wakes itself; zap_other_threads() wakes all
 * threads, whatever they wait in.
 */
export type KillEvent = EventOf<{ 'process.kill': { wakes?: true } }>;
/** A signal that kills no thread is sent to this one. */
export type SignalEvent = EventOf<{ 'process.signal': object }>;
/** Whether it sleeps, and is to be woken for the signal. */
export type SignalAnswer = EventOf<{ 'signal.sent': { wakes: boolean } }>;

export const PROCESS_EVENTS = {
  'process.threadExit': 'bus',
  'process.threadNew': 'bus',
  'process.threadMade': 'bus',
  'process.kill': 'bus',
  'process.signal': 'bus',
  'signal.sent': 'bus',
} as const satisfies Record<(ProcessEvent | ProcessAnswer | KillEvent | SignalEvent | SignalAnswer)['type'], Delivery>;
