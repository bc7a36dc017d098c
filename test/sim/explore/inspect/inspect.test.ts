/**
 * What is told of a search beside its verdict, against the oracle: how often each transition and
 * each line was taken, what makes the states, and the graph.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { AnyMachineSnapshot, AnyStateNode, AnyTransitionDefinition } from 'xstate';
import { walksOf } from '../../../../actors/path/walks.ts';
import { MICRO_STEP_EVENTS } from '../../../../events/index.ts';
import { searchedBy } from '../../../../sim/explore/breadth/searched.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import { countedLines, takenLines } from '../../../../sim/explore/inspect/line-counts.ts';
import { profileOf } from '../../../../sim/explore/inspect/profile.ts';
import { graphOf } from '../../../../sim/explore/inspect/reachable-graph.ts';
import { trafficOf } from '../../../../sim/explore/inspect/traffic.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { topologyOf } from '../../../../sim/host/topology.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import { shipped } from '../../play.ts';
import { MODELS, topologyOfModel } from '../arbitrary.ts';
import { oracle, search } from '../equal.ts';
import type { Heard } from '../naive.ts';
import { naiveSpace } from '../naive-space.ts';
import { actorIn, CATALOGUE, chain, machineOf, rule, toy } from '../toy.ts';

const searched = (scenario: ResolvedScenario) => {
  const { explorer, report } = search(scenario);
  return { report, searched: searchedBy(explorer, report) };
};

const nameOf = (kind: string, { source, eventType }: AnyTransitionDefinition, at: number): string =>
  `${kind} ${source.id} ${eventType} ${at}`;
const placeOf = (definition: AnyTransitionDefinition): number =>
  definition.source.transitions.get(definition.eventType)!.indexOf(definition);

/** Every reaction of the oracle, by what XState says of the transitions. */
function naiveCounts(scenario: ResolvedScenario, breaks: Parameters<typeof naiveSpace>[1]): { counts: Map<string, number>; steps: number } {
  const topology = topologyOf(scenario);
  const counts = new Map<string, number>();
  const heard: Heard = (slot, snapshot, event) => {
    const { kind } = topology.actors[slot]!;
    const definitions = topology.machines[kind]!.getTransitionData(snapshot as never, event as never) as readonly AnyTransitionDefinition[];
    for (const definition of definitions) {
      const name = nameOf(kind, definition, placeOf(definition));
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  };
  const { transitions, unchanged } = naiveSpace(topology, breaks, heard);
  return { counts, steps: transitions + unchanged };
}

/** The same of a search. */
function countsOf({ machines }: Topology, taken: ReadonlyMap<AnyTransitionDefinition, number>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [kind, machine] of Object.entries(machines)) {
    const visit = (node: AnyStateNode): void => {
      for (const definitions of node.transitions.values())
        for (const definition of definitions) {
          const count = taken.get(definition);
          if (count !== undefined) counts.set(nameOf(kind, definition, placeOf(definition)), count);
        }
      for (const inner of Object.values(node.states)) visit(inner as AnyStateNode);
    };
    visit(machine.root as unknown as AnyStateNode);
  }
  return counts;
}

const sorted = (counts: ReadonlyMap<string, number>) => [...counts].sort(([a], [b]) => (a < b ? -1 : 1));
const small = shipped('rmp-table-end');

