/**
 * A claim of the domain documents as data: what it says, where it shows, how it is checked, and the
 * mutants under which the check fails. The tests walk these lists, and so does `npm run claims`,
 * which writes docs/claims.json and docs/claims.md.
 */

/**
 * A place where `explore` shows a claim: the property keeps there, and breaks under each mutant.
 */
export interface Show {
  readonly scenario: string;
  readonly variant: string;
  /** Of the variant, or `deadlock`, which every search looks for. */
  readonly property: string;
  /** The other way round: the claim is that the property breaks, and it keeps under each mutant. */
  readonly breaks?: true;
  /** Names for --mutant. */
  readonly mutants: readonly [string, ...string[]];
}

/** Where it keeps, and what breaks it. */
export const keeps = (scenario: string, variant: string, property: string, ...mutants: Show['mutants']): Show => ({
  scenario,
  variant,
  property,
  mutants,
});
/** Where it breaks, and what mends it. */
export const breaks = (...show: Parameters<typeof keeps>): Show => ({ ...keeps(...show), breaks: true });

/**
 * Scenarios with too many states for a test, and the deviations from the in-order run within which
 * their claims show.
 */
export const SHOWN_WITHIN: Readonly<Record<string, number>> = { 'rmp-churn': 1, 'rmp-host-write-race': 2 };

export interface Claim {
  /** As the domain document has it, without the mark of a refutation. */
  readonly id: string;
  /** In a sentence; the title of its test. */
  readonly says: string;
  readonly source: string;
  /** From the command line; empty if it cannot be run there. */
  readonly shows: readonly Show[];
  /** `refuted`: the check shows that what the source says does not hold. */
  readonly verdict: 'holds' | 'refuted';
  /** Mutants under which the check in small worlds fails. */
  readonly mutants: readonly [string, ...string[]];
  /**
   * Why it cannot be run from the command line, or which part of it; absent if `shows` has all of
   * it.
   */
  readonly why?: string;
  /** What the sentence of the source says and nothing here checks. */
  readonly not?: string;
  /**
   * The check in small worlds: values that are more than a property says.
   * @throws AssertionError if the claim does not hold in the model, as it is or as a mutant has it
   */
  readonly check: (mutant?: string) => void;
}
