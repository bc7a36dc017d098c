/**
 * Puts a run together: topology, engine, chooser, and the facts that stand at the start of its
 * journal.
 */
import type { InspectionEvent } from 'xstate';
import type { Choice, JsonObject, RunStart } from '../events/journal.ts';
import type { Chooser } from './choosers/chooser.ts';
import { FifoChooser } from './choosers/fifo.ts';
import { RandomChooser } from './choosers/random.ts';
import { RandomUniformChooser } from './choosers/random-uniform.ts';
import { ReplayChooser, type ReplayOptions } from './choosers/replay.ts';
import { LiveEngine } from './engine/live.ts';
import { MemoEngine } from './engine/memo.ts';
import type { ActorEngine } from './engine/port.ts';
import { ShadowChooser, type ShadowSpec } from './explore/sampling/shadow.ts';
import { modulesFor } from './host/registry.ts';
import { topologyOf } from './host/topology.ts';
import { MODEL_ID } from './model-id.ts';
import { MODEL_VERSION } from './model-version.ts';
import { Run } from './run.ts';
import type { ResolvedScenario } from './scenario/types.ts';
import type { BlockSink } from './sequencer.ts';
import type { Topology } from './store.ts';

export type EngineName = 'live' | 'memo';

/** A chooser that looks at nothing but the alternatives it is shown. */
export type ChooserSpec =
  | { readonly name: 'fifo' }
  | { readonly name: 'random' | 'random-uniform'; readonly seed: number }
  | {
      readonly name: 'replay';
      readonly choices: Iterable<Pick<Choice, 'index'> & Partial<Choice>>;
      readonly match: ReplayOptions['match'];
      readonly after?: ChooserSpec;
    };

/** Any chooser: those that sample have to know the scenario as well. */
export type SessionChooser = ChooserSpec | ShadowSpec;

export interface SessionOptions {
  readonly scenario: ResolvedScenario;
  readonly engine: EngineName;
  readonly chooser: SessionChooser;
  /** The schedule asked for, as text; part of the run's identity. */
  readonly schedule?: string;
  readonly sink?: BlockSink;
  /** Which property is told of several that break at once; else the first of the scenario's. */
  readonly sought?: string | undefined;
  /** Passed through to the live engine. */
  readonly inspect?: (event: InspectionEvent) => void;
}

export interface Session {
  readonly run: Run;
  readonly start: RunStart;
  readonly engine: ActorEngine;
}

export function chooserOf(spec: ChooserSpec): Chooser {
  switch (spec.name) {
    case 'fifo':
      return new FifoChooser();
    case 'random':
      return new RandomChooser(spec.seed);
    case 'random-uniform':
      return new RandomUniformChooser(spec.seed);
    case 'replay':
      return new ReplayChooser(spec.choices, { match: spec.match, ...(spec.after && { after: chooserOf(spec.after) }) });
  }
}

const isPlain = (spec: SessionChooser): spec is ChooserSpec => ['fifo', 'random', 'random-uniform', 'replay'].includes(spec.name);

/** Everything that decides a run but its choices. */
export const runStartOf = (
  scenario: ResolvedScenario,
  topology: Topology,
  rest: Pick<RunStart, 'chooser' | 'seed' | 'schedule'>,
): RunStart => ({
  scenario: scenario as unknown as JsonObject,
  modelId: MODEL_ID,
  modelVersion: MODEL_VERSION,
  ...rest,
  actors: topology.actors.map(({ id, kind }) => ({ id, kind })),
  modules: modulesFor(scenario),
});

/** A run that has not started. */
export function openSession(options: SessionOptions): Session {
  const { scenario, sink, inspect, sought } = options;
  const topology = topologyOf(scenario);
  const engine = options.engine === 'live' ? new LiveEngine(topology, inspect ? { inspect } : {}) : new MemoEngine(topology);
  const { chooser: spec } = options;
  const chooser = isPlain(spec) ? chooserOf(spec) : new ShadowChooser(scenario, spec);
  const run = new Run({ scenario, engine, chooser, ...(sink && { sink }), ...(sought !== undefined && { sought }) });
  const start = runStartOf(scenario, topology, {
    chooser: spec.name,
    // What is not looked at decides nothing.
    seed: 'seed' in spec ? spec.seed : 0,
    schedule: options.schedule ?? '',
  });
  return { run, start, engine };
}
