/** Deadlocks among the members of a class over one program part. */
import { DeadEnds } from '../../rows/dead-ends.ts';
import { PERHAPS_NO_PROGRESS } from '../../rows/step-trie.ts';
import type { ComponentGraph } from './component-graph.ts';
import type { Parts } from './parts.ts';
import type { Leaf } from './plan.ts';
import type { Taken } from './taken.ts';
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

  /** Whether some step is progress wherever the scheduler can lead. */
  goesOn(view: ClassView, leaves: readonly Leaf[], { steps, subsets }: Taken): boolean {
    let progressing = 0;
    for (let i = 0; i < leaves.length; i++) progressing |= leaves[i]!.progressing;
    for (let i = 0; i < steps.length; i++) if ((steps[i]!.flags & PERHAPS_NO_PROGRESS) === 0) progressing |= view.sinksIn(subsets[i]!);
    return progressing === view.allSinks;
  }

  /** Members in which a run ends as nothing but waiting is left, now and later. */
  deadIn(view: ClassView, program: ArrayLike<number>, taken: Taken): number[] {
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
}
