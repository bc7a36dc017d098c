/**
 * What docs/claims.md says of the command line: a search finds what a claim says, and the opposite
 * under each of its mutants.
 */
import { describe, expect, it } from 'vitest';
import { Explorer } from '../../sim/explore/breadth/explorer.ts';
import type { ExploreReport } from '../../sim/explore/breadth/options.ts';
import { searchedBy } from '../../sim/explore/breadth/searched.ts';
import { lassosOf } from '../../sim/explore/cycles/endless.ts';
import { type BoundedReport, BoundedSearch } from '../../sim/explore/in-order/bounded.ts';
import { finish } from '../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { ALL_CLAIMS } from './all.ts';
import { SHOWN_WITHIN, type Show } from './claim.ts';
import { shippedAs } from './split-lock/intel.ts';

const STATES_MAX = 350_000;

interface Found {
  readonly broken: readonly string[];
  /** The search did not end early: what has not broken keeps. */
  readonly isWhole: boolean;
}

const known = new Map<string, Found>();

/**
 * All schedules of a scenario, or, where there are too many, all within a few deviations; of what
 * has to hold in the end, all cycles. A search ends early where the property has broken.
 */
function search(scenario: ResolvedScenario, property: string): Found {
  const deviations = SHOWN_WITHIN[scenario.name];
  if (deviations !== undefined)
    return foundIn(finish(new BoundedSearch({ scenario, limits: { deviations }, states: STATES_MAX, until: [property] }).run()), property);
  const explorer = new Explorer({ scenario, budget: { states: STATES_MAX }, until: property });
  const report = finish(explorer.run());
  if (!scenario.properties.eventually.includes(property)) return foundIn(report, property);
  const lassos = finish(lassosOf(searchedBy(explorer, report), scenario.properties.eventually)).findings;
  return foundIn({ ...report, findings: [...report.findings, ...lassos] }, property);
}

type Searched = Pick<BoundedReport | ExploreReport, 'limit'> & { readonly findings: readonly { readonly property: string }[] };

function foundIn({ findings, limit }: Searched, property: string): Found {
  const broken = findings.map((finding) => finding.property);
  if (!broken.includes(property)) expect(limit, 'too many states').toBeNull();
  return { broken, isWhole: limit === null };
}

/**
 * What the file expects of a property that it asks for; null if it expects nothing of it. That
 * these are all that break, `test/scenarios` searches.
 */
function expectedOf({ expect: expected, properties }: ResolvedScenario, property: string): boolean | null {
  if (expected === null || ![...properties.always, ...properties.eventually].includes(property)) return null;
  return expected !== 'clean' && expected.violates.includes(property);
}

/** Whether the property breaks. Each mutant is searched to its end once. */
function isBroken({ scenario, variant, property }: Show, mutant?: string): boolean {
  const world = shippedAs(scenario, variant, mutant);
  const expected = mutant === undefined ? expectedOf(world, property) : null;
  if (expected !== null) return expected;
  const inTheEnd = world.properties.eventually.includes(property);
  const key = `${scenario} ${variant} ${mutant} ${inTheEnd}`;
  const before = known.get(key);
  if (before && (before.isWhole || before.broken.includes(property))) return before.broken.includes(property);
  const found = search(world, property);
  known.set(key, found);
  return found.broken.includes(property);
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
