/**
 * What `eventually` properties are still owed: by whom, in which local state. Runs and searches ask
 * the same questions.
 */
import { looksAt, type Property, PropertyWatch } from './property.ts';
import type { Store } from './store.ts';

/** Somewhere in the middle of a run an endless cycle begins. */
export interface Lasso {
  /** Back to this step. */
  readonly from: number;
  /** Steps of one turn. */
  readonly length: number;
}

/** Why a state may last: nothing can be done in it, or nothing that is owed. */
export const ENDED = 'the run ended';
export const QUIET = 'nothing has to happen any more';
export type Lasts = typeof ENDED | typeof QUIET;

/** Why a run has broken a property that had to come true once. */
export const neverTrue = (why: Lasts): string => `${why}${why === QUIET ? ',' : ''} and it never came true`;

/** Why the actor in a slot owes something in a local state. Each local state is looked at once. */
export class Debts {
  readonly property: Property;
  /** Slots that can owe; none for a property that has to come true once, or that judges cycles. */
  readonly slots: readonly number[];
  readonly #store: Store;
  readonly #known: (string | null)[][] = [];

  constructor(property: Property, store: Store) {
    this.property = property;
    this.#store = store;
    const owing = property.owes !== undefined;
    this.slots = store.kindOfSlot.flatMap((kind, slot) => (owing && looksAt(property, kind.name) ? [slot] : []));
  }

  /** Evidence that the actor has to leave this state; null if it may stay. */
  of(slot: number, local: number): string | null {
    this.#known[slot] ??= [];
    const known = this.#known[slot]!;
    if (known[local] === undefined) {
      const { value, context } = this.#store.kindOfSlot[slot]!.locals.values[local]!;
      known[local] = this.property.owes!({ id: this.#store.ids[slot]!, value, context: context as never });
    }
    return known[local];
  }

  /** Evidence that some actor is in a state that it has to leave, where the state may last. */
  atEnd(locals: ArrayLike<number>, why: Lasts): string | null {
    for (const slot of this.slots) {
      const message = this.of(slot, locals[slot]!);
      if (message !== null) return `${why}, and ${message}`;
    }
    return null;
  }
}

/** Whether a property has to come true once, and is kept an eye on until it does. */
export const comesTrueOnce = (property: Property): boolean =>
  property.form === 'eventually' && property.owes === undefined && property.cycle === undefined;

/** Watches `eventually` properties that have to come true once. */
export const watchesOf = (properties: readonly Property[], store: Store): PropertyWatch[] =>
  properties.filter(comesTrueOnce).map((property) => new PropertyWatch(property, store));

export const NEVER_TRUE = 'it does not come true, however long the run goes on';
