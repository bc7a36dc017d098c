/**
 * A claim of the domain documents as data: what it says, where it shows, how it is checked, and the mutants under which the check fails. The
 * tests walk these lists, and so does `npm run claims`, which writes docs/claims.json and docs/claims.md.
 */

export interface Claim {
  /** As the domain document has it, without the mark of a refutation. */
  readonly id: string;
  /** In a sentence; the title of its test. */
  readonly says: string;
  readonly source: string;
  /** A shipped scenario, or `unit`: small worlds of the test. */
  readonly scenario: string;
  readonly variant?: string;
  readonly property?: string;
  /** `refuted`: the check shows that what the source says does not hold. */
  readonly verdict: 'holds' | 'refuted';
  /** Names for --mutant; under each the check fails. */
  readonly mutants: readonly [string, ...string[]];
  /** Why it cannot be run from the command line; absent if `explore` of scenario and variant shows it. */
  readonly why?: string;
  /** @throws AssertionError if the claim does not hold in the model, as it is or as a mutant has it */
  readonly check: (mutant?: string) => void;
}
