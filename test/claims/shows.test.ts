/** What docs/claims.md says of the command line: the search finds what a claim says, and the opposite under each of its mutants. */
import { describe, expect, it } from 'vitest';
import { Explorer } from '../../sim/explore/breadth/explorer.ts';
import { finish } from '../../sim/explore/turns.ts';
import { ALL_CLAIMS } from './all.ts';
import { shippedAs } from './split-lock/intel.ts';

const STATES_MAX = 200_000;
const known = new Map<string, readonly string[]>();

/** What breaks over all schedules. The model as it is, is searched once. */
function brokenIn(scenario: string, variant: string, mutant?: string): readonly string[] {
  const key = `${scenario} ${variant} ${mutant}`;
  const before = known.get(key);
  if (before) return before;
  const report = finish(new Explorer({ scenario: shippedAs(scenario, variant, mutant), budget: { states: STATES_MAX } }).run());
  expect(report.limit, `${key} has too many states`).toBeNull();
  const found = report.findings.map(({ property }) => property);
  known.set(key, found);
  return found;
}

const shown = ALL_CLAIMS.flatMap(({ id, shows }) => shows.map((show) => ({ id, ...show })));

describe('a claim on the command line', () => {
  it.each(shown)('$id shows in $scenario $variant', ({ scenario, variant, property, breaks = false }) => {
    expect(brokenIn(scenario, variant).includes(property)).toBe(breaks);
  });

  const cases = shown.flatMap((show) => show.mutants.map((mutant) => ({ ...show, mutant })));
  it.each(cases)('$id fails in $scenario $variant under $mutant', ({ scenario, variant, property, breaks = false, mutant }) => {
    expect(brokenIn(scenario, variant, mutant).includes(property)).toBe(!breaks);
  });
});
