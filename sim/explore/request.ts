/**
 * The vocabulary of a search: what is asked for, how far a search is, and what it answers. The
 * folders of sim/explore exchange these types. No search is imported here.
 */
import type { Deadlocked, StuckKind } from '../../events/journal.ts';
import type { Lasso } from '../debts.ts';
import type { PlainWorld } from '../restore.ts';
import type { WorldStep } from '../rows/world-step.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { Evidence } from './covered/evidence.ts';
import type { Profile, ReachableGraph, Traffic } from './covered/inspection.ts';
import type { Coverage, Ledger } from './covered/ledger.ts';
import type { Division } from './space/division.ts';
import type { SearchImage } from './space/image.ts';
import type { StateSpace } from './space/state-space.ts';
import type { Finding, Verdicts } from './space/verdicts.ts';

/** How far a search is. @public */
export interface Progress {
  readonly states: number;
  readonly frontier: number;
  readonly transitions: number;
  /** Of state tables; 0 where they are not measured. */
  readonly bytes: number;
  /**
   * Steps from the start to the states that are being expanded; absent where a search does not go
   * by depth.
   */
  readonly depth?: number;
  /**
   * The search is over, and what it found is worked out: the least deviating schedules, cycles, and
   * reactions executed again.
   */
  readonly closing?: true;
  /** Of reactions that are executed again: how many are left. */
  readonly reactions?: number;
}

/** The driver's answer to a turn: go on, stop, or stop because memory is used up. */
export type Stop = boolean | 'bytes' | undefined;

/** A search in turns: yields how far it is, takes whether to stop. */
export type Search<R> = Generator<Progress, R, Stop>;

/**
 * A search of all schedules as its caller sees it between two turns. Its tables change with the
 * next turn.
 */
export interface OpenSearch {
  readonly world: WorldStep;
  readonly space: StateSpace;
  readonly verdicts: Verdicts;
  /** The labels of the choices that lead to a state. */
  labelsTo(state: number): string[];
  /** The search as plain data. */
  image(): SearchImage;
}

/** A search of all schedules that is over, as searches for cycles and waits take it. */
export interface Searched {
  readonly world: WorldStep;
  readonly space: StateSpace;
  /** Every reachable state was expanded. */
  readonly exhausted: boolean;
  /** How many states were expanded. */
  readonly expanded: number;
  /** States in which a run ends by itself. */
  readonly ended: readonly number[];
  labelsTo(state: number): string[];
}

/** Limits of a bounded search: the deviations from the in-order run that a schedule may have. */
export interface Limits {
  readonly deviations?: number;
  readonly preemptions?: number;
  readonly switches?: number;
}

/** How often a schedule departs from the in-order run. The words are those of the design. */
export interface Deviations {
  /** Injected errors, interrupts, exits for nothing. */
  readonly disturbances: number;
  /**
   * Decisions of the simulated host: a runnable task leaves a pCPU, or its queue, or another one is
   * picked before the first of its queue.
   */
  readonly preemptions: number;
  /**
   * Decisions of the sequencer: another pCPU is stepped, or another message delivered, than comes
   * next in order.
   */
  readonly switches: number;
}

export interface ExploreRequest {
  readonly scenario: ResolvedScenario;
  readonly maxStates: number;
  /**
   * Whether so many bytes more fit into the memory that the search may take; without it there is no
   * bound.
   */
  readonly fits?: (bytes: number) => boolean;
  /** Time is limited: reactions are executed again as the search goes. */
  readonly isTimed?: boolean;
  readonly limits?: Limits;
  /** Search over orbits of interchangeable actors. */
  readonly symmetry?: boolean;
  /**
   * One state for all configurations of the scheduler that reach each other by its own steps;
   * `where-it-applies`: where nothing is asked for that does not go with it.
   */
  readonly scheduler?: boolean | 'where-it-applies';
  /** Local steps run on; the states in between are not kept. Not within a bound. */
  readonly local?: boolean;
  /** Keep 64-bit fingerprints of states instead of exact ones. */
  readonly compact?: boolean;
  readonly from?: PlainWorld;
  /** Goes on where an earlier search of all schedules stood. */
  readonly image?: SearchImage;
  /** Called between two turns of a search of all schedules, and when it is over. */
  readonly onTurn?: (search: OpenSearch, isOver: boolean) => void;
  /** Count how often each line was taken, and profile the states. */
  readonly counts?: boolean;
  /** Show each state and each step, where the search is whole. */
  readonly graph?: boolean;
  /** Which shard of the space is searched: the verdict is then of that shard. */
  readonly shard?: { readonly division: Division; readonly name: string };
}

