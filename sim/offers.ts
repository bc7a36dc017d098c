/**
 * The offers an actor makes in a local state: alternatives that depend on nothing but that state.
 */
import type { ActorId } from '../events/event.ts';
import { declaredIn, isOffer } from './declared-offers.ts';
import type { Kind, Store } from './store.ts';

/** Event ids, those that move a processor on apart from the rest. */
export interface Offers {
  readonly exec: readonly number[];
  readonly other: readonly number[];
  /** Those of both that are owed: a fair schedule takes one that stays enabled. */
  readonly owed: ReadonlySet<number>;
}

/** Offers that run the processor itself; the sequencer lists them before all others. */
export const MOVES: readonly string[] = ['exec', 'pick'];
export const NO_OFFERS: Offers = { exec: [], other: [], owed: new Set() };

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
    const offered = declaredIn(kind, snapshot).filter((offer) => isOffer(this.#store, kind, snapshot, offer));
    if (offered.length === 0) return NO_OFFERS;
    const moves = offered.filter(({ event }) => MOVES.includes(event.type));
    const others = offered.filter(({ event }) => !MOVES.includes(event.type));
    // Two offers of one content are one alternative, which is owed if one of them is.
    const ids = (some: typeof offered) => [...new Set(some.map(({ event }) => this.#store.event(event)))];
    return { exec: ids(moves), other: ids(others), owed: new Set(ids(offered.filter(({ owed }) => owed))) };
  }
}

/** What is owed by whom, of all local states that were met: `exec, pick and tick of pcpu`. */
export function owedOffers(store: Store, table: OfferTable): string[] {
  return store.kinds.flatMap((kind) => {
    const types = new Set<string>();
    for (const local of kind.locals.values.keys())
      for (const event of table.of(kind, local).owed) types.add(store.events.values[event]!.type);
    const names = [...types]
      .sort()
      .join(', ')
      .replace(/, ([^,]*)$/, ' and $1');
    return types.size > 0 ? [`${names} of ${kind.name}`] : [];
  });
}

/** The name of an alternative: the offer, who makes it, what it is about. */
export function labelOf(actor: ActorId, event: { readonly type: string }): string {
  const { type, ...payload } = event as { readonly type: string; readonly [key: string]: unknown };
  return `${type}(${[actor, ...Object.values(payload)].map(String).join(', ')})`;
}

/** The name of the delivery of a queued message. */
export const deliveryLabel = (type: string, from: ActorId, to: ActorId): string => `deliver(${type}, ${from}, ${to})`;
