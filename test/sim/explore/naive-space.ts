/** All states that the oracle reaches, breadth first, and what follows each. */
import type { Topology } from '../../../sim/store.ts';
import type { WorldView } from '../../../sim/view.ts';
import { type Heard, Naive, type NaiveState } from './naive.ts';

export interface Node {
  readonly state: NaiveState;
  readonly digest: string;
  readonly depth: number;
  /** Keys of what follows, one for each transition. */
  readonly next: readonly string[];
  readonly ends: boolean;
}

export interface NaiveSpace {
  readonly naive: Naive;
  readonly nodes: ReadonlyMap<string, Node>;
  readonly transitions: number;
  readonly unchanged: number;
  /** States with nothing left to do. */
  readonly empty: readonly NaiveState[];
}

/** All reachable states, breadth first. A run ends where `breaks` says so. */
export function naiveSpace(topology: Topology, breaks: (world: WorldView) => boolean = () => false, heard?: Heard): NaiveSpace {
  const naive = new Naive(topology, heard);
  const nodes = new Map<string, Node>();
  const empty: NaiveState[] = [];
  let transitions = 0;
  let unchanged = 0;
  const first = naive.start();
  const queue: { readonly key: string; readonly state: NaiveState; readonly depth: number }[] = [
    { key: naive.keyOf(first), state: first, depth: 0 },
  ];
  const met = new Set(queue.map(({ key }) => key));
  for (const { key, state, depth } of queue) {
    const ends = breaks(naive.viewOf(state));
    const steps = ends ? [] : naive.steps(state);
    const next: string[] = [];
    if (!ends && steps.length === 0) empty.push(state);
    for (const step of steps) {
      if (!step.changed) {
        unchanged++;
        continue;
      }
      transitions++;
      const to = naive.keyOf(step.next);
      next.push(to);
      if (met.has(to)) continue;
      met.add(to);
      queue.push({ key: to, state: step.next, depth: depth + 1 });
    }
    nodes.set(key, { state, digest: naive.digestOf(state), depth, next, ends });
  }
  return { naive, nodes, transitions, unchanged, empty };
}

/** Digests of everything that can follow a state. */
export function closureOf({ nodes }: NaiveSpace, digest: string): Set<string> {
  const start = [...nodes].find(([, node]) => node.digest === digest)![0];
  const met = new Set([start]);
  for (const key of met) for (const next of nodes.get(key)!.next) met.add(next);
  return new Set([...met].map((key) => nodes.get(key)!.digest));
}
