/**
 * All schedules of a scenario, or all that could have followed in a recorded run; and all variants
 * beside each other.
 */
import { stateAt } from '../replay/fold.ts';
import { scenarioOf } from '../replay/model.ts';
import { Journal } from '../replay/reader.ts';
import { type ComparedVariant, compareOrRefuse, type Refusal } from '../sim/explore/compare.ts';
import { explore as explored } from '../sim/explore/explore.ts';
import type { Limits, Progress, Search, Violation } from '../sim/explore/request.ts';
import { type Asked, REFUSED } from '../sim/explore/soundness.ts';
import { finish } from '../sim/explore/turns.ts';
import { withLiveness } from '../sim/properties/liveness.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { resolved, type ScenarioOptions, type ScenarioSource, scenario as scenarioFrom } from './scenario.ts';

/**
 * How far a search may go.
 * @public
 */
export interface SearchOptions {
  /** States before the search gives up; those of the scenario's `bounds` unless given. */
  readonly statesMax?: number;
  /**
   * Called now and then; the search ends early once it answers true, and what was found is kept.
   */
  readonly onProgress?: (progress: Progress) => unknown;
}

/**
 * What to search: the options of `worldswitch explore` that one thread can have.
 * @public
 */
export interface ExploreOptions extends ScenarioOptions, SearchOptions, Limits {
  /** Of a recorded run: all futures from the end of this step. */
  readonly from?: number;
  /**
   * One state for all configurations of the scheduler that reach each other by its own steps.
   * Without it so it is where nothing else is asked for, and there are many states.
   */
  readonly scheduler?: boolean;
  /** One state for all that differ by a renaming of interchangeable actors. */
  readonly symmetry?: boolean;
  /** Keep no state in which one thing only can happen. */
  readonly local?: boolean;
  /** 64-bit fingerprints instead of exact states. */
  readonly compact?: boolean;
}

/**
 * What a search has found: the keys of `worldswitch explore --json`.
 * @public
 */
export interface ExploreReport {
  readonly scenario: string;
  readonly variant: string;
  /** `clean` only where everything within the bound was searched, and every property decided. */
  readonly verdict: 'clean' | 'violation' | 'unknown';
  /** Whether everything within the bound was searched. */
  readonly exhausted: boolean;
  /** The budget that was used up; null if none was. */
  readonly limit: string | null;
  readonly states: number;
  readonly transitions: number;
  /**
   * Each property that breaks, with the least deviating schedule.
   * `run(scenario, { schedule: labels })` shows it.
   */
  readonly violations: readonly Violation[];
  /** `sometimes` properties that never came true: the race did not happen. */
  readonly missed: readonly string[];
  /** Properties that this search does not decide. */
  readonly undecided: readonly string[];
  /** Why symmetry was asked for and not used: the model does not have it. */
  readonly unreduced?: string;
  /** What was shown and what was not, in sentences. */
  readonly guarantee: string;
  /** `all schedules`, or the bound of the search. */
  readonly bound: string;
  /** In which order stores to cells are seen: `sc`, or `tso` with store buffers. */
  readonly memoryOrder: 'sc' | 'tso';
}

const STATES_DEFAULT = 10_000_000;
const COMPARED_STATES_DEFAULT = 5_000_000;

function carried<R>(search: Search<R>, { onProgress }: SearchOptions): R {
  if (onProgress === undefined) return finish(search);
  let stop = false;
  for (;;) {
    const turn = search.next(stop);
    if (turn.done) return turn.value;
    stop = onProgress(turn.value) === true;
  }
}

function expectTogether(asked: Readonly<Record<Asked, boolean>>): void {
  const refused = REFUSED.find(([one, other]) => asked[one] && asked[other]);
  if (refused) throw new RangeError(`${refused[0]} does not go with ${refused[1]}: ${refused[2]}`);
}

/** A recorded run carries its scenario as it was resolved. */
function futuresOf(journal: Journal, { variant, set, mutant, liveness = false }: ExploreOptions): ResolvedScenario {
  if (variant !== undefined || set !== undefined || mutant !== undefined)
    throw new RangeError('found variant, set or mutant; a journal carries its own');
  return liveness ? withLiveness(scenarioOf(journal)) : scenarioOf(journal);
}

/**
 * Searches every schedule of a scenario, or every future of a recorded run, as
 * `worldswitch explore` does. It blocks the thread until it is done.
 * @throws ScenarioError, ScenarioSourceError; RangeError where options do not go together;
 * ClassError if no state can stand for others by the scheduler
 * @public
 */
