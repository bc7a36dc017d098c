/** Vocabulary of a host process: its threads and how it ends. */
import type { Delivery, EventOf } from './event.ts';

export type Signal = 'SIGBUS' | 'SIGKILL';

export type ProcessEvent = EventOf<{
  /** do_exit() of one thread; `signal` is what killed it, null for a normal end. */
  'process.threadExit': { signal: Signal | null; pfn: number | null };
}>;
/** zap_other_threads(): SIGKILL is pending for this thread now. */
export type KillEvent = EventOf<{ 'process.kill': object }>;

export const PROCESS_EVENTS = {
  'process.threadExit': 'bus',
  'process.kill': 'bus',
} as const satisfies Record<(ProcessEvent | KillEvent)['type'], Delivery>;
