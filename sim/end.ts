/**
 * How a run ends, written once for runs, searches and samples.
 *
 * A run ends where a property breaks, and where nothing is left that could be done. A machine
 * tagged `halt` (a panicked host) ends no run by itself: messages in flight are delivered and CPUs
 * that were not stopped go on. A run in which something has halted is `halted` when nothing is
 * left. It is no deadlock and owes nothing.
 */
import type { RunEnd, StuckKind } from '../events/journal.ts';
import { type Debts, ENDED, type Lasts, neverTrue } from './debts.ts';
import { stateName } from './engine/reaction.ts';
import { hangIn, isAtRest, type Store } from './store.ts';

/** No step is left that could be taken, and some actor is not at rest. */
export const DEADLOCK = 'deadlock';

/** What is broken, and the evidence. */
export interface Broken {
  readonly property: string;
  readonly message: string;
  /** Of a run that gets nowhere, where the property tells it. */
  readonly kind?: StuckKind;
  /** What else is broken in the same state, or by the same cycle. */
  readonly also?: readonly Pick<Broken, 'property' | 'message'>[];
}

/** One of all that is broken at once, with the others beside it: what is sought, else the first. */
export function toldOf<B extends Broken>(all: readonly B[], sought?: string): B | null {
  const told = all.find(({ property }) => property === sought) ?? all[0];
  if (told === undefined || all.length === 1) return told ?? null;
  return { ...told, also: all.filter((other) => other !== told).map(({ property, message }) => ({ property, message })) };
}

/** How a run ends in a state in which no property breaks. */
export interface StateEnd {
  readonly ended: 'done' | 'halted' | 'deadlock' | 'owed';
  readonly broken: Broken | null;
}

/** What is left to do in a state. */
export interface Left {
  readonly alternatives: number;
  /** Whether the alternatives that are left only wait, in this state and in all that follow. */
  readonly isDead?: () => boolean;
  /** What is still owed where all actors are at rest, if it is asked for. */
  readonly owed?: (locals: ArrayLike<number>) => Broken | null;
}

const DONE: StateEnd = { ended: 'done', broken: null };
const HALTED: StateEnd = { ended: 'halted', broken: null };

/** Whether an actor in this local state has halted its machine. */
export const isHalted = (store: Store, slot: number, local: number): boolean =>
  store.kindOfSlot[slot]!.locals.values[local]!.hasTag('halt');

/** Whether something has halted. `locals` may go on with other columns of a row. */
export function hasHalted(store: Store, locals: ArrayLike<number>): boolean {
  for (let slot = 0; slot < store.ids.length; slot++) if (isHalted(store, slot, locals[slot]!)) return true;
  return false;
}

/** The first slot whose actor is not at rest; -1 if all are. */
export function awakeIn({ ids, kindOfSlot }: Store, locals: ArrayLike<number>): number {
  for (let slot = 0; slot < ids.length; slot++) if (!isAtRest(kindOfSlot[slot]!, locals[slot]!)) return slot;
  return -1;
}

/**
 * How a run ends in a state; null where it goes on. `locals` may go on with other columns of a row.
 */
export function endOf(store: Store, locals: ArrayLike<number>, { alternatives, isDead, owed }: Left): StateEnd | null {
  if (alternatives > 0 && isDead?.() !== true) return null;
  if (hasHalted(store, locals)) return HALTED;
  const slot = awakeIn(store, locals);
  if (slot >= 0) {
    const kind = store.kindOfSlot[slot]!;
    const place = hangIn(kind, locals[slot]!) ?? stateName(kind.locals.values[locals[slot]!]!.value);
    const message = `nothing can happen any more, and ${store.ids[slot]!} stands in ${place}`;
    return { ended: 'deadlock', broken: { property: DEADLOCK, message } };
  }
  const broken = owed?.(locals) ?? null;
  return broken ? { ended: 'owed', broken } : DONE;
}

/**
 * All that a run that has ended still owes: a property that never came true, or an actor in a state
 * that it has to leave.
 */
export function owedAtEnd(
  debts: readonly Debts[],
  hasComeTrue: (property: string) => boolean,
  locals: ArrayLike<number>,
  why: Lasts = ENDED,
): readonly Broken[] {
  return debts.flatMap((each) => {
    const message = hasComeTrue(each.property.id) ? each.atEnd(locals, why) : neverTrue(why);
    return message === null ? [] : [{ property: each.property.id, message }];
  });
}

/** Ends of runs that say nothing about what follows. */
const CUT: readonly RunEnd['ended'][] = ['bound', 'repeats', 'stopped'];
/** Whether a run came to its end: no bound cut it, it does not only repeat, and was not stopped. */
export const isWhole = (ended: RunEnd['ended']): boolean => !CUT.includes(ended);
