/**
 * One random run over the memory of whole steps, a digest after each, no journal: against XState's
 * own actors given the same events.
 */
import { MemoEngine } from '../../sim/engine/memo.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { Prng } from '../../sim/prng.ts';
import { Walk } from '../../sim/rows/walk.ts';
import { WorldStep } from '../../sim/rows/world-step.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { churn, finish, RANDOM, sessionOf } from '../churn.ts';
import { deliveriesOf, sendAll, startActors } from '../engine.ts';
import { type Figure, prepared, race, type Table } from '../harness.ts';

const LENGTHS = [
  { rounds: 100, races: 7 },
  { rounds: 1000, races: 5 },
] as const;
const AIM = 100;

const walkOf = (scenario: ResolvedScenario): Walk => new Walk(new WorldStep(new MemoEngine(topologyOf(scenario))), () => false);

/** Draws from the same seed as the chooser `random-uniform`. */
function walkOnce(walk: Walk): Walk {
  const prng = new Prng(RANDOM.seed);
  walk.reset();
  while (walk.count > 0) walk.take(prng.below(walk.count));
  return walk;
}

/** @throws unless the walk ends in the state of the run, after as many steps */
function assertEqual(scenario: ResolvedScenario, walk: Walk): void {
  const session = sessionOf(scenario, 'memo');
  finish(session);
  const { digest, step } = session.run.sequencer;
  if (digest.a !== walk.laneA || digest.b !== walk.laneB || step !== walk.steps)
    throw new Error(`the walk ends after ${walk.steps} steps in another state than the run after ${step}`);
}

function measure({ rounds, races }: (typeof LENGTHS)[number]): Table {
  const scenario = churn(rounds);
  const deliveries = deliveriesOf(scenario);
  const warm = walkOnce(walkOf(scenario));
  assertEqual(scenario, warm);
  const { topology, events, steps } = deliveries;
  const against = [{ base: 'XState actor.send', aim: AIM }];
  const rates = race(
    [
      prepared(
        'XState actor.send',
        () => startActors(topology),
        (actors) => sendAll(actors, deliveries),
      ),
      prepared('whole steps, first run', () => walkOf(scenario), walkOnce, against),
      prepared('whole steps, later runs', () => warm, walkOnce, against),
    ],
    { unit: 'events', units: events.length, rounds: races, clock: 'cpu' },
  );
  return {
    title: `rmp-churn, random, ${rounds} rounds; the walk and the run end in one state`,
    rates,
    values: [
      { name: 'events', value: events.length, unit: 'deliveries to an actor' },
      { name: 'steps', value: steps, unit: 'choices' },
      { name: 'first met', value: warm.world.engine.misses, unit: 'events computed by XState in the first run' },
      { name: 'whole steps first met', value: warm.trie.misses, unit: 'steps not in the memory of steps' },
    ],
  };
}

export const singleRun: Figure = {
  name: 'single-run',
  summary: 'events a second of one random run over the memory of whole steps, a digest a step, journal off',
  run: () => LENGTHS.map(measure),
};
