/** Runs claims: each holds in the model, and each mutant that it names makes it fail. */
import { describe, expect, it } from 'vitest';
import type { Claim } from './claim.ts';

export function testClaims(claims: readonly Claim[]): void {
  for (const { id, says, check } of claims) it(`${id} ${says}`, () => check());

  describe('under a mutant', () => {
    const cases = claims.flatMap((claim) => claim.mutants.map((mutant) => [claim.id, mutant, claim] as const));
    it.each(cases)('%s fails under %s', (_id, mutant, claim) => {
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
