/**
 * The way to a state that a search has found: every step is carried out again, so that no graph has
 * to be kept.
 */

import type { WorldStep } from '../../rows/world-step.ts';
import { labelsAlong } from './local.ts';
import type { StateSpace } from './state-space.ts';

/**
 * Labels of the choices that lead to a state. `local`: local steps have run on between two states
 * that are kept.
 */
export function labelsTo(world: WorldStep, space: StateSpace, state: number, local: boolean): string[] {
  const trail: number[] = [];
  for (let at = state; space.parent[at]! >= 0; at = space.parent[at]!) trail.push(at);
  let row: readonly number[] = world.initial;
  return trail.reverse().flatMap((at) => {
    const via = space.via[at]!;
    const column = via >> 12;
    const event = world.alternatives(column, row[column]!)[via & 0xfff]!;
    const label = world.label(column, row[column]!, event);
    row = world.after(row, world.run(row, column, event));
    if (!local) return label;
    const kept = Array.from(space.rows.subarray(space.at(at), space.at(at) + space.columns));
    const further = labelsAlong(world, row, kept);
    row = kept;
    return [label, ...further];
  });
}
