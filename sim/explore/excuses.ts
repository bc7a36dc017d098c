/** Full coverage: what no variant of a scenario takes, held against what its file says of that. */
import type { ResolvedScenario, Uncovered } from '../scenario/types.ts';
import { Explorer } from './breadth/explorer.ts';
import type { Item } from './covered/chart.ts';
import { together } from './covered/holes.ts';
import { type Ledger, ledgerOf } from './covered/ledger.ts';
import { widened } from './in-order/widening.ts';
import type { Search } from './request.ts';

export interface Judged {
  /** Micro-steps, branches and operations that no variant took and no entry names. */
  readonly open: readonly Item[];
  /** How many an entry names. */
  readonly excused: number;
  /** Globs of entries that name nothing of what was not taken. */
  readonly stale: readonly string[];
}

/** `*` stands for any text. */
const patternOf = (glob: string): RegExp =>
  new RegExp(
    `^${glob
      .split('*')
      .map((text) => text.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
  );

/** Offers are told and not asked for: whether one is enabled is the environment's to say. */
export function judge(ledgers: readonly Ledger[], excuses: readonly Uncovered[]): Judged {
  const holes = together(ledgers).holes.filter(({ what }) => what !== 'offer');
  const patterns = excuses.map(({ steps }) => patternOf(steps));
  const open = holes.filter(({ name }) => !patterns.some((pattern) => pattern.test(name)));
  const stale = excuses.filter((_, at) => !holes.some(({ name }) => patterns[at]!.test(name))).map(({ steps }) => steps);
  return { open, excused: holes.length - open.length, stale };
}

/** What one variant takes: in all schedules, or where there are too many in those that deviate least. */
export function* coveredBy(
  scenario: ResolvedScenario,
  maxStates: number,
): Search<{ readonly ledger: Ledger; readonly exhausted: boolean }> {
  const explorer = new Explorer({ scenario, budget: { states: maxStates } });
  const { exhausted, limit } = yield* explorer.run();
  const { engine } = explorer.world;
  if (limit === 'states') yield* widened({ scenario, maxStates, engine });
  return { ledger: ledgerOf(scenario, engine), exhausted };
}
