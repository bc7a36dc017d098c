/**
 * Finds a schedule for every violation that a scenario expects, with as few deviations from the
 * in-order run as possible, and one that does not reach it. `npm run regressions NAME` writes
 * scenarios/regressions/NAME.json; entries that still do what they say are kept, followed by their
 * labels.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { shippedNames, shippedPath } from '../api/shipped-scenarios.ts';
import type { Choice, RunEnd } from '../events/journal.ts';
import type { ChoiceView, Chooser } from '../sim/choosers/chooser.ts';
import { FifoChooser } from '../sim/choosers/fifo.ts';
import { RandomUniformChooser } from '../sim/choosers/random-uniform.ts';
import { ReplayChooser } from '../sim/choosers/replay.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { explore } from '../sim/explore/explore.ts';
import { BoundedSearch } from '../sim/explore/in-order/bounded.ts';
import { finish } from '../sim/explore/turns.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { Run } from '../sim/run.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { goesBy, isEndlessName } from '../sim/scenario/expectations.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import type { StepOutcome } from '../sim/sequencer.ts';

interface Regression {
  readonly variant: string;
  /** A name as `expect` has it. Null: this schedule reaches no violation. */
  readonly property: string | null;
  readonly schedule: readonly Choice[];
}

/** Records what another chooser does. */
class RecordingChooser implements Chooser {
  readonly name = 'recording';
  readonly choices: Choice[] = [];
  readonly #inner: Chooser;

  constructor(inner: Chooser) {
    this.#inner = inner;
  }

  choose(view: ChoiceView): number {
    const index = this.#inner.choose(view);
    this.choices.push({ index, count: view.count, label: view.alternative(index).label });
    return index;
  }

  observe(outcome: StepOutcome): void {
    this.#inner.observe?.(outcome);
  }
}

const STEPS_MAX = 1000;
const STATES_MAX = 3_000_000;
/** No shipped violation needs more. */
const DEVIATIONS_MAX = 6;

interface Recorded {
  readonly schedule: readonly Choice[];
  readonly violation: RunEnd['violation'];
  /** The run was cut off: what would have followed is not known. */
  readonly isCut: boolean;
}

/** Whether a run ended with a violation of this name, or for null by itself with none. */
const endsBy = ({ violation, isCut }: Recorded, name: string | null): boolean =>
  name === null ? violation === null && !isCut : violation !== null && goesBy(violation, name);

/** A run to its end, as a schedule. */
function record(scenario: ResolvedScenario, inner: Chooser): Recorded {
  const chooser = new RecordingChooser(inner);
  const engine = new MemoEngine(topologyOf(scenario));
  const run = new Run({ scenario: { ...scenario, bounds: { ...scenario.bounds, steps: STEPS_MAX } }, engine, chooser });
  run.start();
  run.toEnd();
  return {
    schedule: chooser.choices.slice(0, run.sequencer.step),
    violation: run.end?.violation ?? null,
    isCut: run.end?.ended === 'bound',
  };
}

/** A kept schedule as it is now, followed by its labels; null if it no longer does what it says. */
function renewed(scenario: ResolvedScenario, kept: Regression): Regression | null {
  try {
    const recorded = record(scenario, new ReplayChooser(kept.schedule, { match: 'label', after: new FifoChooser() }));
    return endsBy(recorded, kept.property) ? { ...kept, schedule: recorded.schedule } : null;
  } catch {
    return null;
  }
}

const SEEDS = 500;

/** A random run that a violation of this property ends. */
function drawn(scenario: ResolvedScenario, property: string): readonly Choice[] | null {
  for (let seed = 0; seed < SEEDS; seed++) {
    const recorded = record(scenario, new RandomUniformChooser(seed));
    if (endsBy(recorded, property)) return recorded.schedule;
  }
  return null;
}

/** For each violation the least deviating schedule that leads to it; and one that leads to none. */
function search(scenario: ResolvedScenario, wanted: readonly string[]): Map<string | null, readonly Choice[]> {
  const found = new Map<string | null, readonly Choice[]>();
  for (const chooser of [new FifoChooser(), ...Array.from({ length: 200 }, (_, seed) => new RandomUniformChooser(seed))]) {
    const recorded = record(scenario, chooser);
    if (endsBy(recorded, null)) found.set(null, recorded.schedule);
    if (found.has(null)) break;
  }
  // A lasso is found in the whole graph, not within a bound.
  if (wanted.some((name) => isEndlessName(name) || scenario.properties.eventually.includes(name))) {
    for (const { labels } of finish(explore({ scenario, maxStates: STATES_MAX })).violations) {
      const choices = labels.map((label) => ({ index: 0, label }));
      const recorded = record(scenario, new ReplayChooser(choices, { match: 'label', after: new FifoChooser() }));
      for (const name of wanted) if (endsBy(recorded, name)) found.set(name, recorded.schedule);
    }
  }
  for (let deviations = 0; deviations <= DEVIATIONS_MAX && wanted.some((id) => !found.has(id)); deviations++) {
    const until = wanted.filter((id) => !found.has(id));
    const { findings } = finish(new BoundedSearch({ scenario, limits: { deviations }, states: STATES_MAX, until }).run());
    for (const { property, labels } of findings.filter((finding) => until.includes(finding.property))) {
      const choices = labels.map((label) => ({ index: 0, label }));
      const recorded = record(scenario, new ReplayChooser(choices, { match: 'label', after: new FifoChooser() }));
      // Another property may break in the same step and be told instead: then any schedule that
      // shows this one.
      const schedule = endsBy(recorded, property) ? recorded.schedule : drawn(scenario, property);
      if (schedule) found.set(property, schedule);
    }
  }
  return found;
}

function regressionsOf(name: string, kept: readonly Regression[]): Regression[] {
  const file = shippedPath(name);
  const known = knownProperties();
  const scenario = loadScenario(readFileSync(file, 'utf8'), file, known);
  return variantNames(scenario).flatMap((variant) => {
    const resolved = resolveScenario(scenario, { variant, knownProperties: known });
    const expected = resolved.expect === null || resolved.expect === 'clean' ? [] : resolved.expect.violates;
    const fitting = kept.flatMap((entry) => (entry.variant === variant ? (renewed(resolved, entry) ?? []) : []));
    const missing = [...expected, null].filter((property) => !fitting.some((entry) => entry.property === property));
    if (missing.length === 0) return fitting;
    const found = search(
      resolved,
      missing.filter((property) => property !== null),
    );
    const added = missing.flatMap((property): Regression[] => {
      const schedule = found.get(property);
      if (!schedule) console.error(`${name} ${variant}: no schedule found for ${property ?? 'a clean run'}`);
      return schedule ? [{ variant, property, schedule }] : [];
    });
    return [...fitting, ...added];
  });
}

mkdirSync('scenarios/regressions', { recursive: true });
const names = process.argv.length > 2 ? process.argv.slice(2) : shippedNames();
for (const name of names) {
  const path = `scenarios/regressions/${name}.json`;
  const kept = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Regression[]) : [];
  const all = regressionsOf(name, kept);
  const lines = all.map(({ schedule, ...rest }) => `  ${JSON.stringify({ ...rest, schedule })}`);
  writeFileSync(path, `[\n${lines.join(',\n')}\n]\n`);
  for (const { variant, property, schedule } of all) console.log(`${name} ${variant}: ${property ?? 'clean'} in ${schedule.length} steps`);
}
