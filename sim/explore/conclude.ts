/**
 * What a search comes to: its violations with the schedules to show, what it does not decide, and
 * the guarantee.
 */
import { DEADLOCK } from '../end.ts';
import type { MemoEngine } from '../engine/memo.ts';
import { DeadEnds, withWaits } from '../rows/dead-ends.ts';
import type { WorldStep } from '../rows/world-step.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { Explorer } from './breadth/explorer.ts';
import { searchedBy } from './breadth/searched.ts';
import { weakestEvidence } from './covered/evidence.ts';
import { ledgerOf, localStatesOf, type Seen } from './covered/ledger.ts';
import { askedFor, type Endless, endlessOf } from './cycles/endless.ts';
import { boundText, endsRuns, guaranteeLines } from './guarantee.ts';
import { leastDeviating, type WayTo } from './in-order/least-deviating.ts';
import type { Exploration, ExploreRequest, Search, SearchFacts, SearchTotals, Violation } from './request.ts';
import { type SearchFeature, undecidedWith } from './soundness.ts';
import { byProperty } from './space/verdicts.ts';

/** What is known of cycles. */
export type Cycles = Pick<Endless, 'violations' | 'undecided'> & Partial<Pick<Endless, 'owed'>>;

/** Where parts of a space are searched, a cycle may lie across them. */
export const notLookedFor = ({ properties }: ResolvedScenario): Pick<Endless, 'violations' | 'undecided'> => ({
  violations: [],
  undecided: properties.eventually,
});

/**
 * Liveness by a search of its own, on one thread: for searches that shared a space and hold no
 * graph of it.
 */
export function* endlessAlone({ scenario, from, maxStates, fits, isTimed = false }: ExploreRequest): Search<Endless> {
  const asked = { scenario, ...(from && { from }) };
  if (askedFor(asked).length === 0) return { violations: [], undecided: scenario.properties.eventually, fair: 0, owed: [] };
  const explorer = new Explorer({ ...asked, budget: { states: maxStates, isTimed, ...(fits && { fits }) } });
  return yield* endlessOf(asked, searchedBy(explorer, yield* explorer.run()));
}

/** What is not decided: `deadlock` among it where some states were not looked at to the end. */
const withDeadlocks = (owed: readonly string[], decided: boolean, violations: readonly Pick<Violation, 'property'>[]): readonly string[] =>
  decided || violations.some(({ property }) => property === DEADLOCK) ? owed : [...owed, DEADLOCK];

/**
 * Violations with their schedules, and the guarantee, from what a search has found out. Where it
 * kept no graph, one thread looks for lassos; where it kept its engine, what that remembers is not
 * met a second time.
 */
export function* conclude(
  request: ExploreRequest,
  facts: SearchFacts,
  wayTo: WayTo,
  endless?: Cycles,
  engine?: MemoEngine,
): Search<Exploration> {
  const { scenario, from, shard } = request;
  const { exhausted, limit, states, transitions, unchanged, reached, reactions, depth, bytesPerState, stepMisses, localStates, ledger } =
    facts;
  const { violations: lassos, undecided: unasked, owed = [] } = endless ?? (yield* endlessAlone(request));
  const violations = [...(yield* leastDeviating(request, facts, wayTo, engine)), ...lassos].sort(byProperty);
  const undecided = withDeadlocks(unasked, facts.deadlocks, violations);
  const violated = violations.map(({ property }) => property);
  const bound = shard ? `${shard.name} of all schedules` : boundText({}, from);
  // What one shard never takes, another one may.
  const covered = ledger.coverage(exhausted && !shard && !endsRuns(violated, scenario));
  return {
    exhausted,
    limit,
    states,
    transitions,
    unchanged,
    bound,
    violations,
    // Where the search starts in the middle of a run, the race may lie behind it; where it is one
    // of several, in another one's part.
    undecided,
    missed: shard || (from && from.step > 0) ? [] : scenario.properties.sometimes.filter((id) => !reached.has(id)),
    guarantee: guaranteeLines({ ...facts, scenario, bound, violated, undecided, owed, coverage: covered }),
    coverage: { localStates, reactions, depth, bytesPerState, stepMisses, ...covered },
    ledger,
    ...(facts.omissions !== undefined && { omissions: facts.omissions }),
  };
}

/** What a search within limits, or over orbits, has found out. */
interface Reduced extends Pick<SearchTotals, 'exhausted' | 'limit' | 'deadlocks' | 'states' | 'transitions' | 'unchanged'> {
  /** The name under which the table of pairs says what such a search does not decide. */
  readonly feature: SearchFeature;
  readonly bound: string;
  /** Nothing was left out but what follows after a violation. */
  readonly whole: boolean;
  readonly seen?: Seen;
  /** What is told of deadlocks is added here. */
  readonly violations: readonly Violation[];
  readonly missed: readonly string[];
  readonly unverified: number;
  readonly passed?: number;
}

/**
 * The exploration that a search within limits, or over orbits, comes to. Neither keeps a graph in
 * which cycles could be found.
 */
export function told({ scenario, from }: ExploreRequest, world: WorldStep, reduced: Reduced): Exploration {
  const { feature, bound, whole, seen, exhausted, limit, deadlocks, states, transitions, unchanged, passed } = reduced;
  const ends = new DeadEnds(world);
  const violations = reduced.violations.map((violation) => withWaits(ends, violation)).sort(byProperty);
  const violated = violations.map(({ property }) => property);
  const undecided = withDeadlocks(undecidedWith(feature, scenario.properties.eventually), deadlocks, violations);
  const { engine } = world;
  const ledger = ledgerOf(scenario, engine, { ...seen, start: world.initial });
  const coverage = ledger.coverage(whole && !endsRuns(violated, scenario));
  const facts = { scenario, exhausted, limit, states, transitions, unchanged, bound, violated, undecided, coverage };
  return {
    exhausted,
    limit,
    bound,
    states,
    transitions,
    unchanged,
    violations,
    missed: from && from.step > 0 ? [] : reduced.missed,
    undecided,
    guarantee: guaranteeLines({
      ...facts,
      unverified: reduced.unverified,
      evidence: weakestEvidence(engine),
      ...(passed !== undefined && { passed }),
    }),
    coverage: {
      localStates: localStatesOf(engine),
      reactions: engine.reactions,
      depth: Math.max(0, ...violations.map(({ steps }) => steps)),
      bytesPerState: 0,
      stepMisses: 0,
      ...coverage,
    },
    ledger,
  };
}

/**
 * Searches for one violation alone, on one thread: searches that share a space meet its states in
 * an order that does not repeat.
 */
export function searchedWay({ scenario, from }: ExploreRequest): WayTo {
  return function* ({ property }) {
    const budget = { states: Number.POSITIVE_INFINITY };
    const explorer = new Explorer({ scenario, budget, until: property, ...(from && { from }) });
    const search = explorer.run();
    let turn = search.next();
    // Goes on when it is asked to stop: a violation without a schedule is nothing that was found,
    // and it goes no deeper than others did.
    for (; !turn.done; turn = search.next()) yield turn.value;
    const { findings } = turn.value;
    const found = findings.find((finding) => finding.property === property);
    // Several together look beyond deadlocks as well.
    if (!found) return null;
    return { message: found.message, labels: explorer.labelsTo(found.state) };
  };
}
