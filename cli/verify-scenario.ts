/**
 * Checks a scenario: both engines, run twice, give the same bytes, and every variant does what is
 * expected of it.
 */
import { existsSync } from 'node:fs';
import type { Choice, RunEnd } from '../events/journal.ts';
import { inShort } from '../replay/schedule-text.ts';
import { JournalWriter } from '../replay/writer.ts';
import { parseJson } from '../sim/json-text.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { goesBy, isExpected, nameOf } from '../sim/scenario/expectations.ts';
import type { Expectation, ResolvedScenario } from '../sim/scenario/types.ts';
import { type ChooserSpec, type EngineName, openSession } from '../sim/session.ts';
import { loadReference, readText, regressionsPath, resolved } from './catalog.ts';
import { CliError, EXIT } from './errors.ts';
import type { Io } from './io.ts';
import { selectionWords } from './report.ts';

export interface Check {
  readonly variant: string;
  readonly what: string;
  readonly ok: boolean;
  /** What happened, in words. */
  readonly found: string;
  /** The words that show again what went wrong, where one run does. */
  readonly again?: readonly string[];
}

/**
 * A schedule that once reached a violation; `property` is a name as `expect` has it, or null for
 * one that reaches none.
 */
interface Regression {
  readonly variant: string;
  readonly property: string | null;
  readonly schedule: readonly Choice[];
}

/** The most steps of a run, for scenarios that do not end. */
const STEPS_MAX = 20_000;
const SEEDS = [0, 1, 2, 3, 4, 5, 6, 7];
const RUNS: readonly EngineName[] = ['live', 'memo', 'live', 'memo'];

interface Ran {
  readonly end: RunEnd;
  readonly content: Uint8Array;
  readonly root: string;
}

function ran(scenario: ResolvedScenario, engine: EngineName, chooser: ChooserSpec, sought?: string): Ran {
  let writer: JournalWriter | null = null;
  const bounded = { ...scenario, bounds: { ...scenario.bounds, steps: Math.min(scenario.bounds.steps, STEPS_MAX) } };
  const { run, start } = openSession({ scenario: bounded, engine, chooser, sought, sink: (block, names) => writer!.block(block, names) });
  writer = JournalWriter.open(null, start, { mode: 'memory' });
  run.start();
  const end = run.toEnd() ?? run.stop();
  const { content, root } = writer.seal(end);
  return { end, content: content!, root };
}

const endText = ({ violation, ended }: RunEnd): string =>
  violation ? `${nameOf(violation)} at step ${violation.step}` : `clean (${ended})`;

/** Two runs on each engine. */
function determinism(variant: string, scenario: ResolvedScenario, chooser: ChooserSpec, named: string): Check {
  const [first, ...others] = RUNS.map((engine) => ran(scenario, engine, chooser));
  const differs = others.findIndex(({ content }) => Buffer.compare(content, first!.content) !== 0);
  const found =
    differs < 0
      ? `root ${first!.root}`
      : `the ${RUNS[differs + 1]} engine gives root ${others[differs]!.root}, the live engine ${first!.root}`;
  return { variant, what: `${named}: same bytes on both engines, twice`, ok: differs < 0, found };
}

function mayEnd(end: RunEnd, expect: Expectation | null): boolean {
  if (expect === null || end.violation === null) return true;
  return isExpected(end.violation, expect);
}

function seeds(variant: string, scenario: ResolvedScenario, words: readonly string[]): Check[] {
  return SEEDS.map((seed) => {
    const { end } = ran(scenario, 'memo', { name: 'random', seed });
    const again = [...words, '--chooser', 'random', '--seed', String(seed)];
    const ok = mayEnd(end, scenario.expect);
    return { variant, what: `seed ${seed} breaks nothing that is not expected`, ok, found: endText(end), ...(!ok && { again }) };
  });
}

