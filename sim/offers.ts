/**
 * The offers an actor makes in a local state: alternatives that depend on nothing but that state.
 */
import type { CountedOffers } from '../actors/host/counted-offers.ts';
import type { ActorId } from '../events/event.ts';
import { countedIn, declaredIn, isOffer } from './declared-offers.ts';
import { allowedOffers } from './host/registry.ts';
import { type AnyEvent, isAbsent, type Kind, type Store } from './store.ts';

/** Event ids, those that move a processor on apart from the rest. */
export interface Offers {
  readonly exec: readonly number[];
  /** All others, as a list: where a count or one of them will do, ask for that. */
  readonly other: readonly number[];
  readonly otherCount: number;
  otherAt(index: number): number;
  /** Those of both that are owed: a fair schedule takes one that stays enabled. */
  readonly owed: ReadonlySet<number>;
  /** Those of them that it takes also if they are enabled again and again. */
  readonly strong: ReadonlySet<number>;
  /** The share of the actor in a draw of who acts, by offers that are no moves. */
  readonly shares: number;
}

/**
 * Offers that run the processor itself, its store buffer included; the sequencer lists them before
 * all others.
 */
export const MOVES: readonly string[] = ['exec', 'pick', 'stores.drain'];
/** The share of what runs, in a draw of who acts: a processor, a queue, a choice of a program. */
export const RUNS = 8;
/** The share of what is done to it: preemptions, migrations, disturbances of one actor. */
const ENVIRONMENT = 1;

/** Offers that are kept as a list even where they are counted. */
const LISTED_MAX = 256;

/** Offers that are listed. */
class Listed implements Offers {
  readonly exec: readonly number[];
  readonly other: readonly number[];
  readonly owed: ReadonlySet<number>;
  readonly strong: ReadonlySet<number>;
  readonly shares: number;

  constructor({ exec, other, owed, strong, shares }: Pick<Offers, 'exec' | 'other' | 'owed' | 'strong' | 'shares'>) {
    this.exec = exec;
    this.other = other;
    this.owed = owed;
    this.strong = strong;
    this.shares = shares;
  }

  get otherCount(): number {
    return this.other.length;
  }

  otherAt(index: number): number {
    return this.other[index]!;
  }
}

/** Offers that are listed, and behind them some that are counted and made when asked for. */
class Counted implements Offers {
  readonly exec: readonly number[];
  readonly owed: ReadonlySet<number>;
  readonly strong: ReadonlySet<number>;
  readonly shares: number;
  readonly otherCount: number;
  readonly #store: Store;
  readonly #listed: readonly number[];
  readonly #count: () => readonly CountedOffers[];

  /** `count`: asked again each time, as what it takes to make them is as large as the host. */
  constructor(store: Store, { exec, other, owed, strong, shares }: Offers, count: () => readonly CountedOffers[]) {
    this.exec = exec;
    this.owed = owed;
    this.strong = strong;
    this.shares = Math.max(shares, ENVIRONMENT);
    this.otherCount = count().reduce((sum, offers) => sum + offers.count, other.length);
    this.#store = store;
    this.#listed = other;
    this.#count = count;
  }

  get other(): readonly number[] {
    const counted = this.#count();
    const all = counted.flatMap((offers) => Array.from({ length: offers.count }, (_, index) => this.#store.event(offers.at(index))));
    return [...this.#listed, ...all];
  }

  otherAt(index: number): number {
    let left = index - this.#listed.length;
    if (left < 0) return this.#listed[index]!;
    const counted = this.#count();
    let part = 0;
    for (; left >= counted[part]!.count; part++) left -= counted[part]!.count;
    return this.#store.event(counted[part]!.at(left));
  }
}

export const NO_OFFERS: Offers = new Listed({ exec: [], other: [], owed: new Set(), strong: new Set(), shares: 0 });

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
    if (isAbsent(kind, local)) return NO_OFFERS;
    const snapshot = kind.locals.values[local]!;
    const counted = () => countedIn(kind.locals.values[local]!);
    const isCounted = counted().length > 0;
    const offered = declaredIn(kind, snapshot).filter((offer) => isOffer(this.#store, kind, snapshot, offer));
    if (offered.length === 0 && !isCounted) return NO_OFFERS;
    const moves = offered.filter(({ event }) => MOVES.includes(event.type));
    const others = offered.filter(({ event }) => !MOVES.includes(event.type));
    // Two offers of one content are one alternative, which is owed if one of them is.
    const ids = (some: typeof offered) => [...new Set(some.map(({ event }) => this.#store.event(event)))];
    const shares = Math.max(0, ...others.map(({ event }) => sharesOf(kind, event)));
    const owed = new Set(ids(offered.filter((offer) => offer.owed !== false)));
    const strong = new Set(ids(offered.filter((offer) => offer.owed === 'strong')));
    const listed = new Listed({ exec: ids(moves), other: ids(others), owed, strong, shares });
    if (!isCounted) return listed;
    const all = new Counted(this.#store, listed, counted);
    return all.otherCount > LISTED_MAX ? all : new Listed(all);
  }
}

/** What schedules, and what disturbs, is done to those who run. */
const sharesOf = ({ schedules }: Kind, { type }: AnyEvent): number => (schedules || allowedOffers().includes(type) ? ENVIRONMENT : RUNS);

/**
 * What is owed by whom, of all local states that were met: `exec, pick and tick of pcpu`, and apart
 * from it `grant of lock (strongly)`.
 */
export function owedOffers(store: Store, table: OfferTable): string[] {
  return store.kinds.flatMap((kind) => {
    const weak = new Set<string>();
    const strong = new Set<string>();
    for (const local of kind.locals.values.keys()) {
      const offers = table.of(kind, local);
      for (const event of offers.owed) (offers.strong.has(event) ? strong : weak).add(store.events.values[event]!.type);
    }
    const told = (types: ReadonlySet<string>, how: string) => (types.size > 0 ? [`${namesOf(types)} of ${kind.name}${how}`] : []);
    return [...told(weak, ''), ...told(strong, ' (strongly)')];
  });
}

const namesOf = (types: ReadonlySet<string>): string =>
  [...types]
    .sort()
    .join(', ')
    .replace(/, ([^,]*)$/, ' and $1');

/** The name of an alternative: the offer, who makes it, what it is about. */
export function labelOf(actor: ActorId, event: { readonly type: string }): string {
  const { type, ...payload } = event as { readonly type: string; readonly [key: string]: unknown };
  return `${type}(${[actor, ...Object.values(payload)].map(String).join(', ')})`;
}

/** The name of the delivery of a queued message. */
export const deliveryLabel = (type: string, from: ActorId, to: ActorId): string => `deliver(${type}, ${from}, ${to})`;
