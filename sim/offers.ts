/** The offers an actor makes in a local state: alternatives that hang on nothing but that state. */
import type { ActorId } from '../events/event.ts';
import type { Kind, Store } from './store.ts';

/** Event ids, those that move a processor on apart from the rest. */
export interface Offers {
  readonly exec: readonly number[];
  readonly other: readonly number[];
}

interface OfferedEvent {
  readonly type: string;
}
/** How a machine declares offers in the meta of a state. */
export type OffersOf<C> = (context: C) => readonly OfferedEvent[];

/** Offers that run the processor itself; the sequencer lists them before all others. */
const MOVES: readonly string[] = ['exec', 'pick'];
const NONE: Offers = { exec: [], other: [] };

/** Looks offers up by local state; each is computed once. */
export class OfferTable {
  readonly #store: Store;
  readonly #known: Offers[][];

  constructor(store: Store) {
    this.#store = store;
    this.#known = store.kinds.map(() => []);
  }

  of(kind: Kind, local: number): Offers {
    const known = this.#known[kind.index]!;
    known[local] ??= this.#compute(kind, local);
    return known[local];
  }

  #compute(kind: Kind, local: number): Offers {
    const snapshot = kind.locals.values[local]!;
    const metas = Object.values(snapshot.getMeta() as Record<string, { offers?: OffersOf<unknown> } | undefined>);
    const offered = metas.flatMap((meta) => meta?.offers?.(snapshot.context) ?? []).filter((event) => snapshot.can(event));
    if (offered.length === 0) return NONE;
    const ids = (moves: boolean) =>
      offered.filter((event) => MOVES.includes(event.type) === moves).map((event) => this.#store.event(event));
    return { exec: ids(true), other: ids(false) };
  }
}

/** The name of an alternative: the offer, who makes it, what it is about. */
export function labelOf(actor: ActorId, event: { readonly type: string }): string {
  const { type, ...payload } = event as { readonly type: string; readonly [key: string]: unknown };
  return `${type}(${[actor, ...Object.values(payload)].map(String).join(', ')})`;
}

/** The name of the delivery of a queued message. */
export const deliveryLabel = (type: string, from: ActorId, to: ActorId): string => `deliver(${type}, ${from}, ${to})`;
