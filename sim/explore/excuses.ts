/** Full coverage: what no variant of a scenario takes, compared with what its file says of that. */
import type { FoundBroken } from '../scenario/expectations.ts';
import type { ResolvedScenario, Uncovered } from '../scenario/types.ts';
import { Explorer } from './breadth/explorer.ts';
import { searchedBy } from './breadth/searched.ts';
import type { Item } from './covered/chart.ts';
import { together } from './covered/holes.ts';
import { type Ledger, ledgerOf } from './covered/ledger.ts';
import { lassosOf } from './cycles/endless.ts';
import { widened } from './in-order/widening.ts';
import type { Search } from './request.ts';
import { byProperty } from './space/verdicts.ts';

export interface Judged {
  /** Micro-steps, branches and operations that no variant took and no entry names. */
  readonly open: readonly Item[];
  /** Those that an entry names. */
  readonly excused: readonly Item[];
  /** Globs of entries that name nothing of what was not taken, whatever a wider search finds. */
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

/**
 * Offers are reported and not required: the environment decides whether one is enabled. Where
 * searches were not `whole`, a hole may hide others that a wider search would find behind it: an
 * entry that names one of these is not stale.
 */
export function judge(
  ledgers: readonly Ledger[],
  excuses: readonly Uncovered[],
  { whole = true }: { readonly whole?: boolean } = {},
): Judged {
  const { items, taken, holes: found } = together(ledgers);
  const holes = found.filter(({ what }) => what !== 'offer');
  const untaken = whole ? holes : [...items.values()].filter(({ key, what }) => what !== 'offer' && !taken.has(key));
  const patterns = excuses.map(({ steps }) => patternOf(steps));
  const isExcused = ({ name }: Item): boolean => patterns.some((pattern) => pattern.test(name));
  const open = holes.filter((hole) => !isExcused(hole));
  const stale = excuses.filter((_, at) => !untaken.some(({ name }) => patterns[at]!.test(name))).map(({ steps }) => steps);
  return { open, excused: holes.filter(isExcused), stale };
}

/** What the search of one variant found. */
export interface Covered {
  readonly ledger: Ledger;
  readonly exhausted: boolean;
  /** Each property that broke. */
  readonly broken: readonly FoundBroken[];
  /** Whether nothing else can break under any schedule. */
  readonly isWhole: boolean;
}

/**
 * What one variant takes and breaks: in all schedules, or where there are too many in those that
 * deviate least.
 */
export function* coveredBy(scenario: ResolvedScenario, maxStates: number): Search<Covered> {
  const explorer = new Explorer({ scenario, budget: { states: maxStates } });
  const report = yield* explorer.run();
  const { exhausted, limit } = report;
  const { engine } = explorer.world;
  const { eventually } = scenario.properties;
  const cycles = eventually.length > 0 ? yield* lassosOf(searchedBy(explorer, report), eventually) : null;
  const further = limit === 'states' ? (yield* widened({ scenario, maxStates, engine })).findings : [];
  const endless = (cycles?.findings ?? []).map(({ lasso, ...found }) => ({ ...found, ...(lasso && { lasso }) }));
  const found = new Map<string, FoundBroken>();
  for (const one of [...further, ...endless, ...report.findings]) found.set(one.property, one);
  const isWhole = exhausted && report.deadlocks && cycles?.stopped !== true;
  return {
    ledger: ledgerOf(scenario, engine, { start: explorer.world.initial }),
    exhausted,
    broken: [...found.values()].sort(byProperty),
    isWhole,
  };
}
