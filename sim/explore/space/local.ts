/**
 * Local steps: where only one thing can happen and no other actor can see how far it has got, it
 * runs on and the states in between are not kept. That is sound without a condition on the model:
 * whatever is left out has one way on. Measured in
 * docs/decisions/0010-no-partial-order-reduction.md.
 */
import type { WorldStep } from '../../rows/world-step.ts';

/** Steps that run on at most; a cycle in which nothing else can ever happen is kept somewhere. */
const RUN_MAX = 1 << 12;

export interface SoleStep {
  readonly column: number;
  readonly event: number;
}

/** The one step that can be taken; null where there are several, or none. */
export function soleStepOf(world: WorldStep, row: ArrayLike<number>): SoleStep | null {
  let sole: SoleStep | null = null;
  for (let column = 0; column < row.length; column++) {
    const alternatives = world.alternatives(column, row[column]!);
    if (alternatives.length === 0) continue;
    if (sole !== null || alternatives.length > 1) return null;
    sole = { column, event: alternatives[0]! };
  }
  return sole;
}

/** Whether a property has to look at the state that a step leads to. */
export type IsSeen = (before: readonly number[], after: readonly number[]) => boolean;

export interface LocalRun {
  readonly row: readonly number[];
  readonly deliveries: number;
  /** States that were gone through and need not be kept. */
  readonly passed: number;
  /** A property has to look at the state that the run of local steps has come to. */
  readonly isSeen: boolean;
}

/**
 * Takes sole steps from a state, up to a state in which there is a choice, nothing left to do, or
 * something to look at.
 */
export function runLocal(world: WorldStep, from: readonly number[], isSeen: IsSeen): LocalRun {
  let row = from;
  let deliveries = 0;
  for (let passed = 0; passed < RUN_MAX; passed++) {
    const sole = soleStepOf(world, row);
    if (sole === null) return { row, deliveries, passed, isSeen: false };
    const trace = world.run(row, sole.column, sole.event);
    // A step that changes nothing can be taken again and again: that is for the search to see.
    if (!trace.changed) return { row, deliveries, passed, isSeen: false };
    const next = world.after(row, trace);
    deliveries += trace.deliveries;
    if (isSeen(row, next)) return { row: next, deliveries, passed: passed + 1, isSeen: true };
    row = next;
  }
  return { row, deliveries, passed: RUN_MAX, isSeen: false };
}

/** The labels of the sole steps that lead from one state to another. */
export function labelsAlong(world: WorldStep, from: readonly number[], to: ArrayLike<number>): string[] {
  const labels: string[] = [];
  let row = from;
  // Either row may end before the column of a queue that had not been used by then.
  const isThere = () =>
    Array.from({ length: Math.max(row.length, to.length) }).every((_, column) => (row[column] ?? 0) === (to[column] ?? 0));
  while (!isThere()) {
    const sole = soleStepOf(world, row);
    if (sole === null || labels.length > RUN_MAX) throw new Error('local steps do not lead to the state that was kept');
    labels.push(world.label(sole.column, row[sole.column]!, sole.event));
    row = world.after(row, world.run(row, sole.column, sole.event));
  }
  return labels;
}
