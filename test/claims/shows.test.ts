/**
 * What docs/claims.md says of the command line: the search finds what a claim says, and the
 * opposite under each of its mutants.
 */
import { describe, expect, it } from 'vitest';
import { Explorer } from '../../sim/explore/breadth/explorer.ts';
import { searchedBy } from '../../sim/explore/breadth/searched.ts';
import { lassosOf } from '../../sim/explore/cycles/endless.ts';
import { BoundedSearch } from '../../sim/explore/in-order/bounded.ts';
import { finish } from '../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { ALL_CLAIMS } from './all.ts';
import { SHOWN_WITHIN, type Show } from './claim.ts';
import { shippedAs } from './split-lock/intel.ts';

const STATES_MAX = 350_000;
const known = new Map<string, readonly string[]>();

/**
 * All schedules of a scenario, or, where there are too many, all within a few deviations; of what
 * has to hold in the end, all cycles.
 */
function search(scenario: ResolvedScenario, inTheEnd: boolean): readonly string[] {
  const deviations = SHOWN_WITHIN[scenario.name];
  if (deviations !== undefined) {
    const report = finish(new BoundedSearch({ scenario, limits: { deviations }, states: STATES_MAX }).run());
    expect(report.limit, `${scenario.name} has too many states within ${deviations} deviations`).toBeNull();
    return report.findings.map(({ property }) => property);
  }
  const explorer = new Explorer({ scenario, budget: { states: STATES_MAX } });
  const report = finish(explorer.run());
  expect(report.limit, `${scenario.name} has too many states`).toBeNull();
  const lassos = inTheEnd ? finish(lassosOf(searchedBy(explorer, report), scenario.properties.eventually)).findings : [];
  return [...report.findings, ...lassos].map(({ property }) => property);
}

/** Whether the property breaks. Each model is searched once. */
function isBroken({ scenario, variant, property }: Show, mutant?: string): boolean {
  const world = shippedAs(scenario, variant, mutant);
  const inTheEnd = world.properties.eventually.includes(property);
  const key = `${scenario} ${variant} ${mutant} ${inTheEnd}`;
  const found = known.get(key) ?? search(world, inTheEnd);
  known.set(key, found);
  return found.includes(property);
}

const shown = ALL_CLAIMS.flatMap(({ id, shows }) => shows.map((show) => ({ id, ...show })));

describe('a claim on the command line', { timeout: 60_000 }, () => {
  it.each(shown)('$id shows in $scenario $variant', (show) => {
    expect(isBroken(show)).toBe(show.breaks === true);
  });

  const cases = shown.flatMap((show) => show.mutants.map((mutant) => ({ ...show, mutant })));
  it.each(cases)('$id fails in $scenario $variant under $mutant', ({ mutant, ...show }) => {
    expect(isBroken(show, mutant)).toBe(show.breaks !== true);
  });
});
