/**
 * Offers that are counted, and made one at a time: where many threads may go to many CPUs, one pair
 * is drawn without a list of all.
 */

interface Offer {
  readonly type: string;
}

/** Offers by their place in canonical order. They differ from each other, and none is owed. */
export interface CountedOffers {
  readonly count: number;
  /** The offer at an index below `count`. */
  at(index: number): Offer;
}

/** What a state says of its offers: a list of all, which also can be counted. */
export interface OffersOf<C> {
  (context: C): Offer[];
  readonly counted: (context: C) => CountedOffers;
}

/**
 * The offers of a state from how they are counted. Each of them can be taken: guards are not asked.
 */
export function countedOffers<C>(counted: (context: C) => CountedOffers): OffersOf<C> {
  const listed = (context: C): Offer[] => {
    const offers = counted(context);
    return Array.from({ length: offers.count }, (_, index) => offers.at(index));
  };
  return Object.assign(listed, { counted });
}
