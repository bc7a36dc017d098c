/**
 * The runs whose digests are golden: every shipped scenario and variant, in order, under two
 * seeds of the even draw, and under one of the draw of who acts.
 */
import { readFileSync } from 'node:fs';
import { shippedNames, shippedPath } from '../api/shipped-scenarios.ts';
import { canonical, digestOf, hexOf } from '../sim/canonical.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { MODEL_VERSION } from '../sim/model-version.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { Run } from '../sim/run.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { type ChooserSpec, chooserOf } from '../sim/session.ts';

/**
 * What a golden run is remembered by. Nothing in it changes with names of files, the journal's
 * format or the model id.
 */
export interface GoldenRun {
  readonly steps: number;
  readonly records: number;
  /** Of the last state. */
  readonly digest: string;
  /** Of the digests of all steps: two runs that meet in the end need not be the same. */
  readonly trail: string;
  readonly ended: string;
}

export interface Golden {
  readonly modelVersion: number;
  /** By `scenario variant chooser`. */
  readonly runs: Readonly<Record<string, GoldenRun>>;
}

/** Longer runs are cut here. */
const STEPS_MAX = 5000;
const CHOOSERS: readonly (readonly [string, ChooserSpec])[] = [
  ['fifo', { name: 'fifo' }],
  ['seed-1', { name: 'random-uniform', seed: 1 }],
  ['seed-2', { name: 'random-uniform', seed: 2 }],
  ['random-1', { name: 'random', seed: 1 }],
];

function goldenRun(scenario: ResolvedScenario, engine: MemoEngine, chooser: ChooserSpec): GoldenRun {
  const run = new Run({ scenario: { ...scenario, bounds: { ...scenario.bounds, steps: STEPS_MAX } }, engine, chooser: chooserOf(chooser) });
  const trail: string[] = [];
  const digest = () => hexOf(run.sequencer.digest.a, run.sequencer.digest.b);
  run.start();
  trail.push(digest());
  for (;;) {
    const goesOn = run.advance();
    if (run.sequencer.step === trail.length) trail.push(digest());
    if (!goesOn) break;
  }
  // A run that has come into a deadlock ends where it did, some steps back.
  trail.length = run.sequencer.step + 1;
  const { a, b } = digestOf(canonical(trail));
  const end = run.end!;
  return {
    steps: run.sequencer.step,
    records: run.sequencer.seq,
    digest: digest(),
    trail: hexOf(a, b),
    ended: end.violation?.property ?? end.ended,
  };
}

/** Runs all of them. */
export function goldenOf(): Golden {
  const known = knownProperties();
  const runs = shippedNames().flatMap((name) => {
    const scenario = loadScenario(readFileSync(shippedPath(name), 'utf8'), `${name}.yaml`, known);
    return variantNames(scenario).flatMap((variant) => {
      const resolved = resolveScenario(scenario, { variant, knownProperties: known });
      const engine = new MemoEngine(topologyOf(resolved));
      return CHOOSERS.map(([name, chooser]) => [`${scenario.name} ${variant} ${name}`, goldenRun(resolved, engine, chooser)] as const);
    });
  });
  return { modelVersion: MODEL_VERSION, runs: Object.fromEntries(runs) };
}

/** Names of runs that both have and that differ. */
export const changedRuns = (before: Golden, after: Golden): string[] =>
  Object.keys(before.runs).filter(
    (name) => after.runs[name] !== undefined && JSON.stringify(before.runs[name]) !== JSON.stringify(after.runs[name]),
  );