describe('counts of transitions', () => {
  it('are those of the oracle, for random models', () => {
    let compared = 0;
    const both = (world: Parameters<NonNullable<Parameters<typeof naiveSpace>[1]>>[0]) =>
      actorIn(world, 'node:0').value === 'b' && actorIn(world, 'node:1').value === 'c' ? 'node:0 in b, node:1 in c' : null;
    fc.assert(
      fc.property(MODELS, (model) => {
        const scenario = toy(topologyOfModel(model), [rule(both)]);
        const { report, searched: found } = searched(scenario);
        if (report.findings.some(({ property }) => property === 'deadlock')) return;
        compared++;
        const traffic = finish(trafficOf(found))!;
        const naive = naiveCounts(scenario, (world) => both(world) !== null);
        expect(traffic.steps).toBe(naive.steps);
        expect(sorted(countsOf(traffic.topology, traffic.taken))).toEqual(sorted(naive.counts));
      }),
      { numRuns: 16, seed: 15 },
    );
    expect(compared).toBeGreaterThan(5);
  });

  it('are those of the oracle, and tell each micro-step, for a host', () => {
    const { searched: found } = searched(small);
    const traffic = finish(trafficOf(found))!;
    const naive = naiveCounts(small, () => false);
    expect(traffic.steps).toBe(naive.steps);
    expect(sorted(countsOf(traffic.topology, traffic.taken))).toEqual(sorted(naive.counts));
    const lines = countedLines(traffic);
    const steps = new Map<string, number>();
    naiveSpace(
      topologyOf(small),
      () => false,
      (slot, snapshot, { type }) => {
        const step = MICRO_STEP_EVENTS.includes(type) && type !== 'exec' ? stepOf(snapshot, type) : undefined;
        if (step !== undefined)
          steps.set(
            `${found.world.store.kindOfSlot[slot]!.name} ${step}`,
            (steps.get(`${found.world.store.kindOfSlot[slot]!.name} ${step}`) ?? 0) + 1,
          );
      },
    );
    expect(steps.size).toBeGreaterThan(5);
    const counted = [...steps.keys()].map((name) => [name, lines.of(...(name.split(' ') as [string, string]))] as const);
    expect(new Map(counted)).toEqual(steps);
  });

  it('leave the search as it was', () => {
    const plain = finish(explore({ scenario: small, maxStates: 10_000 }));
    const inspected = finish(explore({ scenario: small, maxStates: 10_000, counts: true, graph: true }));
    expect({ ...inspected, traffic: 0, profile: 0, graph: 0, ledger: 0 }).toEqual({
      ...plain,
      traffic: 0,
      profile: 0,
      graph: 0,
      ledger: 0,
    });
    expect([...inspected.ledger.taken].sort()).toEqual([...plain.ledger.taken].sort());
    expect([plain.traffic, plain.profile, plain.graph]).toEqual([undefined, undefined, undefined]);
  });
});

/** The micro-step that an event runs: the one of the region that takes it. */
const stepOf = (snapshot: AnyMachineSnapshot, type: string): string | undefined =>
  (
    snapshot._nodes.find(({ meta, transitions }) => meta?.step !== undefined && transitions.has(type))?.meta as
      | { readonly step: string }
      | undefined
  )?.step;

describe('lines of paths', () => {
  const exploration = finish(explore({ scenario: shipped('rmp-user-mapping-split'), maxStates: 20_000, counts: true }));
  const counted = countedLines(exploration.traffic!);

  it('are never taken where the ledger says so, and taken where it says that', () => {
    expect(exploration.exhausted).toBe(true);
    const { items, taken } = exploration.ledger;
    const known = takenLines(exploration.traffic!.topology, exploration.ledger);
    let [never, some] = [0, 0];
    for (const [kind, machine] of Object.entries(exploration.traffic!.topology.machines))
      for (const { graph } of walksOf(machine))
        for (const { id } of graph.nodes.values()) {
          const key = `micro-step ${kind} ${id}`;
          if (!items.has(key)) continue;
          const count = counted.of(kind, id)!;
          expect([key, count > 0, known.of(kind, id)]).toEqual([key, taken.has(key), taken.has(key) ? 1 : 0]);
          if (count > 0) some++;
          else never++;
        }
    expect([never > 5, some > 5]).toEqual([true, true]);
  });

  it('are as often decided as the steps before them were taken', () => {
    const { machines } = exploration.traffic!.topology;
    let checked = 0;
    for (const { graph } of walksOf(machines.hostThread!)) {
      for (const { id, edges } of graph.nodes.values()) {
        const [own] = edges;
        if (edges.length !== 1 || !own || own.routes.length < 2) continue;
        // Where one step decides a branch alone, its cases and their rest add up.
        const first = own.routes.map(({ crosses }) => crosses[0]);
        const alone = first.every(
          (place) =>
            place !== undefined &&
            ![...graph.nodes.values()].some(
              (other) => other.id !== id && other.edges.some(({ routes }) => routes.some(({ crosses }) => crosses.includes(place))),
            ),
        );
        if (!alone) continue;
        checked++;
        const sum = [...new Set(first)].reduce((total, place) => total + counted.of('hostThread', place!)!, 0);
        expect([id, sum]).toEqual([id, counted.of('hostThread', id)]);
      }
    }
    expect(checked).toBeGreaterThan(2);
  });
});

