/** Deadlocks among the members of a class over one program part. */
import { DeadEnds } from '../../rows/dead-ends.ts';
import { PERHAPS_NO_PROGRESS } from '../../rows/step-trie.ts';
import type { ComponentGraph } from './component-graph.ts';
import type { Taken } from './lookup.ts';
import type { Parts } from './parts.ts';
import type { ClassView } from './view.ts';

export class DeadMembers {
  readonly deadEnds: DeadEnds;
  readonly #graph: ComponentGraph;
  readonly #parts: Parts;

  constructor(graph: ComponentGraph, parts: Parts) {
    this.deadEnds = new DeadEnds(parts.world);
    this.#graph = graph;
    this.#parts = parts;
  }

  /** Members in which a run ends as nothing but waiting is left, now and later. */
  deadIn(view: ClassView, program: readonly number[], taken: Taken): number[] {
    if (view.sinks?.length === 1 && this.#progressesIn(view, view.sinks[0]!, taken)) return [];
    const goOn = new Set<number>();
    for (const [i, step] of taken.steps.entries()) {
      if ((step.flags & PERHAPS_NO_PROGRESS) !== 0) continue;
      const subset = taken.subsets[i]!;
      if (subset === 0) return [];
      for (const component of view.componentsOf(subset)) goOn.add(component);
    }
    if (view.sinks?.every((component) => goOn.has(component))) return [];
    const alive = new Set<number>();
    for (const [i, step] of taken.steps.entries())
      if ((step.flags & PERHAPS_NO_PROGRESS) === 0) for (const id of view.subsets[taken.subsets[i]!]!) alive.add(id);
    const members = new Set(view.members);
    for (let found = true; found; ) {
      found = false;
      for (const id of view.members)
        if (!alive.has(id) && this.#graph.targetsOf(id).some((to) => alive.has(to) && members.has(to))) {
          alive.add(id);
          found = true;
        }
    }
    return view.members.filter((id) => !alive.has(id) && this.deadEnds.isDead(this.#parts.join(this.#graph.partOf(id), program)));
  }

  /** Whether some step from a component is progress. */
  #progressesIn(view: ClassView, component: number, taken: Taken): boolean {
    for (let i = 0; i < taken.steps.length; i++) {
      if ((taken.steps[i]!.flags & PERHAPS_NO_PROGRESS) !== 0) continue;
      const subset = taken.subsets[i]!;
      if (subset === 0 || view.componentsOf(subset).includes(component)) return true;
    }
    return false;
  }
}
