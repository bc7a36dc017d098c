/**
 * Exploration as people ask for it: search everything, and give each violation by the least
 * deviating schedule that reaches it.
 */

import { propertyOf } from '../properties/index.ts';
import { Explorer } from './breadth/explorer.ts';
import { searchedBy } from './breadth/searched.ts';
import { ClassError } from './classes/class-error.ts';
import { type Cycles, conclude, endlessAlone, notLookedFor, told } from './conclude.ts';
import { weakestEvidence } from './covered/evidence.ts';
import { ledgerOf, localStatesOf } from './covered/ledger.ts';
import { withWidening } from './cut-short.ts';
import { endlessOf } from './cycles/endless.ts';
import { exploreClasses } from './explore-classes.ts';
import { boundText } from './guarantee.ts';
import { BoundedSearch } from './in-order/bounded.ts';
import { isLeastAt } from './in-order/deviations.ts';
import type { WayTo } from './in-order/least-deviating.ts';
import { Pricing } from './in-order/pricing.ts';
import { profileOf } from './inspect/profile.ts';
import { graphOf } from './inspect/reachable-graph.ts';
import { trafficOf } from './inspect/traffic.ts';
import { OrbitSearch } from './reduce/orbits.ts';
import { SymmetryError } from './reduce/symmetry.ts';
import type { Exploration, ExploreRequest, Limits, Search, Searched, SearchFacts } from './request.ts';
import { closing, reexecuted, reexecuting } from './turns.ts';

/** What is asked for; without symmetry where the model does not have it, which is then told. */
export function* explore(request: ExploreRequest): Search<Exploration> {
  const memory = memoryIn(request.scenario);
  if (memory !== null && request.scheduler === true) {
    const exploration = yield* explore({ ...request, scheduler: false });
    const why = `${memory} remembers the past by a monitor, and a class of configurations has many pasts`;
    return unreduced(exploration, `No scheduler classes: ${why}.`, why);
  }
  try {
    if (memory !== null && request.symmetry === true)
      throw new SymmetryError(`${memory} remembers the past by a monitor, which knows the names of whom it follows`);
    return yield* asked(request);
  } catch (error) {
    if (!(error instanceof SymmetryError) || request.symmetry !== true) throw error;
    const exploration = yield* asked({ ...request, symmetry: false });
    return unreduced(exploration, `No symmetry: ${error.message}.`, error.message);
  }
}

/** A search of all states in place of one that was asked for. */
function unreduced(exploration: Exploration, sentence: string, why: string): Exploration {
  const [space, ...rest] = exploration.guarantee;
  const both = exploration.unreduced === undefined ? why : `${why}; ${exploration.unreduced}`;
  return { ...exploration, unreduced: both, guarantee: [space!, sentence, ...rest] };
}

/** The first property of a scenario that has a monitor. */
const memoryIn = ({ properties: { always, sometimes, eventually } }: ExploreRequest['scenario']): string | null =>
  [...always, ...sometimes, ...eventually].find((id) => propertyOf(id).monitor !== undefined) ?? null;

function asked(request: ExploreRequest): Search<Exploration> {
  const { limits, symmetry, scheduler } = request;
  if (scheduler === true) return exploreClasses(request);
  if (symmetry) return exploreOrbits(request);
  if (scheduler === 'where-it-applies' && classesApply(request)) return classesOrAll(request);
  const limited = isLimited(limits);
  return limited ? exploreWithin(request, limits!) : exploreAll(request);
}

const isLimited = (limits: Limits | undefined): boolean => Object.values(limits ?? {}).some((value) => value !== undefined);

/** Whether nothing is asked for that a search over classes does not give. */
function classesApply({ scenario, limits, local, compact, image, onTurn, shard, counts, graph }: ExploreRequest): boolean {
  const inspects = counts === true || graph === true;
  const asksMore =
    isLimited(limits) ||
    inspects ||
    local === true ||
    compact === true ||
    image !== undefined ||
    onTurn !== undefined ||
    shard !== undefined;
  return !asksMore && scenario.model === undefined && scenario.properties.eventually.length === 0 && memoryIn(scenario) === null;
}

/** States that are searched one by one before classes pay. */
const ONE_BY_ONE = 5_000_000;

/**
 * All schedules: one state after the other where they are few, else over classes; one by one all
 * the same where the model does not allow that. `oneByOne`: up to how many states are few.
 */
export function* classesOrAll(request: ExploreRequest, oneByOne = ONE_BY_ONE): Search<Exploration> {
  if (request.maxStates <= oneByOne) return yield* exploreAll(request);
  const few = yield* exploreFew({ ...request, maxStates: oneByOne });
  if (few !== null) return few;
  try {
    return yield* exploreClasses(request);
  } catch (error) {
    if (!(error instanceof ClassError)) throw error;
  }
  return yield* exploreAll(request);
}

/** A search of all states; null where they are too many, of which nothing is made. */
function* exploreFew(request: ExploreRequest): Search<Exploration | null> {
  const explorer = explorerOf(request);
  const limit = yield* explorer.trial();
  return limit === 'states' ? null : yield* allOf(request, explorer);
}

function* exploreAll(request: ExploreRequest): Search<Exploration> {
  return yield* allOf(request, explorerOf(request));
}

