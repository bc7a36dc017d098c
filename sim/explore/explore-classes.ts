/** Exploration over classes of scheduler configurations, and what it comes to. */
import { DEADLOCK } from '../end.ts';
import { propertyOf } from '../properties/index.ts';
import { PropertyWatch } from '../property.ts';
import { classified } from './classes/classified.ts';
import type { ClassSearch } from './classes/search.ts';
import { labelsThrough } from './classes/ways.ts';
import { conclude } from './conclude.ts';
import { weakestEvidence } from './covered/evidence.ts';
import { ledgerOf, localStatesOf } from './covered/ledger.ts';
import { withWidening } from './cut-short.ts';
import { boundText } from './guarantee.ts';
import type { WayTo } from './in-order/least-deviating.ts';
import type { Exploration, ExploreRequest, Search, SearchFacts } from './request.ts';
import { closing } from './turns.ts';

export function* exploreClasses(request: ExploreRequest): Search<Exploration> {
  const { scenario, maxStates, fits, isTimed = false, from, symmetry = false } = request;
  const budget = { states: maxStates, isTimed, ...(fits && { fits }) };
  const { search, limit, unverified } = yield* classified({ scenario, budget, renames: symmetry ? 'all' : 'cpus', ...(from && { from }) });
  const { world, space, verdicts, graph, names } = search;
  const { engine } = world;
  const facts: SearchFacts = {
    exhausted: limit === null,
    limit,
    deadlocks: search.dead.deadEnds.undecided === 0,
    states: space.count,
    transitions: search.rows.transitions,
    unchanged: search.unchanged,
    depth: space.depthOf(space.count - 1),
    findings: verdicts.findings,
    reached: new Set(verdicts.reached.keys()),
    reactions: engine.reactions,
    bytesPerState: space.bytesPerState,
    unverified,
    stepMisses: search.steps.trie.misses,
    localStates: localStatesOf(engine),
    ledger: ledgerOf(scenario, engine, { ...(names && { alike: true }), start: world.initial }),
    evidence: weakestEvidence(engine),
    classes: { configurations: graph.size, classes: search.classes.views.length, renamed: names?.symmetry.factor ?? 1 },
  };
  const wayTo: WayTo = function* ({ property, message }) {
    const found = verdicts.findings.find((finding) => finding.property === property)!;
    return { message, labels: labelsThrough(search, found.state, goalOf(search, property)) };
  };
  const exploration = yield* closing(conclude(request, facts, wayTo, undefined, engine));
  return exploration.limit === 'states'
    ? yield* withWidening(exploration, { ...request, engine }, (deviations) => boundText({ deviations }, from))
    : exploration;
}

/** Whether a property breaks in a state. */
function goalOf({ world, dead }: ClassSearch, property: string): (row: readonly number[]) => boolean {
  if (property === DEADLOCK) return (row) => dead.deadEnds.isDead(row);
  const watch = new PropertyWatch(propertyOf(property), world.store);
  return (row) => watch.look(row.slice(0, world.actors), null) !== null;
}
