/**
 * Each mutant of split-lock detection that no claim is about breaks a shipped scenario that is
 * clean without it.
 */
import { describe, expect, it } from 'vitest';
import { brokenInTheEnd, shippedAs } from './intel.ts';
import { MUTANT_CASES } from './sld-mutant-cases.ts';

describe('mutants that no claim is about', () => {
  it.each(MUTANT_CASES)('$mutant breaks $scenario, $variant', ({ mutant, scenario, variant, breaks }) => {
    expect(brokenInTheEnd(shippedAs(scenario, variant))).toEqual([]);
    expect(brokenInTheEnd(shippedAs(scenario, variant, mutant))).toEqual(breaks);
  });
});