function repeated(scenario: ResolvedScenario, { variant, property, schedule }: Regression, words: readonly string[]): Check {
  // A schedule is committed up to the step that breaks its property.
  const step = schedule.length;
  const what =
    property === null ? 'the committed clean schedule stays clean' : `the committed schedule reaches ${property} at step ${step}`;
  try {
    const { end } = ran(
      scenario,
      'memo',
      { name: 'replay', choices: schedule, match: 'strict', after: { name: 'fifo' } },
      property ?? undefined,
    );
    const { violation } = end;
    const again = [...words, '--schedule', inShort(schedule)];
    if (!mayEnd(end, scenario.expect))
      return { variant, what, ok: false, found: `it breaks ${nameOf(violation!)}, which is not expected`, again };
    const ok = property === null ? violation === null : violation !== null && goesBy(violation, property) && violation.step === step;
    return { variant, what, ok, found: endText(end), ...(!ok && { again }) };
  } catch (error) {
    if (!(error instanceof Error && error.name === 'ScheduleError')) throw error;
    return { variant, what, ok: false, found: `it no longer fits: ${error.message}` };
  }
}

/** Every violation that is expected has a schedule that reaches it. */
function covered(variant: string, expect: Expectation | null, regressions: readonly Regression[]): Check[] {
  if (expect === null || expect === 'clean') return [];
  return expect.violates.map((property) => {
    const ok = regressions.some((entry) => entry.variant === variant && entry.property === property);
    return { variant, what: `a schedule that reaches ${property} is committed`, ok, found: ok ? 'it is' : 'there is none' };
  });
}

/** Longer than all schedules that searches of one scenario commit. */
const REGRESSIONS_BYTES_MAX = 1 << 24;
const REGRESSION_VALUES_MAX = 1 << 21;

const isRegression = (value: unknown): value is Regression => {
  const { variant, property, schedule } = (value ?? {}) as Partial<Record<keyof Regression, unknown>>;
  return typeof variant === 'string' && (property === null || typeof property === 'string') && Array.isArray(schedule);
};

function regressionsOf(path: string | null, io: Io): Regression[] | null {
  const file = path === null ? null : regressionsPath(path);
  if (file === null || !existsSync(file)) return null;
  const wrong = (message: string): CliError =>
    new CliError({ code: 'regressions_invalid', exit: EXIT.usage, message: `${file}: ${message}` });
  let entries: unknown;
  try {
    entries = parseJson(readText(file, io, REGRESSIONS_BYTES_MAX).text, REGRESSION_VALUES_MAX);
  } catch (error) {
    throw error instanceof SyntaxError ? wrong(error.message) : error;
  }
  if (!Array.isArray(entries) || !entries.every(isRegression)) throw wrong('expected a list of {variant, property, schedule}');
  return entries;
}

export interface ScenarioReport {
  readonly ok: boolean;
  readonly checks: readonly Check[];
  /** Schedules that were committed for it; null if there is no file of them. */
  readonly schedules: number | null;
  /** Variants of which the file expects nothing. */
  readonly unasked: readonly string[];
}

/** @throws ScenarioError, CliError */
export async function verifyScenario(reference: string, io: Io, mutant?: string): Promise<ScenarioReport> {
  const { scenario, path } = loadReference(reference, io);
  const regressions = regressionsOf(path, io);
  const signal = io.interruption();
  const checks: Check[] = [];
  const unasked: string[] = [];
  for (const variant of variantNames(scenario)) {
    await new Promise((done) => setImmediate(done));
    if (signal.aborted)
      throw new CliError({ code: 'interrupted', exit: EXIT.partial, message: `interrupted after ${checks.length} checks` });
    const ready = resolved(scenario, { variant, mutant });
    checks.push(
      determinism(variant, ready, { name: 'fifo' }, 'in order'),
      determinism(variant, ready, { name: 'random', seed: 1 }, 'seed 1'),
    );
    const words = ['run', reference, ...selectionWords({ variant, mutant })];
    checks.push(...seeds(variant, ready, words));
    if (ready.expect === null) unasked.push(variant);
    if (!regressions) continue;
    checks.push(...covered(variant, ready.expect, regressions));
    checks.push(...regressions.filter((entry) => entry.variant === variant).map((entry) => repeated(ready, entry, words)));
  }
  return { ok: checks.every(({ ok }) => ok), checks, schedules: regressions?.length ?? null, unasked };
}
