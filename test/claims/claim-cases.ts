/** Runs claims: each holds in the model, and each mutant that it names makes it fail. */
import { describe, expect, it } from 'vitest';
import type { Claim } from './claim.ts';

/** Some checks play a hundred schedules. */
const TIMEOUT_MS = 60_000;

/** What the tests need of a claim; a race is one that no document numbers as a claim. */
export type Checked = Pick<Claim, 'id' | 'says' | 'mutants' | 'check'>;

export function testClaims(claims: readonly Checked[]): void {
  for (const { id, says, check } of claims) it(`${id} ${says}`, { timeout: TIMEOUT_MS }, () => check());

  describe('under a mutant', () => {
    const cases = claims.flatMap((claim) => claim.mutants.map((mutant) => [claim.id, mutant, claim] as const));
    it.each(cases)('%s fails under %s', { timeout: TIMEOUT_MS }, (_id, mutant, claim) => {
      let failure: unknown = null;
      try {
        claim.check(mutant);
      } catch (error) {
        failure = error;
      }
      // Anything else than a failed check is a mutant that does not fit, and shows nothing.
      expect((failure as Error | null)?.name, String(failure)).toBe('AssertionError');
    });
  });
}
