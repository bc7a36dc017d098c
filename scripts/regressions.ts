/**
 * Finds a schedule for every violation that a scenario expects, with as few deviations from the in-order run as possible, and one
 * that does not reach it. `npm run regressions NAME` writes scenarios/regressions/NAME.json; entries that exist are kept.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Choice } from '../events/journal.ts';
import type { ChoiceView, Chooser } from '../sim/choosers/chooser.ts';
import { FifoChooser } from '../sim/choosers/fifo.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { Run } from '../sim/run.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { topologyOf } from '../sim/topology.ts';

interface Regression {
  readonly variant: string;
  /** Null: this schedule reaches no violation. */
  readonly property: string | null;
  readonly schedule: readonly Choice[];
}

/** In order, but for some steps at which it takes another alternative. */
class DeviatingChooser implements Chooser {
  readonly name = 'deviating';
  readonly choices: Choice[] = [];
  /** Alternatives at each step. */
  readonly counts: number[] = [];
  readonly #fifo = new FifoChooser();
  readonly #deviations: ReadonlyMap<number, number>;

  constructor(deviations: ReadonlyMap<number, number>) {
    this.#deviations = deviations;
  }

  choose(view: ChoiceView): number {
    const inOrder = this.#fifo.choose(view);
    const index = Math.min(this.#deviations.get(this.choices.length) ?? inOrder, view.count - 1);
    this.choices.push({ index, count: view.count, label: view.alternative(index).label });
    this.counts.push(view.count);
    return index;
  }

  observe(outcome: Parameters<FifoChooser['observe']>[0]): void {
    this.#fifo.observe(outcome);
  }
}

const STEPS_MAX = 400;
const RUNS_MAX = 60_000;
/** So many runs may look for one without a violation when all violations are found: in some variants there is none. */
const RUNS_CLEAN_MAX = 2_000;

function play(
  engine: MemoEngine,
  scenario: ResolvedScenario,
  deviations: ReadonlyMap<number, number>,
): { chooser: DeviatingChooser; property: string | null } {
  const chooser = new DeviatingChooser(deviations);
  const run = new Run({ scenario: { ...scenario, bounds: { ...scenario.bounds, steps: STEPS_MAX } }, engine, chooser });
  run.start();
  run.toEnd();
  return { chooser, property: run.end?.violation?.property ?? null };
}

/** Breadth first over sets of deviations: the first schedule found for a property has the fewest. */
function search(scenario: ResolvedScenario, wanted: readonly string[]): Map<string | null, readonly Choice[]> {
  const engine = new MemoEngine(topologyOf(scenario));
  const found = new Map<string | null, readonly Choice[]>();
  const queue: ReadonlyMap<number, number>[] = [new Map()];
  for (let at = 0; at < queue.length && at < RUNS_MAX; at++) {
    const deviations = queue[at]!;
    const { chooser, property } = play(engine, scenario, deviations);
    if (!found.has(property)) found.set(property, chooser.choices);
    if (wanted.every((id) => found.has(id)) && (found.has(null) || at >= RUNS_CLEAN_MAX)) break;
    if (queue.length > RUNS_MAX) continue;
    const last = Math.max(-1, ...deviations.keys());
    for (let step = last + 1; step < chooser.counts.length; step++) {
      for (let index = 0; index < chooser.counts[step]!; index++) {
        if (index !== chooser.choices[step]!.index) queue.push(new Map([...deviations, [step, index]]));
      }
    }
  }
  return found;
}

function regressionsOf(name: string, kept: readonly Regression[]): Regression[] {
  const file = `scenarios/${name}.yaml`;
  const known = knownProperties();
  const scenario = loadScenario(readFileSync(file, 'utf8'), file, known);
  return variantNames(scenario).flatMap((variant) => {
    const resolved = resolveScenario(scenario, { variant, knownProperties: known });
    const expected = resolved.expect === null || resolved.expect === 'clean' ? [] : resolved.expect.violates;
    const missing = [...expected, null].filter(
      (property) => !kept.some((entry) => entry.variant === variant && entry.property === property),
    );
    if (missing.length === 0) return [];
    const found = search(resolved, expected);
    return missing.flatMap((property): Regression[] => {
      const schedule = found.get(property);
      if (!schedule) console.error(`${name} ${variant}: no schedule found for ${property ?? 'a clean run'}`);
      return schedule ? [{ variant, property, schedule }] : [];
    });
  });
}

mkdirSync('scenarios/regressions', { recursive: true });
const names =
  process.argv.length > 2
    ? process.argv.slice(2)
    : readdirSync('scenarios').flatMap((file) => (file.endsWith('.yaml') ? [file.slice(0, -5)] : []));
for (const name of names) {
  const path = `scenarios/regressions/${name}.json`;
  const kept = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Regression[]) : [];
  const all = [...kept, ...regressionsOf(name, kept)];
  const lines = all.map(({ schedule, ...rest }) => `  ${JSON.stringify({ ...rest, schedule })}`);
  writeFileSync(path, `[\n${lines.join(',\n')}\n]\n`);
  for (const { variant, property, schedule } of all) console.log(`${name} ${variant}: ${property ?? 'clean'} in ${schedule.length} steps`);
}
