/** Runs for tests: the shipped scenarios, small ones, and what a run leaves behind. */
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { shippedNames as namesOfShipped, shippedPath } from '../../api/shipped-scenarios.ts';
import type { JournalRecord, RunEnd } from '../../events/journal.ts';
import { pointsOf } from '../../replay/points.ts';
import type { Journal } from '../../replay/reader.ts';
import { JournalWriter } from '../../replay/writer.ts';
import type { Chooser } from '../../sim/choosers/chooser.ts';
import { LiveEngine } from '../../sim/engine/live.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import type { ActorEngine } from '../../sim/engine/port.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { recordsOf } from '../../sim/records.ts';
import { Run } from '../../sim/run.ts';
import { variantNames } from '../../sim/scenario/checks.ts';
import { loadScenario } from '../../sim/scenario/load.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import type { ResolvedScenario, Scenario } from '../../sim/scenario/types.ts';
import type { BlockSink, Sequencer } from '../../sim/sequencer.ts';
import { type ChooserSpec, chooserOf, type EngineName, runStartOf } from '../../sim/session.ts';
import type { Topology } from '../../sim/store.ts';
import { WorldView } from '../../sim/view.ts';

const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const fileOf = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

export const KNOWN = knownProperties();

export const resolved = (scenario: Scenario, variant?: string, set: Readonly<Record<string, string>> = {}): ResolvedScenario =>
  resolveScenario(scenario, { ...(variant !== undefined && { variant }), set, knownProperties: KNOWN });

const sources = new Map<string, Scenario>();
/** A shipped scenario as its file has it. Each file is read once. */
export function source(name: string): Scenario {
  const scenario = sources.get(name) ?? loadScenario(readFileSync(shippedPath(name), 'utf8'), `${name}.yaml`, KNOWN);
  sources.set(name, scenario);
  return scenario;
}

export const shippedNames: readonly string[] = namesOfShipped();

export const shipped = (name: string, variant?: string, set?: Readonly<Record<string, string>>): ResolvedScenario =>
  resolved(source(name), variant, set);

/** Every shipped scenario with each of its variants. */
export const SHIPPED: readonly { readonly name: string; readonly variant: string }[] = shippedNames.flatMap((name) =>
  variantNames(source(name)).map((variant) => ({ name, variant })),
);

/** A chooser that looks at the world is told which one. */
export interface Looking extends Chooser {
  look(sequencer: Sequencer): void;
}

export interface Played {
  readonly run: Run;
  readonly end: RunEnd;
  readonly records: readonly JournalRecord[];
  readonly world: WorldView;
  /** Context of an actor at the end. */
  context<C>(id: string): C;
  /** What was delivered to whom, in order, by event type. */
  delivered(type: string): readonly JournalRecord[];
}

export const engineOf = (scenario: ResolvedScenario, name: EngineName, topology: Topology = topologyOf(scenario)): ActorEngine =>
  name === 'live' ? new LiveEngine(topology) : new MemoEngine(topology);

/**
 * No run of a test is near this: what goes on for longer waits for something that never happens.
 */
const STEPS_MAX = 20_000;

const isSpec = (chooser: Chooser | ChooserSpec): chooser is ChooserSpec => !('choose' in chooser);

/** Runs a scenario to its end. */
export function play(
  scenario: ResolvedScenario,
  how: Chooser | ChooserSpec,
  engine: ActorEngine = engineOf(scenario, 'memo'),
  stop?: (run: Run) => boolean,
): Played {
  const records: JournalRecord[] = [];
  let vtime = 0;
  const sink: BlockSink = (block, names) => {
    records.push(...recordsOf(block, names, vtime));
    for (let step = 0; step < block.steps; step++) vtime += block.stepNs[step]!;
  };
  const chooser = isSpec(how) ? chooserOf(how) : how;
  const run = new Run({ scenario, engine, chooser, sink });
  if ('look' in chooser) (chooser as Looking).look(run.sequencer);
  run.start();
  while (!stop?.(run) && run.advance()) {
    if (run.sequencer.step > STEPS_MAX) throw new Error(`${scenario.name} has not ended after ${STEPS_MAX} steps under ${chooser.name}`);
  }
  const end = run.stop();
  engine.stop();
  const { store, locals } = run.sequencer;
  const world = new WorldView(store, locals);
  return {
    run,
    end,
    records,
    world,
    context: <C>(id: string) => world.actor<C>(store.slot(id, 'a test')).context,
    delivered: (type) => records.filter((record) => record.kind === 'deliver' && record.type === type),
  };
}

/** The micro-steps an actor executed, by their dotted names, in order. */
export const microSteps = ({ records }: Pick<Played, 'records'>, actor: string): string[] =>
  [...pointsOf({ recordsFrom: () => records } as unknown as Journal)].flatMap((point) =>
    point.microSteps.filter((step) => step.actor === actor).map(({ name }) => name),
  );

export const seeds = (count: number, first = 1): readonly { readonly name: 'random-uniform'; readonly seed: number }[] =>
  Array.from({ length: count }, (_, i) => ({ name: 'random-uniform', seed: first + i }));

/** The journal of a run, in memory. */
export function journalOf(
  scenario: ResolvedScenario,
  how: Chooser | ChooserSpec,
  engine: ActorEngine,
): { readonly bytes: Uint8Array; readonly run: Run } {
  const chooser = isSpec(how) ? chooserOf(how) : how;
  const seed = isSpec(how) && 'seed' in how ? how.seed : 0;
  const start = runStartOf(scenario, engine.topology, { chooser: chooser.name, seed, schedule: '' });
  const writer = JournalWriter.open(null, start, { mode: 'memory' });
  const run = new Run({ scenario, engine, chooser, sink: (block, names) => writer.block(block, names) });
  if ('look' in chooser) (chooser as Looking).look(run.sequencer);
  run.start();
  run.toEnd();
  engine.stop();
  return { bytes: writer.seal(run.end!).content!, run };
}
