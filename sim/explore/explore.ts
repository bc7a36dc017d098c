/** Exploration as people ask for it: search everything, and give each violation by the least deviating schedule that reaches it. */
import type { Deadlocked, StuckKind } from '../../events/journal.ts';
import type { Lasso } from '../debts.ts';
import { DEADLOCK } from '../end.ts';
import type { MemoEngine } from '../engine/memo.ts';
import type { PlainWorld } from '../restore.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { Explorer, type Search } from './breadth/explorer.ts';
import type { ExploreBudget, ExploreOptions, ExploreReport } from './breadth/options.ts';
import { type Coverage, type Ledger, ledgerOf, localStatesOf } from './coverage.ts';
import { type Endless, endlessAlone, endlessOf } from './cycles/endless.ts';
import { boundText, type Evidence, endsRuns, guaranteeLines, weakestEvidence } from './guarantee.ts';
import { type BoundedLimits, BoundedSearch } from './in-order/bounded.ts';
import type { Deviations } from './in-order/deviations.ts';
import { leastDeviating, type WayTo } from './in-order/least-deviating.ts';
import { Pricing } from './in-order/pricing.ts';
import { withWidening } from './in-order/widening.ts';
import { OrbitSearch } from './reduce/orbits.ts';
import { closing, reexecuted, reexecuting } from './reexecution.ts';
import { undecidedWith } from './soundness.ts';
import { DeadEnds, withWaits } from './space/dead-ends.ts';
import type { SearchImage } from './space/image.ts';
import { byProperty, type Finding } from './space/verdicts.ts';
import type { WorldStep } from './space/world-step.ts';
import type { Division } from './together/shard.ts';

export interface ExploreRequest {
  readonly scenario: ResolvedScenario;
  readonly maxStates: number;
  /** Whether so many bytes more fit into the memory that the search may take. */
  readonly fits?: ExploreBudget['fits'];
  /** Time is limited: reactions are executed again as the search goes. */
  readonly isTimed?: boolean;
  readonly limits?: BoundedLimits;
  /** Search over orbits of interchangeable actors. */
  readonly symmetry?: boolean;
  /** Local steps run on; the states in between are not kept. Not within a bound. */
  readonly local?: boolean;
  /** Keep 64-bit fingerprints of states instead of exact ones. */
  readonly compact?: boolean;
  readonly from?: PlainWorld;
  /** Goes on where an earlier search of all schedules stood. */
  readonly image?: SearchImage;
  /** Called between two turns of a search of all schedules, and when it is over. */
  readonly onTurn?: ExploreOptions['onTurn'];
  /** Which shard of the space is searched: the verdict is then of that shard. */
  readonly shard?: { readonly division: Division; readonly name: string };
}

/** A property that breaks, with a schedule. @public */
export interface Violation extends Deviations {
  readonly property: string;
  readonly message: string;
  /** Of a schedule that gets nowhere, where the property tells it. */
  readonly kind?: StuckKind;
  readonly steps: number;
  /** No schedule within the bound is less in the order disturbances, preemptions, switches, steps; else it has the fewest steps. */
  readonly least: boolean;
  /** Choices by label from the start of the search. */
  readonly labels: readonly string[];
  /** The last `length` steps can repeat for ever, from the end of step `from` of the run on. */
  readonly lasso?: Lasso;
  /** Of a deadlock: who waits for what. */
  readonly waits?: readonly Deadlocked[];
}

export interface Exploration {
  readonly exhausted: boolean;
  readonly limit: string | null;
  readonly bound: string;
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly violations: readonly Violation[];
  /** `sometimes` properties that never came true: the race did not happen. */
  readonly missed: readonly string[];
  /** `eventually` properties that this search does not decide. */
  readonly undecided: readonly string[];
  /** Where the budget of states was used up: the bound within which everything was searched all the same. */
  readonly within?: { readonly deviations: number };
  readonly guarantee: readonly string[];
  /** Of fingerprints: the states expected to have been taken for another one, and a bound of the chance that any was. */
  readonly omissions?: number;
  readonly coverage: Coverage & {
    readonly localStates: Readonly<Record<string, number>>;
    readonly reactions: number;
    readonly depth: number;
    readonly bytesPerState: number;
    readonly stepMisses: number;
  };
  /** What there is to take, and what was taken. */
  readonly ledger: Ledger;
}

export function explore(request: ExploreRequest): Search<Exploration> {
  const { limits, symmetry } = request;
  if (symmetry) return exploreOrbits(request);
  const limited = limits && Object.values(limits).some((value) => value !== undefined);
  return limited ? exploreWithin(request, limits) : exploreAll(request);
}

type Cycles = Pick<Endless, 'violations' | 'undecided'> & Partial<Pick<Endless, 'owed'>>;