const explorerOf = ({
  scenario,
  maxStates,
  fits,
  isTimed = false,
  from,
  image,
  onTurn,
  shard,
  compact = false,
  local = false,
}: ExploreRequest) =>
  new Explorer({
    scenario,
    budget: { states: maxStates, isTimed, ...(fits && { fits }) },
    ...(from && { from }),
    ...(image && { image }),
    ...(onTurn && { onTurn }),
    ...(shard && { division: shard.division }),
    compact,
    local,
  });

/** What a search of all states comes to, once it is over. */
function* allOf(request: ExploreRequest, explorer: Explorer): Search<Exploration> {
  const { scenario, from, image, onTurn, shard, compact = false, local = false } = request;
  const report = yield* explorer.run();
  const endless = yield* closing(cyclesIn(request, searchedBy(explorer, report)));
  const { passed, ...counts } = report;
  const facts: SearchFacts = {
    ...counts,
    reached: new Set([...report.reached].flatMap(([id, met]) => (met === null ? [] : [id]))),
    stepMisses: report.trie.misses,
    localStates: localStatesOf(explorer.world.engine),
    ledger: ledgerOf(scenario, explorer.world.engine, { ...(image && explorer.seen), start: explorer.world.initial }),
    evidence: weakestEvidence(explorer.world.engine),
    ...(local && { passed }),
    ...(compact && { omissions: omissionsOf(report.states) }),
  };
  const wayTo: WayTo = function* ({ property }) {
    const { state, message } = report.findings.find((finding) => finding.property === property)!;
    return { message, labels: explorer.labelsTo(state) };
  };
  const { engine } = explorer.world;
  const concluded = yield* closing(conclude(request, facts, wayTo, endless, engine));
  const exploration = { ...concluded, ...(yield* inspected(request, searchedBy(explorer, report))) };
  // A search that is kept in a file, or is one of several, goes on where it stands.
  return exploration.limit === 'states' && !onTurn && !shard && !compact && !request.graph
    ? yield* withWidening(exploration, { ...request, engine }, (deviations) => boundText({ deviations }, from))
    : exploration;
}

/** What else is told of a space that this search has kept whole. */
function* inspected(request: ExploreRequest, searched: Searched): Search<Pick<Exploration, 'traffic' | 'profile' | 'graph'>> {
  const { scenario, counts, graph, compact, shard, local } = request;
  if (compact || shard || local) return {};
  const traffic = counts ? yield* trafficOf(searched) : null;
  const profile = traffic && (yield* profileOf(searched));
  return {
    ...(traffic && { traffic }),
    ...(profile && { profile }),
    ...(graph && searched.exhausted && { graph: graphOf(scenario, searched) }),
  };
}

/**
 * A cycle is found in a space whose states are all there: in this one, or in another that is
 * searched for it.
 */
function* cyclesIn(request: ExploreRequest, searched: Searched): Search<Cycles> {
  const { scenario, from, compact, shard, local } = request;
  if (compact || shard) return notLookedFor(scenario);
  return local ? yield* endlessAlone(request) : yield* endlessOf({ scenario, ...(from && { from }) }, searched);
}

/**
 * Pairs of states over pairs of values: two of them share a 64-bit fingerprint with the chance
 * 2^-64.
 */
export const omissionsOf = (states: number): number => (states * (states - 1)) / 2 ** 65;

/**
 * A report of which some reactions may not have been executed again: then it shows nothing for all
 * schedules.
 */
const ended = <R extends { readonly exhausted: boolean; readonly limit?: Exploration['limit'] }>(report: R, unverified: number) =>
  unverified === 0 ? { ...report, unverified } : { ...report, exhausted: false, limit: report.limit ?? ('stopped' as const), unverified };

function* exploreWithin(request: ExploreRequest, limits: Limits): Search<Exploration> {
  const { scenario, maxStates, from, isTimed } = request;
  const search = new BoundedSearch({ scenario, limits, states: maxStates, ...(from && { from }) });
  const { engine } = search.world;
  const report = ended(yield* isTimed ? reexecuting(search.run(), engine) : search.run(), yield* reexecuted(engine));
  const violations = report.findings.map((finding) => ({ ...finding, steps: finding.labels.length, least: true }));
  const bound = boundText(report.closed ? {} : limits, from);
  return told(request, search.world, { ...report, feature: 'bound', bound, whole: report.closed, violations });
}

function* exploreOrbits(request: ExploreRequest): Search<Exploration> {
  const { scenario, maxStates, local, isTimed } = request;
  const search = new OrbitSearch(scenario, maxStates, local);
  const { engine } = search.world;
  const report = ended(yield* isTimed ? reexecuting(search.run(), engine) : search.run(), yield* reexecuted(engine));
  const limit = report.exhausted ? null : report.states >= maxStates ? 'states' : 'stopped';
  const pricing = new Pricing(search.world);
  const violations = report.findings.map((finding) => {
    const { labels } = finding;
    const price = pricing.priceOf(labels);
    return { ...finding, steps: labels.length, least: !local && isLeastAt(price), ...price };
  });
  const bound = `all schedules, one state for up to ${report.factor} that differ by a renaming`;
  const seen = { alike: true };
  return told(request, search.world, { ...report, limit, feature: 'symmetry', bound, whole: report.exhausted, seen, violations });
}
