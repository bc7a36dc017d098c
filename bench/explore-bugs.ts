/**
 * How soon each way of searching meets a violation, and how far a shrunk schedule is from the least
 * one.
 */
import { shrink } from '../replay/shrink.ts';
import { RandomUniformChooser } from '../sim/choosers/random-uniform.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { Explorer } from '../sim/explore/breadth/explorer.ts';
import { BoundedSearch } from '../sim/explore/in-order/bounded.ts';
import { sumOf } from '../sim/explore/in-order/deviations.ts';
import type { Deviations } from '../sim/explore/request.ts';
import { finish } from '../sim/explore/turns.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { Run } from '../sim/run.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';

/**
 * One way to one violation; medians, in which a missed one counts as it stood when it was given up.
 */
export interface Way {
  readonly ms: number;
  /** States met, or schedules run. */
  readonly effort: number;
  readonly steps: number;
}

export interface FirstBug {
  readonly property: string;
  readonly breadthFirst: Way;
  readonly leastDeviating: Way & Deviations;
  readonly random: Way & { readonly seeds: number; readonly missed: number };
}

/**
 * What shrinking made of one failing schedule; costs are disturbances, preemptions and switches
 * together.
 */
export interface Shrinking {
  readonly property: string;
  readonly before: number;
  readonly after: number;
  readonly least: number;
  readonly stepsBefore: number;
  readonly stepsAfter: number;
  readonly leastSteps: number;
  readonly ms: number;
}

const SEEDS = 100;
/** Schedules of one seed before it counts as missed. */
const SCHEDULES_MAX = 300;
/** Schedules among which failing ones are looked for, to be shrunk. */
const SHRINK_SEEDS = 3000;
const STATES_MAX = 20_000_000;

const middle = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};

const medianOf = (ways: readonly Way[]): Way => ({
  ms: middle(ways.map(({ ms }) => ms)),
  effort: middle(ways.map(({ effort }) => effort)),
  steps: middle(ways.map(({ steps }) => steps)),
});

function timed<R>(work: () => R): { readonly result: R; readonly ms: number } {
  const from = performance.now();
  const result = work();
  return { result, ms: performance.now() - from };
}

/** What breaks in a state; a cycle is not found by coming to one. */
const violatedBy = ({ expect, properties }: ResolvedScenario): readonly string[] =>
  expect === null || expect === 'clean' ? [] : expect.violates.filter((property) => !properties.eventually.includes(property));

function breadthFirst(scenario: ResolvedScenario, property: string): Way {
  const { result, ms } = timed(() => finish(new Explorer({ scenario, budget: { states: STATES_MAX }, until: property }).run()));
  const finding = result.findings.find((one) => one.property === property);
  if (!finding) throw new Error(`breadth first does not find ${property} in ${scenario.name} ${scenario.variant}`);
  return { ms, effort: result.states, steps: finding.steps };
}

function leastDeviating(scenario: ResolvedScenario, property: string): Way & Deviations {
  const { result, ms } = timed(() => finish(new BoundedSearch({ scenario, limits: {}, states: STATES_MAX, until: [property] }).run()));
  const finding = result.findings.find((one) => one.property === property);
  if (!finding) throw new Error(`the least deviating search does not find ${property} in ${scenario.name} ${scenario.variant}`);
  const { disturbances, preemptions, switches, labels } = finding;
  return { ms, effort: result.states, steps: labels.length, disturbances, preemptions, switches };
}

const randomRun = (scenario: ResolvedScenario, engine: MemoEngine, seed: number, labels?: string[]): Run => {
  const random = new RandomUniformChooser(seed);
  const choose: RandomUniformChooser['choose'] = (view) => {
    const index = random.choose(view);
    labels?.push(view.alternative(index).label);
    return index;
  };
  const run = new Run({ scenario, engine, chooser: labels ? { name: 'random', choose } : random });
  run.start();
  run.toEnd();
  return run;
};

/**
 * Draws whole schedules until one breaks the property. Starts with an empty memory, as the searches
 * do.
 */
function randomly(scenario: ResolvedScenario, property: string, seed: number): Way & { readonly missed: boolean } {
  const { result, ms } = timed(() => {
    const engine = new MemoEngine(topologyOf(scenario));
    for (let effort = 1; effort <= SCHEDULES_MAX; effort++) {
      const { end, sequencer } = randomRun(scenario, engine, seed * SCHEDULES_MAX + effort);
      if (end?.violation?.property === property) return { effort, steps: sequencer.step, missed: false };
    }
    return { effort: SCHEDULES_MAX, steps: 0, missed: true };
  });
  return { ...result, ms };
}

/**
 * Every violation that the scenario is known for, `times` times by each search, by turns, and once
 * for each seed.
 */
export function firstBugs(scenario: ResolvedScenario, times: number): FirstBug[] {
  return violatedBy(scenario).map((property) => {
    const shortest: Way[] = [];
    const least: (Way & Deviations)[] = [];
    const drawn: (Way & { readonly missed: boolean })[] = [];
    for (let time = 0; time < times; time++) {
      shortest.push(breadthFirst(scenario, property));
      least.push(leastDeviating(scenario, property));
      for (let seed = time; seed < SEEDS; seed += times) drawn.push(randomly(scenario, property, seed));
    }
    return {
      property,
      breadthFirst: medianOf(shortest),
      leastDeviating: { ...least[0]!, ...medianOf(least) },
      random: { ...medianOf(drawn), seeds: SEEDS, missed: drawn.filter(({ missed }) => missed).length },
    };
  });
}

/**
 * Shrinks `times` random failing schedules of each violation, and searches for the least of all on
 * its own.
 */
export function shrinks(scenario: ResolvedScenario, times: number): Shrinking[] {
  const engine = new MemoEngine(topologyOf(scenario));
  return violatedBy(scenario).flatMap((property) => {
    const least = leastDeviating(scenario, property);
    const shrunk: Shrinking[] = [];
    for (let seed = 0; shrunk.length < times && seed < SHRINK_SEEDS; seed++) {
      const labels: string[] = [];
      if (randomRun(scenario, engine, seed, labels).end?.violation?.property !== property) continue;
      const { result, ms } = timed(() => finish(shrink(scenario, labels, property)));
      const { before, after } = result;
      shrunk.push({
        property,
        before: sumOf(before),
        after: sumOf(after),
        least: sumOf(least),
        stepsBefore: before.steps,
        stepsAfter: after.steps,
        leastSteps: least.steps,
        ms,
      });
    }
    return shrunk;
  });
}
