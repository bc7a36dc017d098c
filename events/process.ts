/** Vocabulary of a host process: its threads and how it ends. */
import type { Delivery, EventOf } from './event.ts';

export type Signal = 'SIGBUS' | 'SIGKILL';

export type ProcessEvent = EventOf<{
  /** do_exit() of one thread; `signal` is what killed it, null for a normal end. */
  'process.threadExit': { signal: Signal | null; pfn: number | null };
  /** do_group_exit() of one thread: the others are told. */
  'process.signal?': object;
}>;
export type ProcessAnswer = EventOf<{ 'process.signal': { signal: Signal | null } }>;

export const PROCESS_EVENTS = {
  'process.threadExit': 'bus',
  'process.signal?': 'bus',
  'process.signal': 'bus',
} as const satisfies Record<(ProcessEvent | ProcessAnswer)['type'], Delivery>;