/** Where parts of a space are searched, a cycle may lie across them. */
export const notLookedFor = ({ properties }: ResolvedScenario): Pick<Endless, 'violations' | 'undecided'> => ({
  violations: [],
  undecided: properties.eventually,
});

function* exploreAll(request: ExploreRequest): Search<Exploration> {
  const { scenario, maxStates, fits, isTimed = false, from, image, onTurn, shard, compact = false, local = false } = request;
  const explorer = new Explorer({
    scenario,
    budget: { states: maxStates, isTimed, ...(fits && { fits }) },
    ...(from && { from }),
    ...(image && { image }),
    ...(onTurn && { onTurn }),
    ...(shard && { division: shard.division }),
    compact,
    local,
  });
  const report = yield* explorer.run();
  const endless = yield* closing(cyclesIn(request, explorer, report));
  const { passed, ...counts } = report;
  const facts: SearchFacts = {
    ...counts,
    reached: new Set([...report.reached].flatMap(([id, met]) => (met === null ? [] : [id]))),
    stepMisses: report.trie.misses,
    localStates: localStatesOf(explorer.world.engine),
    ledger: ledgerOf(scenario, explorer.world.engine, image ? explorer.seen : {}),
    evidence: weakestEvidence(explorer.world.engine),
    ...(local && { passed }),
    ...(compact && { omissions: omissionsOf(report.states) }),
  };
  const wayTo: WayTo = function* ({ property }) {
    const { state, message } = report.findings.find((finding) => finding.property === property)!;
    return { message, labels: explorer.labelsTo(state) };
  };
  const { engine } = explorer.world;
  const exploration = yield* closing(conclude(request, facts, wayTo, endless, engine));
  // A search that is kept in a file, or is one of several, goes on where it stands.
  return exploration.limit === 'states' && !onTurn && !shard && !compact
    ? yield* withWidening(exploration, { ...request, engine }, (deviations) => boundText({ deviations }, from))
    : exploration;
}

/** A cycle is found in a space whose states are all there: in this one, or in another that is searched for it. */
function* cyclesIn(request: ExploreRequest, explorer: Explorer, report: ExploreReport): Search<Cycles> {
  const { scenario, from, compact, shard, local } = request;
  if (compact || shard) return notLookedFor(scenario);
  return local ? yield* endlessAlone(request) : yield* endlessOf({ scenario, ...(from && { from }) }, explorer, report);
}

/** What is not decided: `deadlock` among it where some states were not looked at to the end. */
const withDeadlocks = (owed: readonly string[], decided: boolean, violations: readonly Pick<Violation, 'property'>[]): readonly string[] =>
  decided || violations.some(({ property }) => property === DEADLOCK) ? owed : [...owed, DEADLOCK];

/** Pairs of states over pairs of values: two of them share a 64-bit fingerprint with the chance 2^-64. */
export const omissionsOf = (states: number): number => (states * (states - 1)) / 2 ** 65;

/** What a search of all schedules has found out, whoever did it. */
export interface SearchFacts
  extends Pick<
    ExploreReport,
    'exhausted' | 'limit' | 'deadlocks' | 'states' | 'transitions' | 'unchanged' | 'depth' | 'reactions' | 'bytesPerState'
  > {
  /** Reactions that were not executed again, as time was over. */
  readonly unverified?: number;
  /** Each property that broke, by fewest steps. */
  readonly findings: readonly Omit<Finding, 'state'>[];
  /** `sometimes` properties that came true. */
  readonly reached: ReadonlySet<string>;
  readonly stepMisses: number;
  readonly localStates: Readonly<Record<string, number>>;
  readonly ledger: Ledger;
  readonly evidence: Evidence | null;
  /** Some states were counted more than once. */
  readonly atMost?: true;
  /** States that fingerprints are expected to have hidden; absent where states were exact. */
  readonly omissions?: number;
  /** How often a state was gone through in a local step, and not kept; absent where all are kept. */
  readonly passed?: number;
}

