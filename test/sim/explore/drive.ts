/**
 * Drives the kernel as the explorer does, but with tables that start tiny and with a memory that is
 * dropped whenever the test says so.
 */

import { hexOf } from '../../../sim/canonical.ts';
import { MemoEngine } from '../../../sim/engine/memo.ts';
import { ALONE } from '../../../sim/explore/space/exchange.ts';
import { Cursor, expandStates, NEED_PUSH, NEED_ROOT, NEED_STEP } from '../../../sim/explore/space/kernel.ts';
import { StateSpace } from '../../../sim/explore/space/state-space.ts';
import { StepTrie } from '../../../sim/rows/step-trie.ts';
import { WorldStep } from '../../../sim/rows/world-step.ts';
import type { Topology } from '../../../sim/store.ts';

export interface Injuries {
  /** Room for states at the start; a power of two. */
  readonly capacity?: number;
  /** States expanded in one call of the kernel. */
  readonly chunk?: number;
  /** Whether to drop the memory of steps before this call. */
  readonly drops?: (call: number) => boolean;
  /** A value that rows must have room for before this call. */
  readonly fits?: (call: number) => number;
}

export interface Driven {
  readonly space: StateSpace;
  readonly world: WorldStep;
  readonly trie: StepTrie;
  readonly transitions: number;
  readonly unchanged: number;
  readonly deliveries: number;
  /** Columns each time they grew. */
  readonly grew: readonly number[];
}

export function drive(topology: Topology, { capacity = 1 << 12, chunk = 1 << 15, drops, fits }: Injuries = {}): Driven {
  const world = new WorldStep(new MemoEngine(topology));
  const trie = new StepTrie(world, () => false);
  const space = new StateSpace(world.columns, { capacity });
  let cursor = new Cursor(world.columns);
  const grew: number[] = [];
  let lane = 0;
  for (const [column, value] of world.initial.entries()) lane = (lane + world.laneA(column, value)) | 0;
  space.first([...world.initial], lane, 0);
  for (let call = 0; cursor.head < space.count; call++) {
    if (trie.mustClear || drops?.(call)) trie.clear();
    const largest = Math.max(...Array.from({ length: world.columns }, (_, column) => world.sizeOf(column)));
    space.fitValue(Math.max(largest - 1, fits?.(call) ?? 0));
    space.reserve(trie.successors + 1);
    cursor.fitPending(trie.successors);
    cursor.end = Math.min(space.count, cursor.head + chunk);
    const why = expandStates(cursor, space, trie, ALONE);
    space.read(Math.min(cursor.head, space.count - 1), cursor.row);
    if (why === NEED_ROOT) trie.expand(cursor.column, cursor.row[cursor.column]!);
    else if (why === NEED_STEP) trie.learn(cursor.row, cursor.column, cursor.alternative);
    else if (why === NEED_PUSH) trie.learnPush(cursor.list, cursor.message);
    cursor.pendingCount = 0;
    if (world.columns === space.columns) continue;
    grew.push(world.columns);
    space.fitColumns(world.columns);
    cursor = Object.assign(new Cursor(world.columns), { ...cursor, row: new Int32Array(world.columns), pending: cursor.pending });
  }
  const { transitions, unchanged, deliveries } = cursor;
  return { space, world, trie, transitions, unchanged, deliveries, grew };
}

/** Digests of all states. */
export function digestsOf({ space, world }: Pick<Driven, 'space' | 'world'>): Set<string> {
  const row = new Int32Array(space.columns);
  const digests = new Set<string>();
  for (let state = 0; state < space.count; state++) {
    space.read(state, row);
    let [a, b] = [0, 0];
    for (const [column, value] of row.entries()) {
      a = (a + world.laneA(column, value)) | 0;
      b = (b + world.laneB(column, value)) | 0;
    }
    digests.add(hexOf(a, b));
  }
  return digests;
}

/** Digests of some states, in order of digests. */
export function digestsAt(driven: Pick<Driven, 'space' | 'world'>, states: readonly number[]): string[] {
  const digests = [...digestsOf(driven)];
  return states.map((state) => digests[state]!).sort();
}
