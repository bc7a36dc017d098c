/**
 * What there is to take in the machines of a scenario: the steps of their paths, the branches
 * between them, the offers they declare.
 */
import type { AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { MICRO_STEP_EVENTS } from '../../../events/index.ts';
import type { Kind, Topology } from '../../store.ts';

export type What = 'micro-step' | 'branch' | 'operation' | 'offer';

/** Something that a search never took. */
export interface Hole {
  /** The kind of the actors that would take it. */
  readonly kind: string;
  readonly what: What;
  readonly name: string;
}

/** Something that a search may take. */
export interface Item extends Hole {
  readonly key: string;
  /** The path or the actor that it is told under. */
  readonly group: string;
  /**
   * Items without which this one cannot be taken: where one of them was never taken either, only
   * that one is told.
   */
  readonly after: readonly string[];
}

export const itemOf = (hole: Hole, group: string, after: readonly string[] = []): Item => ({
  ...hole,
  key: keyOf(hole),
  group,
  after,
});
const keyOf = ({ kind, what, name }: Hole): string => `${what} ${kind} ${name}`;

/** One way out of a state. */
export interface Branch {
  /** Null where the branch is no item of its own: a path that asks and waits for the answer. */
  readonly key: string | null;
  readonly definition: AnyTransitionDefinition;
  /**
   * Where this branch leads, and no other one for the same event; null if that does not tell it.
   */
  readonly lands: AnyStateNode | null;
}

export interface NodeChart {
  readonly step: string | null;
  /** Events that run the step; null where to stand there is enough. */
  readonly runsOn: readonly string[] | null;
  readonly branches: ReadonlyMap<string, readonly Branch[]>;
}

export interface KindChart {
  readonly nodes: ReadonlyMap<AnyStateNode, NodeChart>;
  readonly items: readonly Item[];
}

type Catalogue = Topology['catalogue'];
type Meta = { readonly step?: string; readonly source?: string } | undefined;
const stepIn = ({ meta }: AnyStateNode): string | undefined => (meta as Meta)?.step;
/** A step that goes from one operation of a program to the next: operations tell more of it. */
const isControl = ({ meta }: AnyStateNode): boolean => (meta as Meta)?.source === 'the scenario';
const nameOf = (node: AnyStateNode): string => stepIn(node) ?? (node.path.length > 0 ? node.path.join('.') : node.id);
const groupOf = (name: string): string => name.split('.').slice(0, -1).join('.') || name;
/** A state that is left in the step that enters it: no search stands there. */
const isPassed = ({ always = [] }: AnyStateNode): boolean => always.length > 0;
const isLeaf = ({ type }: AnyStateNode): boolean => type === 'atomic' || type === 'final';

/**
 * The chart of one kind of actors. Steps of paths count on every kind; states and transitions
 * written by hand count where `isOwn`: no program names those of the host's own machines.
 */
export function chartOf(kind: Kind, isOwn: boolean, catalogue: Catalogue): KindChart {
  const nodes = new Map<AnyStateNode, NodeChart>();
  const items: Item[] = [];
  const has = (node: AnyStateNode): boolean => (stepIn(node) !== undefined ? !isControl(node) : isOwn && isLeaf(node) && !isPassed(node));
  const stepKey = (node: AnyStateNode): string[] => (has(node) ? [keyOf({ kind: kind.name, what: 'micro-step', name: nameOf(node) })] : []);
  const visit = (node: AnyStateNode): void => {
    const [step = null] = stepKey(node);
    if (step !== null) items.push(itemOf({ kind: kind.name, what: 'micro-step', name: nameOf(node) }, groupOf(nameOf(node))));
    const branches = new Map<string, readonly Branch[]>();
    if (step !== null || (isOwn && !isControl(node))) {
      for (const [type, definitions] of node.transitions) {
        if (catalogue[type] === undefined || (stepIn(node) !== undefined && type === 'choose')) continue;
        branches.set(type, branchesOf(kind, node, type, definitions, stepKey, items));
      }
      const runs = [...branches.keys()].filter((type) => MICRO_STEP_EVENTS.includes(type));
      nodes.set(node, { step, runsOn: stepIn(node) !== undefined && runs.length > 0 ? runs : null, branches });
    }
    for (const inner of Object.values(node.states)) visit(inner);
  };
  visit(kind.machine.root);
  return { nodes, items };
}

/**
 * The branches of a state for one event, in the order in which they are tried; adds those to
 * `items` that are items.
 */
function branchesOf(
  kind: Kind,
  node: AnyStateNode,
  type: string,
  definitions: readonly AnyTransitionDefinition[],
  stepKey: (node: AnyStateNode) => string[],
  items: Item[],
): Branch[] {
  const isPath = stepIn(node) !== undefined;
  const targetOf = ({ target }: AnyTransitionDefinition): AnyStateNode | null => target?.[0] ?? null;
  const targets = definitions.map(targetOf);
  const on = isPath && MICRO_STEP_EVENTS.includes(type) ? '' : ` on ${type}`;
  const textOf = (target: AnyStateNode | null): string => `${nameOf(node)}${on}${target ? ` -> ${nameOf(target)}` : ''}`;
  const texts = targets.map(textOf);
  return definitions.map((definition, at) => {
    const target = targets[at]!;
    const isOnly = texts.filter((text) => text === texts[at]).length === 1;
    const lands = target !== null && isOnly && target !== node && isLeaf(target) && !isPassed(target) ? target : null;
    if (isPath && target === null) return { key: null, definition, lands };
    const name = isOnly ? texts[at]! : `${texts[at]} (case ${at + 1})`;
    const offer = keyOf({ kind: kind.name, what: 'offer', name: type });
    const item = itemOf({ kind: kind.name, what: 'branch', name }, groupOf(nameOf(node)), [
      ...stepKey(node),
      ...(target ? stepKey(target) : []),
      offer,
    ]);
    items.push(item);
    return { key: item.key, definition, lands };
  });
}