/**
 * Violations with their schedules, and the guarantee, from what a search has found out. Where it kept no graph, one thread looks for
 * lassos; where it kept its engine, what that remembers is not met a second time.
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
    // Where the search starts in the middle of a run, the race may lie behind it; where it is one of several, in another one's part.
    undecided,
    missed: shard || (from && from.step > 0) ? [] : scenario.properties.sometimes.filter((id) => !reached.has(id)),
    guarantee: guaranteeLines({ ...facts, scenario, bound, violated, undecided, owed, coverage: covered }),
    coverage: { localStates, reactions, depth, bytesPerState, stepMisses, ...covered },
    ledger,
    ...(facts.omissions !== undefined && { omissions: facts.omissions }),
  };
}

/** Searches for one violation alone, as one search does: for those who shared a space in no order that repeats. */
export function searchedWay({ scenario, from }: ExploreRequest): WayTo {
  return function* ({ property }) {
    const budget = { states: Number.POSITIVE_INFINITY };
    const explorer = new Explorer({ scenario, budget, until: property, ...(from && { from }) });
    const search = explorer.run();
    let turn = search.next();
    // Goes on when it is asked to stop: a violation without a schedule is nothing that was found, and it goes no deeper than others did.
    for (; !turn.done; turn = search.next()) yield turn.value;
    const { findings } = turn.value;
    const found = findings.find((finding) => finding.property === property);
    // Several together look beyond deadlocks as well.
    if (!found) return null;
    return { message: found.message, labels: explorer.labelsTo(found.state) };
  };
}

function* exploreWithin(request: ExploreRequest, limits: BoundedLimits): Search<Exploration> {
  const { scenario, maxStates, from, isTimed } = request;
  const search = new BoundedSearch({ scenario, limits, states: maxStates, ...(from && { from }) });
  const { engine } = search.world;
  const report = ended(yield* isTimed ? reexecuting(search.run(), engine) : search.run(), yield* reexecuted(engine));
  const bound = boundText(report.closed ? {} : limits, from);
  const ends = new DeadEnds(search.world);
  const violations = report.findings
    .map((finding) => withWaits(ends, { ...finding, steps: finding.labels.length, least: true }))
    .sort(byProperty);
  const undecided = withDeadlocks(undecidedWith('bound', scenario.properties.eventually), report.deadlocks, violations);
  const violated = violations.map(({ property }) => property);
  const ledger = ledgerOf(scenario, search.world.engine);
  const covered = ledger.coverage(report.closed && !endsRuns(violated, scenario));
  return {
    ...report,
    ledger,
    bound,
    violations,
    missed: from && from.step > 0 ? [] : report.missed,
    undecided,
    guarantee: guaranteeLines({
      ...report,
      scenario,
      bound,
      violated,
      undecided,
      evidence: weakestEvidence(search.world.engine),
      coverage: covered,
    }),
    coverage: coverageOf(search.world, covered, {
      depth: Math.max(0, ...violations.map(({ steps }) => steps)),
      bytesPerState: 0,
      stepMisses: 0,
    }),
  };
}

/** A report of which some reactions may not have been executed again: then it shows nothing for all schedules. */
const ended = <R extends { readonly exhausted: boolean; readonly limit?: Exploration['limit'] }>(report: R, unverified: number) =>
  unverified === 0 ? { ...report, unverified } : { ...report, exhausted: false, limit: report.limit ?? ('stopped' as const), unverified };

function* exploreOrbits({ scenario, maxStates, local, isTimed }: ExploreRequest): Search<Exploration> {
  const search = new OrbitSearch(scenario, maxStates, local);
  const { engine } = search.world;
  const report = ended(yield* isTimed ? reexecuting(search.run(), engine) : search.run(), yield* reexecuted(engine));
  const pricing = new Pricing(search.world);
  const ends = new DeadEnds(search.world);
  const violations = report.findings
    .map((finding) => withWaits(ends, { ...finding, steps: finding.labels.length, least: false, ...pricing.priceOf(finding.labels) }))
    .sort(byProperty);
  const undecided = withDeadlocks(undecidedWith('symmetry', scenario.properties.eventually), report.deadlocks, violations);
  const bound = `all schedules, one state for up to ${report.factor} that differ by a renaming`;
  const limit = report.exhausted ? null : report.states >= maxStates ? 'states' : 'stopped';
  const violated = violations.map(({ property }) => property);
  const ledger = ledgerOf(scenario, search.world.engine, { alike: true });
  const covered = ledger.coverage(report.exhausted && !endsRuns(violated, scenario));
  return {
    ...report,
    ledger,
    limit,
    bound,
    violations,
    missed: report.missed,
    undecided,
    guarantee: guaranteeLines({
      ...report,
      scenario,
      bound,
      limit,
      violated,
      undecided,
      evidence: weakestEvidence(search.world.engine),
      coverage: covered,
    }),
    coverage: coverageOf(search.world, covered, {
      depth: Math.max(0, ...violations.map(({ steps }) => steps)),
      bytesPerState: 0,
      stepMisses: 0,
    }),
  };
}

type Measured = Pick<Exploration['coverage'], 'depth' | 'bytesPerState' | 'stepMisses'>;

/** What a search met, by kind. */
const coverageOf = (world: WorldStep, coverage: Coverage, rest: Measured): Exploration['coverage'] => ({
  localStates: localStatesOf(world.engine),
  reactions: world.engine.reactions,
  ...rest,
  ...coverage,
});