export function explore(source: ScenarioSource | Journal, options: ExploreOptions = {}): ExploreReport {
  const { deviations, preemptions, switches, from = 0 } = options;
  const { symmetry = false, local = false, compact = false, liveness = false } = options;
  const scheduler: true | false | 'where-it-applies' = options.scheduler ?? 'where-it-applies';
  const limits: Limits = {
    ...(deviations !== undefined && { deviations }),
    ...(preemptions !== undefined && { preemptions }),
    ...(switches !== undefined && { switches }),
  };
  const journal = source instanceof Journal ? source : null;
  expectTogether({
    bound: Object.keys(limits).length > 0,
    scheduler: scheduler === true,
    symmetry,
    local,
    compact,
    liveness,
    'recorded-run': journal !== null,
  });
  if (journal === null && options.from !== undefined)
    throw new RangeError('found from; expected it with a journal: a scenario is searched from its start');
  const written = journal ? null : scenarioFrom(source as ScenarioSource);
  const scenario = written ? resolved(written, options) : futuresOf(journal!, options);
  const { statesMax = written?.bounds?.states ?? STATES_DEFAULT } = options;
  const request = {
    scenario,
    maxStates: statesMax,
    limits,
    scheduler,
    symmetry,
    local,
    compact,
    isTimed: options.onProgress !== undefined,
  };
  const found = carried(explored({ ...request, ...(journal && { from: stateAt(journal, from) }) }), options);
  const { exhausted, limit, states, transitions, missed, undecided, bound, unreduced } = found;
  const prefix = journal ? [...journal.choices()].slice(0, from).map(({ label }) => label) : [];
  const violations = found.violations.map((violation) => ({ ...violation, labels: [...prefix, ...violation.labels] }));
  return {
    scenario: scenario.name,
    variant: scenario.variant,
    verdict: violations.length > 0 ? 'violation' : exhausted && undecided.length === 0 ? 'clean' : 'unknown',
    exhausted,
    limit,
    states,
    transitions,
    violations,
    missed,
    undecided,
    ...(unreduced !== undefined && { unreduced }),
    guarantee: found.guarantee.join('\n'),
    bound,
    memoryOrder: scenario.host.options.memory,
  };
}

/**
 * What to compare.
 * @public
 */
export interface CompareOptions extends Omit<ScenarioOptions, 'variant'>, SearchOptions {}

/**
 * One row of a comparison.
 * @public
 */
export interface ComparedRow extends Pick<ComparedVariant, 'variant' | 'exhausted' | 'outcomes'> {
  /** `refused`: it was not searched, and has no outcomes. */
  readonly verdict: ComparedVariant['verdict'] | 'refused';
  /** The rule of contexts that a path of a refused variant breaks. */
  readonly refused?: Refusal;
  readonly states: number;
  readonly transitions: number;
  readonly violations: readonly Violation[];
  /** `sometimes` properties that never came true: the race did not happen. */
  readonly missed: readonly string[];
}

/**
 * Every variant of a scenario: the keys of `worldswitch compare --json`.
 * @public
 */
export interface CompareReport {
  readonly scenario: string;
  readonly rows: readonly ComparedRow[];
}

/**
 * Searches every schedule of every variant, and what each does to host and guests, as
 * `worldswitch compare` does.
 * @throws ScenarioError, ScenarioSourceError
 * @public
 */
export function compare(source: ScenarioSource, options: CompareOptions = {}): CompareReport {
  const scenario = scenarioFrom(source);
  const { statesMax: maxStates = scenario.bounds?.states ?? COMPARED_STATES_DEFAULT, onProgress } = options;
  const rows: ComparedRow[] = [];
  for (const name of variantNames(scenario)) {
    const search = compareOrRefuse(resolved(scenario, { ...options, variant: name }), { maxStates, isTimed: onProgress !== undefined });
    const row = carried(search, options);
    if (row.verdict === 'refused') {
      rows.push({ ...row, exhausted: false, outcomes: {}, states: 0, transitions: 0, violations: [], missed: [] });
      continue;
    }
    const { variant, verdict, exhausted, outcomes, exploration } = row;
    const { states, transitions, violations, missed } = exploration;
    rows.push({ variant, verdict, exhausted, outcomes, states, transitions, violations, missed });
  }
  return { scenario: scenario.name, rows };
}
