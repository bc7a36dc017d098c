/**
 * Schedules and time to the first violation for each sampling strategy, on every violation that a
 * shipped scenario is known for.
 */
import { MemoEngine } from '../../sim/engine/memo.ts';
import type { SampleRequest } from '../../sim/explore/sampling/request.ts';
import { Sampler } from '../../sim/explore/sampling/sampler.ts';
import { STRATEGIES } from '../../sim/explore/sampling/strategies.ts';
import { finish } from '../../sim/explore/turns.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { WorldStep } from '../../sim/rows/world-step.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { type Figure, median, type Table, timed, type Value } from '../harness.ts';
import { violating } from './violating.ts';

const SEEDS = 100;
/** Schedules of one seed before it counts as missed. */
const SCHEDULES_MAX = 3000;
const STEPS_MAX = 2000;
const DEPTH = 3;

const NAMES: readonly SampleRequest['strategy'][] = [...STRATEGIES, 'portfolio'];

interface Hunt {
  readonly schedules: number;
  readonly ms: number;
  readonly missed: boolean;
}

/**
 * Profiling runs count. `world`: with its memory of reactions, which all schedules of a scenario
 * fill; without, XState computes whatever they meet.
 */
function hunt(scenario: ResolvedScenario, property: string, strategy: SampleRequest['strategy'], seed: number, world?: WorldStep): Hunt {
  let schedules = 0;
  let missed = false;
  const ms = timed(() => {
    const request = {
      scenario,
      strategy,
      seed,
      schedules: SCHEDULES_MAX,
      stepsMax: STEPS_MAX,
      depth: DEPTH,
      until: property,
      verify: false,
      ...(world && { world }),
    };
    const report = finish(new Sampler(request).run());
    schedules = report.schedules;
    missed = !report.findings.some((finding) => finding.property === property);
  });
  return { schedules, ms, missed };
}

function hunts(scenario: ResolvedScenario, property: string): Table {
  const found = new Map<string, Hunt[]>(NAMES.map((name) => [name, []]));
  const cold = new Map(NAMES.map((name) => [name, hunt(scenario, property, name, 1).ms]));
  const world = new WorldStep(new MemoEngine(topologyOf(scenario)));
  for (const name of NAMES) hunt(scenario, property, name, 0, world);
  // By turns, so that what else the machine does hits all alike.
  for (let seed = 1; seed <= SEEDS; seed++) for (const name of NAMES) found.get(name)!.push(hunt(scenario, property, name, seed, world));
  const values = NAMES.flatMap((name): Value[] => {
    const all = found.get(name)!;
    const missed = all.filter((one) => one.missed).length;
    return [
      {
        name: `${name}, schedules`,
        value: median(all.map(({ schedules }) => schedules)),
        unit: `median of ${SEEDS} seeds, ${missed} missed`,
      },
      { name: `${name}, time`, value: median(all.map(({ ms }) => ms)), unit: 'ms (wall), median, with the memory of reactions filled' },
      { name: `${name}, time of seed 1`, value: cold.get(name)!, unit: 'ms (wall), from an empty memory' },
    ];
  });
  return { title: `${scenario.name} ${scenario.variant}: ${property}; missed after ${SCHEDULES_MAX} schedules`, values };
}

export const firstBug: Figure = {
  name: 'first-bug',
  summary: `schedules and time to the first violation, ${SEEDS} seeds for each strategy, pct with depth ${DEPTH}`,
  run: () => violating().flatMap(({ scenario, properties }) => properties.map((property) => hunts(scenario, property))),
};
