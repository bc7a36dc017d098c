/**
 * What a machine walks, for those who show it: the top path of a region, with the graph that it was
 * compiled to.
 */
import type { AnyStateMachine, AnyStateNode } from 'xstate';
import type { Graph } from './compile.ts';
import type { PathPatches } from './patch.ts';
import type { Item, Path, StepSpec } from './path.ts';

type AnyEvent = { readonly type: string };
/** A path whose walker is not looked at. */
export type ShownPath = Path<unknown, unknown, AnyEvent>;
export type ShownItem = Item<unknown, unknown, AnyEvent>;
export type ShownSpec = StepSpec<unknown, unknown, AnyEvent>;
export type ShownGraph = Graph<unknown, unknown, AnyEvent>;

/** A top path with the graph of its steps. */
export interface Walked {
  /** As it was written: patches are applied where it is read. */
  readonly path: ShownPath;
  readonly graph: ShownGraph;
}

/** What one region of a machine walks. */
export interface Walk extends Walked {
  readonly patches: PathPatches;
  readonly stepEvent: string;
  /** The frame that has its locals. */
  readonly frame: string;
  /** The same with what no program of the scenario asks for; null where there is nothing more. */
  readonly whole: Walked | null;
}

/** Stands in the meta of the first step of a walk. A function: it is not written down with it. */
export interface WalkMeta {
  readonly walks: () => Walk;
}

/** The walks of a machine, by the order of its regions. */
export function walksOf(machine: AnyStateMachine): Walk[] {
  const below = (node: AnyStateNode): Walk[] => {
    const walks = (node.meta as Partial<WalkMeta> | undefined)?.walks;
    return [...(walks ? [walks()] : []), ...(Object.values(node.states) as AnyStateNode[]).flatMap(below)];
  };
  return below(machine.root as unknown as AnyStateNode);
}