/** A property that breaks, with a schedule. @public */
export interface Violation extends Deviations {
  readonly property: string;
  readonly message: string;
  /** Of a schedule that gets nowhere, where the property tells it. */
  readonly kind?: StuckKind;
  readonly steps: number;
  /**
   * No schedule within the bound is less in the order disturbances, preemptions, switches, steps;
   * else it has the fewest steps.
   */
  readonly least: boolean;
  /** Choices by label from the start of the search. */
  readonly labels: readonly string[];
  /** The last `length` steps can repeat without end, from the end of step `from` of the run on. */
  readonly lasso?: Lasso;
  /** Of a deadlock: who waits for what. */
  readonly waits?: readonly Deadlocked[];
}

export interface Exploration {
  readonly exhausted: boolean;
  readonly limit: string | null;
  readonly bound: string;
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
  readonly violations: readonly Violation[];
  /** `sometimes` properties that never came true: the race did not happen. */
  readonly missed: readonly string[];
  /** `eventually` properties that this search does not decide. */
  readonly undecided: readonly string[];
  /**
   * Where the budget of states was used up: the bound within which everything was searched all the
   * same.
   */
  readonly within?: { readonly deviations: number };
  /** Why symmetry was asked for and not used: the model does not have it. */
  readonly unreduced?: string;
  readonly guarantee: readonly string[];
  /**
   * Of fingerprints: the states expected to have been taken for another one, and a bound of the
   * chance that any was.
   */
  readonly omissions?: number;
  readonly coverage: Coverage & {
    readonly localStates: Readonly<Record<string, number>>;
    readonly reactions: number;
    readonly depth: number;
    readonly bytesPerState: number;
    readonly stepMisses: number;
  };
  /** What there is to take, and what was taken. */
  readonly ledger: Ledger;
  /** Where counts were asked for, and the search has kept each state for itself. */
  readonly traffic?: Traffic;
  readonly profile?: Profile;
  /** Where it was asked for, and the search was whole. */
  readonly graph?: ReachableGraph;
}

/** What a search of all schedules counts. */
export interface SearchTotals {
  /** Whether every reachable state was expanded. */
  readonly exhausted: boolean;
  /** The budget that ran out before that; null if none did. */
  readonly limit: 'states' | 'bytes' | 'stopped' | null;
  /** Whether it is known of every state that was expanded if it is a deadlock. */
  readonly deadlocks: boolean;
  readonly states: number;
  readonly transitions: number;
  /** Steps that lead back to the state itself; not counted as transitions. */
  readonly unchanged: number;
  readonly depth: number;
  /** Reactions that are remembered. */
  readonly reactions: number;
  readonly bytesPerState: number;
}

/**
 * What a search of all schedules has found out, by one thread, several threads or several shards.
 */
export interface SearchFacts extends SearchTotals {
  /** Reactions that were not executed again, as time was over. */
  readonly unverified?: number;
  /** Each property that broke, by fewest steps. */
  readonly findings: readonly Omit<Finding, 'state'>[];
  /** `sometimes` properties that came true. */
  readonly reached: ReadonlySet<string>;
  readonly stepMisses: number;
  readonly localStates: Readonly<Record<string, number>>;
  readonly ledger: Ledger;
  readonly evidence: Evidence | null;
  /** Some states were counted more than once. */
  readonly atMost?: true;
  /** States that fingerprints are expected to have hidden; absent where states were exact. */
  readonly omissions?: number;
  /**
   * How often a state was gone through in a local step, and not kept; absent where all are kept.
   */
  readonly passed?: number;
  readonly classes?: ClassFacts;
}

/** What classes of scheduler configurations a search has met. */
export interface ClassFacts {
  readonly configurations: number;
  readonly classes: number;
  /** States that differ by the names of CPUs, of which one is kept: at most so many. */
  readonly renamed: number;
}
