/**
 * Each violation of a search by the schedule that is easiest to tell: the one that deviates least
 * from the in-order run.
 */
import type { MemoEngine } from '../../engine/memo.ts';
import { DeadEnds, withWaits } from '../../rows/dead-ends.ts';
import { WorldStep } from '../../rows/world-step.ts';
import type { ExploreRequest, Search, SearchFacts, Violation } from '../request.ts';
import type { Finding } from '../space/verdicts.ts';
import { BoundedSearch } from './bounded.ts';
import { isLeastAt } from './deviations.ts';
import { Pricing } from './pricing.ts';

/**
 * States of the search for the least deviating schedule; beyond it the shortest one by steps is
 * given.
 */
const SHORTEST_STATES = 200_000;

/** The way to the first state, in the order of the search, in which a property breaks. */
interface Way {
  readonly message: string;
  readonly labels: readonly string[];
}
/** Null: no run comes there. */
export type WayTo = (finding: Omit<Finding, 'state'>) => Search<Way | null>;

/**
 * The violations of a search, each by the schedule that is least in the order disturbances,
 * preemptions, switches, steps.
 */
export function* leastDeviating(
  { scenario, from, local }: ExploreRequest,
  { findings }: SearchFacts,
  wayTo: WayTo,
  engine?: MemoEngine,
): Search<Violation[]> {
  const until = findings.map(({ property }) => property);
  if (until.length === 0) return [];
  // A world with columns of its own: the order of schedules of one price does not depend on the
  // search before.
  const world = engine && new WorldStep(engine, from);
  const search = new BoundedSearch({
    scenario,
    limits: {},
    states: SHORTEST_STATES,
    until,
    ...(world && { world }),
    ...(from && { from }),
  });
  const least = yield* search.run();
  const violations: Violation[] = [];
  for (const finding of findings) {
    const better = least.findings.find(({ property }) => property === finding.property);
    if (better) violations.push({ ...better, steps: better.labels.length, least: true });
    // Searches that keep no states, or share them, look beyond deadlocks as well. Where all
    // schedules were tried, no run breaks the property.
    else if (!least.exhausted) {
      const way = yield* wayTo(finding);
      if (way === null) continue;
      const price = new Pricing(search.world).priceOf(way.labels);
      // Where local steps run on, a way of fewest states need not be one of fewest steps.
      violations.push({ ...finding, ...way, steps: way.labels.length, least: !local && isLeastAt(price), ...price });
    }
  }
  const ends = new DeadEnds(search.world);
  return violations.map((violation) => withWaits(ends, violation));
}
