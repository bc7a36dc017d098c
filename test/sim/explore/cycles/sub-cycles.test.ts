/**
 * Properties of cycles that have evidence against a cycle where they have none against all that it
 * is a part of.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEADLOCK } from '../../../../sim/end.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { endlessly, judgeCycle, type Property } from '../../../../sim/property.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import { play } from '../../play.ts';
import { MODELS, OWED, topologyOfModel } from '../arbitrary.ts';
import { CATALOGUE, machineOf, type StateTable, toy } from '../toy.ts';
import { fairWithin, type NaiveGraph, naiveGraph } from './naive-lassos.ts';

const known = new Set<Property>();
/** Properties are known to the whole process: each is registered once. */
function asks(topology: Topology, property: Property): ResolvedScenario {
  const isNew = !known.has(property);
  known.add(property);
  return toy(topology, isNew ? [property] : [], { properties: { always: [], sometimes: [], eventually: [property.id] } });
}
const whole = (scenario: ResolvedScenario) => finish(explore({ scenario, maxStates: 100_000 }));
const nodes = (...machines: readonly Readonly<Record<string, StateTable>>[]): Topology => ({
  actors: machines.map((_, i) => ({ id: `node:${i}`, kind: i === 0 ? 'node' : 'other', input: null })),
  machines: { node: machineOf(machines[0]!), other: machineOf(machines[1] ?? machines[0]!) },
  catalogue: CATALOGUE,
});

/** A run of what the search shows ends with that violation, at its last step. */
function expectPlays(scenario: ResolvedScenario): void {
  for (const { labels, property, lasso } of whole(scenario).violations.filter((violation) => violation.lasso)) {
    const choices = labels.map((label) => ({ index: 0, label }));
    const { end } = play(scenario, { name: 'replay', choices, match: 'label' }, undefined, (run) => run.sequencer.step >= labels.length);
    expect(end.violation).toMatchObject({ property, step: labels.length, lasso });
  }
}

/** Breaks where one CPU alone goes round: in all of a component there may be more. */
const alone = endlessly('toy.alone', {
  source: 'a test',
  grade: 'decision',
  cycle: (cpus) => (cpus.length === 1 ? `${cpus[0]!.id} is alone` : null),
});

describe('a cycle that is evidence where all that it is a part of is none', () => {
  /** node:1 goes round, and in one of its states it may let node:0 make a step. */
  const model = (how: 'owes' | 'owesStrongly') =>
    nodes(
      { p: { on: { ask: { to: 'q' } } }, q: { on: { exec: { to: 'p' }, ask: { to: 'q' } } } },
      {
        x: {
          on: { exec: { to: 'y' }, nudge: { to: 'y', sends: [{ to: 'node:0', type: 'ask' }] } },
          owes: ['exec'],
          [how]: ['exec', 'nudge'],
        },
        y: { on: { exec: { to: 'x' } } },
      },
    );

  it('is found, and its turn is such a cycle', () => {
    const scenario = asks(model('owes'), alone);
    const { violations, undecided } = whole(scenario);
    expect(violations).toMatchObject([{ property: 'toy.alone', message: 'node:1 is alone', steps: 2 }]);
    expect(undecided).toEqual([]);
    expectPlays(scenario);
  });

  it('is none where a fair schedule cannot stay in it', () => {
    const { violations, guarantee } = whole(asks(model('owesStrongly'), alone));
    expect(violations).toEqual([]);
    expect(guarantee.join('\n')).toContain('none breaks toy.alone');
  });

  it('is not looked for among too many, and the guarantee says so', () => {
    const round: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' } } },
      b: { on: { exec: { to: 'a' }, nudge: { to: 'b' } }, yields: true },
    };
    const topology = { ...nodes(round), actors: Array.from({ length: 8 }, (_, i) => ({ id: `node:${i}`, kind: 'node', input: null })) };
    const nine = endlessly('toy.nine', { source: 'a test', grade: 'decision', cycle: (cpus) => (cpus.length > 8 ? 'nine' : null) });
    expect(whole(asks(topology, nine))).toMatchObject({ exhausted: true, violations: [], undecided: ['toy.nine'] });
  });

  it('is not told by who is queued', () => {
    const cpus = [{ id: 'pcpu:0', moves: true, waits: false, queued: ['thread:a/0'] }];
    const odd = endlessly('toy.odd', { source: 'a test', grade: 'decision', cycle: ([cpu]) => (cpu!.queued ? 'it is queued' : null) });
    expect(() => judgeCycle(odd, cpus)).toThrow('property toy.odd: whether a cycle is evidence depends on `queued`');
  });
});

/** The graph with the steps of one CPU alone; what else is possible counts as that. */
const onlyOf = (graph: NaiveGraph, slot: number): NaiveGraph => ({
  ...graph,
  edges: new Map(
    [...graph.edges].map(([key, edges]) => [
      key,
      edges.map((edge) => (edge.slot === slot || edge.action.startsWith('queue ') ? edge : { ...edge, to: 'outside' })),
    ]),
  ),
});

it('random models break it where the oracle says so, and the lasso plays', () => {
  let [broken, kept] = [0, 0];
  fc.assert(
    fc.property(MODELS, OWED, (model, owed) => {
      const topology = topologyOfModel(model, owed);
      const scenario = asks(topology, alone);
      const graph = naiveGraph(topology);
      const states = new Set(graph.states.keys());
      const expected = topology.actors.some((_, slot) => fairWithin(onlyOf(graph, slot), states).size > 0);
      expect(whole(scenario).violations.some(({ property }) => property !== DEADLOCK)).toBe(expected);
      expected ? broken++ : kept++;
      expectPlays(scenario);
    }),
    { numRuns: 40, seed: 7 },
  );
  expect(broken).toBeGreaterThan(3);
  expect(kept).toBeGreaterThan(3);
});
