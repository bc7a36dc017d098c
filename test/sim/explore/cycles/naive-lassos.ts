/**
 * The oracle for liveness: Emerson and Lei's greatest fixpoint over sets of states. It shares no
 * algorithm with the explorer, which looks for strongly connected components.
 */
import type { Topology } from '../../../../sim/store.ts';
import type { NaiveState, NaiveStep } from '../naive.ts';
import { naiveSpace } from '../naive-space.ts';

interface Edge {
  readonly to: string;
  /** What is owed by a fair schedule: an offer, or a queue. */
  readonly action: string;
  /** It is owed strongly. */
  readonly strong: boolean;
  readonly slot: number;
  /** It is an offer that comes in place of a move of the same actor; it is the move. */
  readonly interposed: boolean;
  readonly moves: boolean;
  readonly waits: boolean;
}

export interface NaiveGraph {
  readonly states: ReadonlyMap<string, NaiveState>;
  /** What is owed. */
  readonly edges: ReadonlyMap<string, readonly Edge[]>;
  /** All steps. */
  readonly next: ReadonlyMap<string, readonly string[]>;
  readonly first: string;
  /** States that may last: nothing owed can be done. */
  readonly ended: readonly string[];
}

const actionOf = ({ kind, offer, slot, queue }: NaiveStep): string => (kind === 'deliver' ? `queue ${queue}` : `${offer} ${slot}`);

export function naiveGraph(topology: Topology): NaiveGraph {
  const { naive, nodes } = naiveSpace(topology);
  const states = new Map<string, NaiveState>();
  const edges = new Map<string, readonly Edge[]>();
  const next = new Map<string, readonly string[]>();
  const ended: string[] = [];
  for (const [key, { state, ends }] of nodes) {
    const all = ends ? [] : naive.steps(state);
    // Nothing of these models but a wait leads back to where it was: a run ends in a state where
    // that is all, unless all are at rest.
    const isDead = all.every(({ changed }) => !changed) && state.locals.some(({ snapshot }) => !snapshot.hasTag('rest'));
    const steps = isDead ? [] : all;
    states.set(key, state);
    next.set(
      key,
      steps.map((step) => naive.keyOf(step.next)),
    );
    const owed = steps.filter((step) => step.owed);
    const owesMove = (slot: number): boolean => owed.some((step) => step.slot === slot && step.kind === 'exec');
    edges.set(
      key,
      owed.map((step) => ({
        to: naive.keyOf(step.next),
        action: actionOf(step),
        strong: step.strong,
        slot: step.slot,
        interposed: step.kind === 'offer' && owesMove(step.slot),
        moves: step.kind === 'exec',
        waits: step.kind !== 'deliver' && (step.yields || !step.changed),
      })),
    );
    if (owed.length === 0) ended.push(key);
  }
  return { states, edges, next, first: [...nodes.keys()][0]!, ended };
}

/** The states of a set that are reached from the first one without leaving it. */
export function reachedWithin({ first, next }: NaiveGraph, set: ReadonlySet<string>): Set<string> {
  const reached = new Set<string>(set.has(first) ? [first] : []);
  for (const key of reached) for (const to of next.get(key)!) if (set.has(to)) reached.add(to);
  return reached;
}

/**
 * States of `some` from which a schedule that is weakly fair can go on forever without leaving it,
 * taking the actions of `again` again and again; `waiting`: with steps that wait. An offer comes in
 * place of a move forever only if the move, which comes again and again too, does not end it.
 */
function weaklyFair({ edges }: NaiveGraph, some: ReadonlySet<string>, waiting: boolean, again: readonly string[]): Set<string> {
  const actions = new Set([...some].flatMap((key) => edges.get(key)!.map(({ action }) => action)));
  let z = new Set(some);
  for (;;) {
    const inside = (key: string) => {
      const staying = edges.get(key)!.filter(({ to }) => z.has(to));
      return staying.filter(({ interposed, slot }) => !interposed || staying.some((edge) => edge.moves && edge.slot === slot));
    };
    const served = (key: string, action: string) =>
      inside(key).length > 0 &&
      (!edges.get(key)!.some((edge) => edge.action === action) || inside(key).some((edge) => edge.action === action));
    const goals = [...actions].map((action) => (key: string) => served(key, action));
    for (const action of again) goals.push((key) => inside(key).some((edge) => edge.action === action));
    if (waiting) goals.push((key) => inside(key).some(({ waits }) => waits));
    let left = new Set([...z].filter((key) => inside(key).length > 0));
    for (const goal of goals) {
      const can = new Set([...z].filter(goal));
      for (let grew = true; grew; ) {
        grew = false;
        for (const key of z) {
          if (can.has(key) || !inside(key).some(({ to }) => can.has(to))) continue;
          can.add(key);
          grew = true;
        }
      }
      left = new Set([...left].filter((key) => can.has(key)));
    }
    if (left.size === z.size) return z;
    z = left;
  }
}

/**
 * The same of a fair schedule: each action that is owed strongly is from some time on never
 * possible, or taken again and again. Every way to say which of the two it is, is tried.
 */
export function fairWithin(graph: NaiveGraph, some: ReadonlySet<string>, waiting = false): Set<string> {
  const possible = (key: string) => graph.edges.get(key)!.flatMap(({ action, strong }) => (strong ? [action] : []));
  const strong = [...new Set([...some].flatMap(possible))];
  const found = new Set<string>();
  for (let way = 0; way < 1 << strong.length; way++) {
    const never = strong.filter((_, at) => (way >> at) % 2 === 1);
    const left = new Set([...some].filter((key) => !possible(key).some((action) => never.includes(action))));
    const again = strong.filter((action) => !never.includes(action));
    const tail = weaklyFair(graph, left, waiting, again);
    for (const key of reachingWithin(graph, some, tail)) found.add(key);
  }
  return found;
}

/** States of a set from which owed steps lead to some of it without leaving it. */
function reachingWithin({ edges }: NaiveGraph, set: ReadonlySet<string>, goals: ReadonlySet<string>): Set<string> {
  const reaching = new Set(goals);
  for (let grew = goals.size > 0; grew; ) {
    grew = false;
    for (const key of set) {
      if (reaching.has(key) || !edges.get(key)!.some(({ to }) => reaching.has(to))) continue;
      reaching.add(key);
      grew = true;
    }
  }
  return reaching;
}
