/**
 * How often each line of a path was taken: by the transitions that the line has become. Where a
 * search has counted no steps, only whether it was.
 */
import type { AnyStateMachine, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import type { GraphNode } from '../../../actors/path/compile.ts';
import { type Walk, walksOf } from '../../../actors/path/walks.ts';
import { Store, type Topology } from '../../store.ts';
import { chartOf } from '../covered/chart.ts';
import type { Traffic } from '../covered/inspection.ts';
import type { Ledger } from '../covered/ledger.ts';

/** Counts of steps and of places in paths, by their kind and full name. */
export class LineCounts {
  /** False: a line counts as 1 where it was taken, and how often is not known. */
  readonly isCounted: boolean;
  readonly #counts = new Map<string, number>();
  readonly #sent = new Map<string, Map<string, number>>();

  constructor(isCounted: boolean) {
    this.isCounted = isCounted;
  }

  /** How often a line was taken by actors of a kind; null where nothing is known of it. */
  of(kind: string, id: string): number | null {
    return this.#counts.get(keyOf(kind, id)) ?? null;
  }

  /** What a step sent, by `type to kind`. */
  sentBy(kind: string, id: string): ReadonlyMap<string, number> {
    return this.#sent.get(keyOf(kind, id)) ?? new Map();
  }

  add(kind: string, id: string, count: number): void {
    const key = keyOf(kind, id);
    const before = this.#counts.get(key) ?? 0;
    this.#counts.set(key, this.isCounted ? before + count : Math.max(before, count));
  }

  addSent(kind: string, id: string, sent: ReadonlyMap<string, number>): void {
    const key = keyOf(kind, id);
    const counts = this.#sent.get(key) ?? new Map<string, number>();
    for (const [text, count] of sent) counts.set(text, (counts.get(text) ?? 0) + count);
    this.#sent.set(key, counts);
  }
}

const keyOf = (kind: string, id: string): string => `${kind} ${id}`;

/** States of a machine by the name of their step. */
function stepNodes(machine: AnyStateMachine): Map<string, AnyStateNode> {
  const found = new Map<string, AnyStateNode>();
  const visit = (node: AnyStateNode): void => {
    const { step } = (node.meta ?? {}) as { readonly step?: string };
    if (step !== undefined) found.set(step, node);
    for (const inner of Object.values(node.states)) visit(inner as AnyStateNode);
  };
  visit(machine.root as unknown as AnyStateNode);
  return found;
}

type AnyNode = GraphNode<unknown, unknown, { readonly type: string }>;

/** An edge of a step as the transitions that it has become, in order. */
interface Ways {
  readonly on: string;
  /** The step runs on it, or it is ended unasked. */
  readonly isRun: boolean;
  /** Without a target the step asks, and stays. */
  readonly routes: readonly { readonly crosses: readonly string[]; readonly target: string | null }[];
}

const ASKS = [{ crosses: [], target: null }];

const waysOf = ({ edges }: AnyNode): Ways[] =>
  edges.map(({ on, acts, asked, routes }) => ({ on, isRun: acts || !asked, routes: routes.length > 0 ? routes : ASKS }));

interface Found {
  readonly step: string;
  readonly node: AnyStateNode;
  readonly on: string;
  readonly at: number;
  readonly isRun: boolean;
  readonly crosses: readonly string[];
  /** A stop that it leads to: to come there is to take it. */
  readonly stop: string | null;
}

/** Each transition of a walk, with the step and the places that it is. */
function eachTransition(walk: Walk, nodes: ReadonlyMap<string, AnyStateNode>, visit: (found: Found) => void): void {
  for (const graphNode of walk.graph.nodes.values()) {
    const node = nodes.get(graphNode.id)!;
    const next = new Map<string, number>();
    for (const { on, isRun, routes } of waysOf(graphNode)) {
      for (const { crosses, target } of routes) {
        const at = next.get(on) ?? 0;
        next.set(on, at + 1);
        const stop = target !== null && walk.graph.nodes.get(target)?.stops === true ? target : null;
        visit({ step: graphNode.id, node, on, at, isRun, crosses, stop });
      }
    }
  }
}

/** Counts of all lines that a search has counted. */
export function countedLines({ topology, taken, sent }: Traffic): LineCounts {
  const counts = new LineCounts(true);
  for (const [kind, machine] of Object.entries(topology.machines)) {
    const nodes = stepNodes(machine);
    for (const walk of walksOf(machine)) {
      eachTransition(walk, nodes, ({ step, node, on, at, isRun, crosses, stop }) => {
        const definition: AnyTransitionDefinition = node.transitions.get(on)![at]!;
        const count = taken.get(definition) ?? 0;
        counts.add(kind, step, isRun ? count : 0);
        for (const place of stop === null ? crosses : [...crosses, stop]) counts.add(kind, place, count);
        counts.addSent(kind, step, sent.get(definition) ?? new Map());
      });
    }
  }
  return counts;
}

/** What a ledger knows of lines: whether each was taken. */
export function takenLines(topology: Topology, { items, taken }: Pick<Ledger, 'items' | 'taken'>): LineCounts {
  const counts = new LineCounts(false);
  for (const kind of new Store(topology).kinds) {
    const chart = chartOf(kind, kind.origin !== null, topology.catalogue);
    const nodes = stepNodes(kind.machine);
    for (const walk of walksOf(kind.machine)) {
      for (const id of walk.graph.nodes.keys()) {
        const key = chart.nodes.get(nodes.get(id)!)?.step;
        if (key && items.has(key)) counts.add(kind.name, id, taken.has(key) ? 1 : 0);
      }
      eachTransition(walk, nodes, ({ node, on, at, crosses }) => {
        const key = chart.nodes.get(node)?.branches.get(on)?.[at]?.key;
        if (key && items.has(key)) for (const place of crosses) counts.add(kind.name, place, taken.has(key) ? 1 : 0);
      });
    }
  }
  return counts;
}
