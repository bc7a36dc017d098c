/** What a search over all interleavings is asked for, and what it reports. */
import type { PlainWorld } from '../../restore.ts';
import type { StepTrie } from '../../rows/step-trie.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ExploreRequest, SearchTotals } from '../request.ts';
import type { Division } from '../space/division.ts';
import type { Exchange } from '../space/exchange.ts';
import type { SearchImage } from '../space/image.ts';
import type { Finding, FirstMet } from '../space/verdicts.ts';

export interface ExploreBudget {
  /** States kept before the search gives up. */
  readonly states: number;
  /**
   * Whether so many bytes more fit into the memory that the search may take; without it there is no
   * bound.
   */
  readonly fits?: (bytes: number) => boolean;
  /** Time is limited: reactions are executed again as the search goes, not at its end. */
  readonly isTimed?: boolean;
}

export interface ExploreOptions {
  readonly scenario: ResolvedScenario;
  readonly budget: ExploreBudget;
  /** false: no property ends a run; for outcomes over all schedules. */
  readonly properties?: boolean;
  /** Ends the search as soon as this property has broken. */
  readonly until?: string;
  /** Where to start instead of the initial state: all futures of a recorded run. */
  readonly from?: PlainWorld;
  /** Where an earlier search of the same scenario stood: goes on there. */
  readonly image?: SearchImage;
  /** Called between two turns, and once more when the search is over. */
  readonly onTurn?: ExploreRequest['onTurn'];
  /** Keeps 64-bit fingerprints of states, and rows only until a state is expanded. */
  readonly compact?: boolean;
  /** Local steps run on; the states in between are not kept. Not with `compact` or `exchange`. */
  readonly local?: boolean;
  /** Where several searches share the space. */
  readonly exchange?: Exchange;
  /** Which part of the space is searched. */
  readonly division?: Division;
}

export interface ExploreReport extends SearchTotals {
  /** States that local steps went through, each time they did. */
  readonly passed: number;
  readonly findings: readonly Finding[];
  /** `sometimes` properties and the state where each first came true; null if it never did. */
  readonly reached: ReadonlyMap<string, FirstMet | null>;
  /** Reactions that are remembered and were not executed again through XState, as time was over. */
  readonly unverified: number;
  readonly deliveries: number;
  readonly trie: Pick<StepTrie, 'misses' | 'drops' | 'integers'>;
}
