/** Where each micro-step comes from, by its name: what stands in the meta of the states. */
import type { AnyStateMachine } from 'xstate';
import type { Grade } from '../actors/path/path.ts';

export interface StepSource {
  readonly source: string;
  readonly grade: Grade;
}

interface NodeLike {
  readonly meta?: { readonly step?: string; readonly source?: string; readonly grade?: Grade };
  readonly states: Readonly<Record<string, NodeLike>>;
}

/** Sources by the dotted name of the micro-step, as points name it. */
export function stepSources(machines: Readonly<Record<string, AnyStateMachine>>): ReadonlyMap<string, StepSource> {
  const found = new Map<string, StepSource>();
  const walk = (node: NodeLike): void => {
    const { meta } = node;
    if (meta?.step && meta.source && meta.grade) found.set(meta.step, { source: meta.source, grade: meta.grade });
    for (const inner of Object.values(node.states)) walk(inner);
  };
  for (const machine of Object.values(machines)) walk(machine.root as unknown as NodeLike);
  return found;
}
