/**
 * Small random models with properties of their states, each with all runs of it, and how these end
 * by definition.
 */
import { DEADLOCK } from '../../sim/end.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { Prng } from '../../sim/prng.ts';
import { always, eventually, leavesEach, type Property, sometimes } from '../../sim/property.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { WorldView } from '../../sim/view.ts';
import { Naive } from '../sim/explore/naive.ts';
import { NaiveDead, naiveEnds } from '../sim/explore/naive-dead.ts';
import { makeKnown, toy } from '../sim/explore/toy.ts';
import { type EveryRun, everyRun } from './every-run.ts';
import { randomTopology, STATES } from './random-topology.ts';

export const MODELS = 800;
/** Larger ones take too long to be walked by runs. */
export const STATES_MAX = 60;
export const STEPS_MAX = 40;

/** Evidence where the first actors of both kinds stand in these states. */
const both = (node: string, other: string) => (world: WorldView) =>
  world.actors('node')[0]!.value === node && world.actors('other')[0]!.value === other ? `node in ${node}, other in ${other}` : null;

const EVIDENCE = { kinds: ['node', 'other'], source: 'a test', grade: 'decision' } as const;

const EACH = { kind: 'node', source: 'a test', grade: 'decision' } as const;

/** Properties of every state, and of every pair of states. */
const properties: readonly Property[] = STATES.flatMap((node) => [
  eventually(`random.reaches-${node}`, {
    ...EVIDENCE,
    check: (world) => (world.actors('node')[0]!.value === node ? `node in ${node}` : null),
  }),
  leavesEach(`random.leaves-${node}`, { ...EACH, each: ({ id, value }) => (value === node ? `${id} stays in ${node}` : null) }),
  ...STATES.flatMap((other) => [
    always(`random.never-${node}${other}`, { ...EVIDENCE, check: both(node, other) }),
    sometimes(`random.once-${node}${other}`, { ...EVIDENCE, check: both(node, other) }),
  ]),
]);
makeKnown(properties);

const NONE = { always: [], sometimes: [], eventually: [] };

/** A scenario whose properties watch for random states. */
function scenarioOf(seed: number): ResolvedScenario {
  const prng = new Prng(seed);
  const drawn = () => STATES[prng.below(STATES.length)]!;
  const watched = { ...NONE, always: [`random.never-${drawn()}${drawn()}`], sometimes: [`random.once-${drawn()}${drawn()}`] };
  return toy(randomTopology(seed), [], { properties: watched });
}

export interface Case {
  readonly seed: number;
  readonly scenario: ResolvedScenario;
  readonly runs: EveryRun;
}

/** How runs end by definition: with what the machines alone say. */
interface Defined {
  /** As a run has it, but for the properties that break. */
  readonly ends: ReadonlyMap<string, string | null>;
  /** Digests of what follows a dead state, which no run comes to. */
  readonly beyond: ReadonlySet<string>;
  /** States of the largest dead set. */
  readonly largest: number;
}

function definedFor({ scenario, runs }: Case): Defined {
  const naive = new Naive(topologyOf(scenario));
  const dead = new NaiveDead(naive);
  const isViolated = (digest: string) => runs.ends.get(digest)?.startsWith('violation') === true;
  const all = naiveEnds(naive, STATES_MAX, (state, digest) => (isViolated(digest) ? 'done' : dead.endIn(state)))!;
  const sets = [...all].flatMap(([digest, { state }]) => (isViolated(digest) ? [] : [dead.deadSetOf(state) ?? []]));
  const textOf = (digest: string, end: string | null) =>
    isViolated(digest) ? runs.ends.get(digest)! : end && `${end} ${end === 'deadlock' ? DEADLOCK : ''}`;
  return {
    ends: new Map([...all].map(([digest, { end }]) => [digest, textOf(digest, end)])),
    beyond: new Set(sets.flatMap((set) => set.map((state) => naive.digestOf(state))).filter((digest) => !all.has(digest))),
    largest: Math.max(...sets.map((set) => set.length)),
  };
}

export const cases: readonly Case[] = Array.from({ length: MODELS }, (_, i) => i + 1).flatMap((seed) => {
  const scenario = scenarioOf(seed);
  const runs = everyRun(scenario, STATES_MAX);
  return runs ? [{ seed, scenario, runs }] : [];
});
export const sound = cases.filter(({ runs }) => runs.errors.size === 0);
export const broken = cases.filter(({ runs }) => runs.errors.size > 0);

export const defined = new Map(sound.map((one) => [one.seed, definedFor(one)]));
/** Whether no run comes to this state, but a search, which looks for deadlocks when it is over. */
export const isBeyond = (seed: number, digest: string): boolean => defined.get(seed)?.beyond.has(digest) === true;
