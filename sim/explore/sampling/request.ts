/** The vocabulary of a sample: what is asked for, and what its schedules come to. */
import type { PlainWorld } from '../../restore.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { CorpusSize } from './corpus.ts';
import type { StrategyName } from './strategies.ts';

export interface SampleRequest {
  readonly scenario: ResolvedScenario;
  readonly strategy: StrategyName | 'portfolio';
  readonly seed: number;
  /** How many; without a bound only the caller ends it. */
  readonly schedules: number;
  /** Steps before a schedule is cut. */
  readonly stepsMax: number;
  /** `pct`: orderings that a bug may take. */
  readonly depth: number;
  /** `pct`: decisions among which its places are drawn; measured if not given. */
  readonly horizon?: number | undefined;
  readonly from?: PlainWorld | undefined;
  /** Ends the sample as soon as this property has broken. */
  readonly until?: string;
  /**
   * false: remembered reactions are not executed again at the end; for figures that time the search
   * alone.
   */
  readonly verify?: boolean;
  /** Time is limited: reactions are executed again as the sample goes. */
  readonly isTimed?: boolean;
  /** One of the same scenario from its start, whose memory of reactions is used. */
  readonly world?: WorldStep;
}

/** Who drew a schedule: a strategy, or the portfolio by changing an earlier schedule. */
export type DrawnBy = StrategyName | 'mutate';

export interface SampleFinding {
  readonly property: string;
  readonly message: string;
  /** Choices by label from the start of the sample. */
  readonly labels: readonly string[];
  /** Number of the schedule, from 0; its seed; and who drew it. */
  readonly schedule: number;
  readonly seed: number;
  readonly by: DrawnBy;
  /** `pct`: its depth. */
  readonly depth: number | null;
  /** Schedules of the sample that broke it. */
  broke: number;
}

export interface StrategyCount {
  schedules: number;
  steps: number;
  violations: number;
  /** Schedules that showed something new; counted by the portfolio only. */
  news: number;
}

/** n and k of the bound of `pct`, as measured. */
export interface PctMeasure {
  readonly depth: number;
  readonly horizon: number;
  readonly entities: number;
  readonly decisions: number;
  /** Schedules with more decisions than the horizon. */
  readonly beyond: number;
}

export interface SampleReport {
  readonly limit: 'schedules' | 'stopped';
  readonly schedules: number;
  readonly steps: number;
  /** Different states met; null when there were too many to count. */
  readonly states: number | null;
  /** Schedules that a bound of steps has cut. */
  readonly cut: number;
  readonly longest: number;
  readonly findings: readonly SampleFinding[];
  readonly missed: readonly string[];
  readonly reactions: number;
  /** Of these, how many were not executed again, as time was over. */
  readonly unverified: number;
  readonly stepMisses: number;
  readonly strategies: Readonly<Partial<Record<DrawnBy, StrategyCount>>>;
  readonly pct: PctMeasure | null;
  readonly corpus: CorpusSize | null;
}
