/**
 * Every variant of a scenario explored, and what each does to host and guests over all schedules:
 * the table the designs are argued by.
 */
import { BadUnlockError } from '../../actors/host/bad-unlock.ts';
import { ContextError } from '../../actors/path/path.ts';
import { ModelError } from '../engine/port.ts';
import { outcomesIn, outcomesOf } from '../host/outcomes.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { openSession } from '../session.ts';
import { WorldView } from '../view.ts';
import { Explorer } from './breadth/explorer.ts';
import { searchedBy } from './breadth/searched.ts';
import { WaitSearch } from './cycles/longest-wait.ts';
import { explore } from './explore.ts';
import type { Exploration, Search } from './request.ts';

/** One outcome over all schedules. @public */
export interface OutcomeRange {
  readonly reachable: boolean;
  readonly inAll: boolean;
  /** Choices by label that lead to it; null where it is not reachable. */
  readonly witness: readonly string[] | null;
  /** Of the longest wait: steps that others take meanwhile; null where they have no bound. */
  readonly steps?: number | null;
  /** Whether nothing ends the wait. */
  readonly forEver?: boolean;
  /** The thread that waits. */
  readonly thread?: string | null;
}

/** The name of the longest wait among the outcomes. */
export const LONGEST_WAIT = 'longestWait';

export interface ComparedVariant {
  readonly variant: string;
  readonly verdict: 'clean' | 'violation' | 'unknown';
  readonly exhausted: boolean;
  readonly exploration: Exploration;
  readonly outcomes: Readonly<Record<string, OutcomeRange>>;
  /** Names of the outcomes that what takes part can bring about. */
  readonly concerned: readonly string[];
}

/** A variant that breaks a rule of contexts or of a lock, so that nothing follows. */
export interface RefusedVariant {
  readonly variant: string;
  readonly verdict: 'refused';
  readonly refused: Refusal;
}

/**
 * The rule that is broken, as `scheduling while atomic`, and the step, or the lock, at which.
 * @public
 */
export interface Refusal {
  readonly rule: string;
  readonly step: string;
  readonly message: string;
}

export interface CompareOptions {
  readonly maxStates: number;
  /** Time is limited. */
  readonly isTimed?: boolean;
}

/** What a kernel that checks itself would report: contexts that do not fit, a lock not held. */
function refusalOf(error: unknown): Refusal | null {
  if (error instanceof ContextError) return { rule: error.rule, step: error.step, message: error.message };
  const cause = error instanceof ModelError ? error.cause : null;
  if (!(cause instanceof BadUnlockError)) return null;
  const { message } = error as ModelError;
  return { rule: cause.rule, step: message.slice(0, message.indexOf(' ')), message };
}

/** Compares a variant. Where contexts do not fit, that is its verdict, and others can go on. */
export function* compareOrRefuse(scenario: ResolvedScenario, options: CompareOptions): Search<ComparedVariant | RefusedVariant> {
  try {
    return yield* compareVariant(scenario, options);
  } catch (error) {
    const refused = refusalOf(error);
    if (refused === null) throw error;
    return { variant: scenario.variant, verdict: 'refused', refused };
  }
}

export function* compareVariant(scenario: ResolvedScenario, options: CompareOptions): Search<ComparedVariant> {
  const exploration = yield* explore({ scenario, scheduler: 'where-it-applies', ...options });
  const { outcomes: found, exhausted, concerned } = yield* outcomesOver(scenario, options);
  const outcomes = alsoIn(found, scenario, exploration);
  const broken = exploration.violations.length > 0;
  return {
    variant: scenario.variant,
    verdict: broken ? 'violation' : exploration.exhausted && exploration.undecided.length === 0 ? 'clean' : 'unknown',
    exhausted: exploration.exhausted && exhausted,
    exploration,
    outcomes,
    concerned,
  };
}

/**
 * Outcomes that only violations have, not runs that end by themselves: the search was cut short, or
 * such runs never end.
 */
function alsoIn(found: ComparedVariant['outcomes'], scenario: ResolvedScenario, { violations }: Exploration): ComparedVariant['outcomes'] {
  const outcomes: Record<string, OutcomeRange> = { ...found };
  for (const { labels } of violations) {
    const choices = labels.map((label) => ({ index: 0, label }));
    const chooser = { name: 'replay', choices, match: 'label', after: { name: 'fifo' } } as const;
    const { run } = openSession({ scenario, engine: 'memo', chooser });
    run.start();
    const reached = run.toEnd()!.outcomes as Readonly<Record<string, number>>;
    for (const [name, count] of Object.entries(reached)) {
      const known = outcomes[name];
      if (count > 0 && !known?.reachable) outcomes[name] = { reachable: true, inAll: false, witness: labels };
    }
  }
  return outcomes;
}

/** Runs that no property ends, to wherever they end by themselves. */
function* outcomesOver(
  scenario: ResolvedScenario,
  { maxStates, isTimed = false }: CompareOptions,
): Search<Pick<ComparedVariant, 'outcomes' | 'exhausted' | 'concerned'>> {
  const explorer = new Explorer({ scenario, budget: { states: maxStates, isTimed }, properties: false });
  const report = yield* explorer.run();
  const reachedIn = (state: number) =>
    Object.entries(outcomesOf(new WorldView(explorer.world.store, explorer.localsOf(state)), scenario.host.arch));
  const none = { count: 0, witness: null };
  const seen = new Map<string, { count: number; witness: number | null }>(reachedIn(0).map(([name]) => [name, none]));
  for (const state of explorer.ended) {
    for (const [name, value] of reachedIn(state)) {
      const { count, witness } = seen.get(name)!;
      if (value > 0) seen.set(name, { count: count + 1, witness: witness ?? state });
    }
  }
  const ranges = [...seen].map(([name, { count, witness }]): [string, OutcomeRange] => [
    name,
    {
      reachable: count > 0,
      inAll: report.exhausted && count > 0 && count === explorer.ended.length,
      witness: witness === null ? null : explorer.labelsTo(witness),
    },
  ]);
  const { wait, stopped } = yield* new WaitSearch(searchedBy(explorer, report), scenario).run();
  const range: OutcomeRange = { ...wait, reachable: wait.thread !== null, inAll: report.exhausted && wait.inAll };
  return {
    outcomes: Object.fromEntries([...ranges, [LONGEST_WAIT, range]]),
    exhausted: report.exhausted && !stopped,
    concerned: outcomesIn(scenario, new Set(explorer.world.store.kindOfSlot.map(({ name }) => name))),
  };
}
