/** What a machine says of offers that a search may never have met: why they could not be made. */

/** Stands in the `chances` of the meta of a machine's root. */
export interface Chance<C> {
  /** Types of offers; the chance was there if one of them was ever taken. */
  readonly offers: readonly string[];
  /** What is told of an actor that never had it. */
  readonly says: (actor: string) => string;
  /**
   * Reasons, each with what has to hold in some local state of the actor. The first that never held
   * is told.
   */
  readonly needs: readonly (readonly [reason: string, holds: (context: C, state: unknown) => boolean])[];
  /** The reason where all of them held. */
  readonly otherwise: string;
}
