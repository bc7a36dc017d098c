/**
 * Liveness as people ask for it: each violated `eventually` property by a lasso with the least
 * deviating stem.
 */
import type { RunEnd } from '../../../events/journal.ts';
import { comesTrueOnce } from '../../debts.ts';
import { owedOffers } from '../../offers.ts';
import { propertyOf } from '../../properties/index.ts';
import type { PlainWorld } from '../../restore.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { openSession } from '../../session.ts';
import { BoundedSearch } from '../in-order/bounded.ts';
import { isLeastAt } from '../in-order/deviations.ts';
import { Pricing } from '../in-order/pricing.ts';
import type { Search, Searched, Violation } from '../request.ts';
import { type LassoFinding, type LassoReport, LassoSearch } from './lassos.ts';

/**
 * States of the search for the least deviating stem; beyond it the shortest one by steps is given.
 */
const STEM_STATES = 200_000;

export interface Endless {
  readonly violations: readonly Violation[];
  /**
   * Properties that were asked for and whose verdict is not known: the search ended early, or
   * begins in the middle.
   */
  readonly undecided: readonly string[];
  /** Components that a fair schedule can stay in forever. */
  readonly fair: number;
  /** Offers that are owed, and by whom. */
  readonly owed: readonly string[];
}

export interface EndlessOptions {
  readonly scenario: ResolvedScenario;
  readonly from?: PlainWorld;
}

/**
 * The properties that can be asked for: in the middle of a run, what has to come true once may have
 * done so before.
 */
export const askedFor = ({ scenario, from }: EndlessOptions): readonly string[] =>
  scenario.properties.eventually.filter((id) => !from || from.step === 0 || !comesTrueOnce(propertyOf(id)));

/** The lassos of a search that is over, each reached in the fewest steps. */
export function* lassosOf(searched: Searched, ids: readonly string[]): Search<LassoReport> {
  return yield* new LassoSearch(searched, ids.map(propertyOf)).run();
}

export function* endlessOf(options: EndlessOptions, searched: Searched): Search<Endless> {
  const ids = askedFor(options);
  if (ids.length === 0) return { violations: [], undecided: options.scenario.properties.eventually, fair: 0, owed: [] };
  const lassos = yield* lassosOf(searched, ids);
  const violations: Violation[] = [];
  for (const finding of lassos.findings) violations.push(yield* leastOf(options, searched, finding, lassos));
  const broken = lassos.findings.map(({ property }) => property);
  const isDecided = (id: string) => searched.exhausted && !lassos.stopped && ids.includes(id) && !lassos.undecided.includes(id);
  const undecided = options.scenario.properties.eventually.filter((id) => !broken.includes(id) && !isDecided(id));
  const { world } = searched;
  return { violations, undecided, fair: lassos.fair, owed: owedOffers(world.store, world.offers) };
}

/**
 * The way to the cycle that is least in the order disturbances, preemptions, switches, steps; then
 * one turn from there.
 */
function* leastOf({ scenario, from }: EndlessOptions, searched: Searched, found: LassoFinding, lassos: LassoReport): Search<Violation> {
  const { property, message, kind, lasso } = found;
  const least =
    lasso && !comesTrueOnce(propertyOf(property)) ? yield* leastStem({ scenario, ...(from && { from }) }, searched, found) : null;
  const stem = least ? least.labels : found.stem;
  const cycle = least ? lassos.turnFrom(found, least.entry) : { labels: found.cycle, evidence: { message, ...(kind && { kind }) } };
  const told = [...stem, ...cycle.labels];
  // Where a part of the turn is fair already, a run of these choices ends there.
  const played = from ? null : endOf(scenario, told, property);
  const ends = lasso && played?.property === property && played.lasso ? played : null;
  const labels = ends ? told.slice(0, ends.step) : told;
  const evidence = ends ?? cycle.evidence;
  const price = new Pricing(searched.world).priceOf(labels);
  return {
    property,
    message: evidence.message,
    ...(evidence.kind && { kind: evidence.kind }),
    steps: labels.length,
    least: least !== null || isLeastAt(price),
    labels,
    ...price,
    ...(lasso && { lasso: ends?.lasso ?? { from: (from?.step ?? 0) + stem.length, length: cycle.labels.length } }),
  };
}

/** The violation that a run of these choices ends with: of this property, if it breaks it. */
function endOf(scenario: ResolvedScenario, labels: readonly string[], sought: string): RunEnd['violation'] {
  const choices = labels.map((label) => ({ index: 0, label }));
  const chooser = { name: 'replay', choices, match: 'label', after: { name: 'fifo' } } as const;
  const { run } = openSession({ scenario, engine: 'memo', chooser, sought });
  run.start();
  return run.toEnd(labels.length)?.violation ?? null;
}

function* leastStem(
  { scenario, from }: EndlessOptions,
  { world, space }: Searched,
  { members, property }: LassoFinding,
): Search<{ readonly labels: readonly string[]; readonly entry: number } | null> {
  const entries = new Map(members.map((state) => [keyOf(space.rows.subarray(state * space.columns, (state + 1) * space.columns)), state]));
  let entry: number | null = null;
  const at = (row: readonly number[]) => {
    entry ??= entries.get(keyOf(row)) ?? null;
    return entry !== null;
  };
  const goal = { name: property, at };
  const search = new BoundedSearch({ scenario, limits: {}, states: STEM_STATES, world, goal, until: [property], ...(from && { from }) });
  const { findings } = yield* search.run();
  const reached = findings.find((finding) => finding.property === property);
  return reached && entry !== null ? { labels: reached.labels, entry } : null;
}

/** Columns that are empty everywhere else may stand at the end. */
function keyOf(row: ArrayLike<number>): string {
  let { length } = row;
  while (length > 0 && row[length - 1] === 0) length--;
  return Array.prototype.slice.call(row, 0, length).join();
}