describe('the profile', () => {
  it('is what the states say, one by one', () => {
    const { searched: found } = searched(small);
    const { space, world } = found;
    const profile = finish(profileOf(found))!;
    const rows = Array.from({ length: space.count }, (_, state) =>
      Array.from(space.rows.subarray(space.at(state), space.at(state) + space.columns)),
    );
    for (const { actor, locals, without } of profile.actors) {
      const columns = actor === 'in flight' ? rows[0]!.map((_, i) => i).slice(world.actors) : [world.store.slotOf.get(actor)!];
      const own = new Set(rows.map((row) => columns.map((column) => row[column]).join()));
      const rest = new Set(rows.map((row) => row.filter((_, column) => !columns.includes(column)).join()));
      expect([actor, locals, without]).toEqual([actor, own.size, rest.size]);
    }
    const lines = profile.steps.filter(({ isLine }) => isLine);
    expect(lines.length).toBeGreaterThan(5);
    for (const { kind, step, states, locals, varying } of lines) {
      const slots = world.store.ids.flatMap((_, slot) => (world.store.kindOfSlot[slot]!.name === kind ? [slot] : []));
      const stands = (row: readonly number[], slot: number): boolean =>
        (world.store.kindOfSlot[slot]!.locals.values[row[slot]!]! as AnyMachineSnapshot)._nodes.some(({ meta }) => meta?.step === step);
      expect([step, states]).toEqual([step, rows.filter((row) => slots.some((slot) => stands(row, slot))).length]);
      expect([step, locals]).toEqual([
        step,
        new Set(rows.flatMap((row) => slots.filter((slot) => stands(row, slot)).map((slot) => row[slot]))).size,
      ]);
      expect(varying.every(({ values }) => values > 1 && values <= locals)).toBe(true);
    }
  });

  it.each([{ spare: undefined }, { frames: null }, { frames: { main: 1 } }])('takes a field that a machine sets to %j', (sets) => {
    const { searched: found } = searched(
      toy({
        actors: [{ id: 'node:0', kind: 'node', input: null }],
        machines: { node: machineOf(chain(1, { on: {}, tags: ['rest'], sets }), 2, { spare: 1, frames: 1 }) },
        catalogue: CATALOGUE,
      }),
    );
    const { actors } = finish(profileOf(found))!;
    expect(actors.find(({ actor }) => actor === 'node:0')?.locals).toBe(2);
  });
});

describe('the graph', () => {
  const of = (scenario: ResolvedScenario) => graphOf(scenario, searched(scenario).searched);

  it('has the states and the steps of the oracle', () => {
    const graph = of(small);
    const { nodes, naive } = oracle(small);
    expect(graph.states.length).toBe(nodes.size);
    const naiveSteps = [...nodes.values()]
      .flatMap(({ state, ends }) => (ends ? [] : naive.steps(state)))
      .map(({ label, kind }) => `${kind} ${label}`);
    expect(graph.steps.map(({ label, kind }) => `${kind} ${label}`).sort()).toEqual(naiveSteps.sort());
    expect(graph.states.map(({ depth }) => depth).sort()).toEqual([...nodes.values()].map(({ depth }) => depth).sort());
    for (const { from, to } of graph.steps) expect([from, to].every((id) => id >= 0 && id < graph.states.length)).toBe(true);
  });

  it('says what comes of each state, and is the same twice', () => {
    const race = shipped('rmp-table-end', 'e820-alone');
    const graph = of(race);
    const ends = graph.states.filter(({ outcome }) => outcome !== 'goes-on');
    const outcomes = new Set(ends.map(({ outcome }) => outcome));
    expect(outcomes.has('violation') || outcomes.has('done')).toBe(true);
    const leaving = new Set(graph.steps.map(({ from }) => from));
    for (const { id, outcome, broken } of graph.states) {
      expect(outcome === 'goes-on').toBe(leaving.has(id));
      expect(outcome === 'violation').toBe(broken.length > 0);
    }
    expect(of(race)).toEqual(graph);
  });

  it('tells deadlocks from ends that are at rest', () => {
    const ending = (last: object) =>
      of(
        toy({
          actors: ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })),
          machines: { node: machineOf(chain(2, { on: {}, ...last })) },
          catalogue: CATALOGUE,
        }),
      ).states.map(({ outcome }) => outcome);
    const goesOn = Array.from({ length: 8 }, () => 'goes-on');
    expect(ending({})).toEqual([...goesOn, 'deadlock']);
    expect(ending({ tags: ['rest'] })).toEqual([...goesOn, 'done']);
    expect(ending({ tags: ['halt'] })).toEqual([...goesOn, 'halted']);
  });

  it('names the micro-step that a step runs', () => {
    const runs = of(small).steps.flatMap((step) => step.runs ?? []);
    expect(runs.filter((name) => /^thread:[^@]*@main\.start$/.test(name))).not.toEqual([]);
  });
});
