/** A search of all schedules that is over, as searches for cycles and waits take it. */
import type { Searched } from '../request.ts';
import type { Explorer } from './explorer.ts';
import type { ExploreReport } from './options.ts';

export function searchedBy(explorer: Explorer, { exhausted }: Pick<ExploreReport, 'exhausted'>): Searched {
  const { world, space, ended } = explorer;
  // A search that ended early has expanded all states before the one it took the last new state
  // from.
  const expanded = exhausted ? space.count : Math.max(0, space.parent[space.count - 1]!);
  return { world, space, exhausted, expanded, ended, labelsTo: (state) => explorer.labelsTo(state) };
}
