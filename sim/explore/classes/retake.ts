/**
 * What was taken, worked out again from the states that runs come to: a search that finds out
 * afterwards where runs end has looked beyond.
 */
import { checkCongruence } from './checks.ts';
import type { ClassSearch } from './search.ts';

/** Takes every step of a search once more, but for those behind an end. */
export function* takeAgain(search: ClassSearch): Generator<void, void> {
  const { world, space, steps, graph } = search;
  world.engine.untake(world.initial);
  steps.trie.clear('the search begins again');
  graph.untake();
  for (const view of search.classes.views) view.isTaken = false;
  for (let state = 0; state < space.count; state++) {
    if (search.isOver(state)) continue;
    const view = search.openViewOf(state);
    const program = search.rows.programOf(state);
    search.lookup.takenIn(view, program);
    search.takeMoves(view, program);
    yield;
  }
  yield* checkCongruence(search);
}
