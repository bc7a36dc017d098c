/** What one line of a recording says of a thread, and what a recording can show at all. */
import type { Letter } from '../../events/event.ts';
import type { PrevState } from '../event.ts';
import type { Meaning } from './map.ts';

/** What a recording shows of its threads: names of functions and events, and kinds of events. */
export interface Sight {
  readonly functions: ReadonlySet<string>;
  readonly events: ReadonlySet<string>;
  /** Whether the recording has sched_switch. */
  readonly switches: boolean;
  /** Whether returns of functions show; true if absent. */
  readonly returns?: boolean;
  /** Whether signals may reach the thread unseen. */
  readonly signals: boolean;
}

/** What the head of a line says of the context. */
export interface Context {
  readonly irqsOff: boolean;
  /** Preemption is off; null if that is not known. */
  readonly preemptOff: boolean | null;
}

/** A function or an event stands for a micro-step. */
export interface Shown {
  readonly type: 'shown';
  readonly meaning: Meaning;
  /** A function is entered, so that the thread was not in it before. */
  readonly isEntry: boolean;
  /** False: perhaps it is another use of the function. */
  readonly isSure: boolean;
  readonly context: Context | null;
  /** For one of these the guest has left guest mode. */
  readonly exits: readonly string[] | null;
}

/** How a thread gives its CPU away. @see PrevState */
export type Leaving = PrevState;

/** What one line says of the thread. */
export type Seen =
  | Shown
  | { readonly type: 'returned'; readonly meaning: Meaning }
  /** `isLeftOut`: in a function that may sleep, and of which the model has no step. */
  | { readonly type: Leaving; readonly isLeftOut: boolean }
  | { readonly type: 'interrupted'; readonly context: Context | null };

/** Whether a line of this context can stand where the model has the letter. */
export function fits(letter: Letter, { irqsOff, preemptOff }: Context): boolean {
  if (!letsIn(letter)) return irqsOff;
  if (irqsOff) return false;
  if (preemptOff === null) return true;
  return letter === 'N' || letter === 'B' || letter === 'L' ? preemptOff : !preemptOff;
}

/** Whether an interrupt is taken there at once. */
export const letsIn = (letter: Letter): boolean => letter !== 'I' && letter !== 'G' && letter !== 'X';

const contextKey = (context: Context | null): string =>
  context === null ? '-' : `${context.irqsOff ? 'd' : '.'}${context.preemptOff === null ? '?' : context.preemptOff ? '1' : '0'}`;
const meaningKey = ({ at, after, returns, entered, optional, begins }: Meaning): string =>
  `${at}|${after}|${returns}|${entered}|${optional}|${begins}`;

/** The same text for lines that say the same. */
export function keyOf(seen: Seen): string {
  switch (seen.type) {
    case 'shown':
      return `shown ${meaningKey(seen.meaning)} ${seen.isEntry} ${seen.isSure} ${contextKey(seen.context)} ${seen.exits ?? ''}`;
    case 'returned':
      return `returned ${meaningKey(seen.meaning)}`;
    case 'interrupted':
      return `interrupted ${contextKey(seen.context)}`;
    default:
      return `${seen.type} ${seen.isLeftOut}`;
  }
}
