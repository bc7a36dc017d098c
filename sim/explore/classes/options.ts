/** What a search over classes is asked for. */
import type { PlainWorld } from '../../restore.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ExploreBudget } from '../breadth/options.ts';

export interface ClassOptions {
  readonly scenario: ResolvedScenario;
  readonly budget: ExploreBudget;
  readonly from?: PlainWorld;
  /**
   * Which actors are renamed: those that schedule, or all that the model takes for interchangeable.
   */
  readonly renames: 'none' | 'cpus' | 'all';
}
