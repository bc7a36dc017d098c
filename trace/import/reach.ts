/**
 * The shortest way from one world to a goal. Of several ways that are as long the first in the
 * order of actors is taken, so that the answer depends on nothing but the world.
 */
import type { Move, Row, World } from './world.ts';

/** What is looked for. */
export interface Query {
  readonly goal: (row: Row) => boolean;
  /** What may happen on the way. */
  readonly allowed: (move: Move, row: Row) => boolean;
  /** Worlds that the way must not lead through. */
  readonly refused?: (row: Row) => boolean;
}

/** A move, and the world that it was made in. */
export interface Step {
  readonly before: Row;
  readonly move: Move;
}

/** A way, and the world at its end. */
export interface Way {
  readonly row: Row;
  readonly steps: readonly Step[];
}

interface Node {
  readonly row: Row;
  readonly parent: Node | null;
  readonly move: Move | null;
}

/** Worlds that one answer looks at. */
const WORLDS_MAX = 4_000;

function wayTo(end: Node): Way {
  const steps: Step[] = [];
  for (let node = end; node.parent !== null && node.move !== null; node = node.parent)
    steps.push({ before: node.parent.row, move: node.move });
  return { row: end.row, steps: steps.reverse() };
}

/** The way to the goal; null if there is none, or none that is short enough. */
export function reach(world: World, from: Row, { goal, allowed, refused }: Query): Way | null {
  if (goal(from)) return { row: from, steps: [] };
  const seen = new Set([world.keyOf(from)]);
  const queue: Node[] = [{ row: from, parent: null, move: null }];
  for (const node of queue) {
    for (const move of world.movesIn(node.row, (one) => allowed(one, node.row))) {
      const row = world.after(node.row, move);
      if (row === null || refused?.(row)) continue;
      const next = { row, parent: node, move };
      if (goal(row)) return wayTo(next);
      const key = world.keyOf(row);
      if (seen.has(key)) continue;
      if (seen.size >= WORLDS_MAX) return null;
      seen.add(key);
      queue.push(next);
    }
  }
  return null;
}
