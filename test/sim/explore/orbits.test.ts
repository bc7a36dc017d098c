/** The search over orbits against the whole space, cut into orbits by trying every renaming on the text of every state. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import type { ActorId } from '../../../events/event.ts';
import { hexOf } from '../../../sim/canonical.ts';
import { Explorer, finish } from '../../../sim/explore/explorer.ts';
import { type OrbitReport, OrbitSearch } from '../../../sim/explore/orbits.ts';
import { rowKey, Symmetry, SymmetryError } from '../../../sim/explore/symmetry.ts';
import type { WorldStep } from '../../../sim/explore/world-step.ts';
import { type Property, sometimes } from '../../../sim/property.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import type { Topology } from '../../../sim/store.ts';
import { topologyOf } from '../../../sim/topology.ts';
import { play, shipped } from '../play.ts';
import { actorIn, CATALOGUE, chain, machineOf, rule, type StateTable, toy } from './toy.ts';

const orbitsOf = (scenario: ResolvedScenario): OrbitReport => finish(new OrbitSearch(scenario, 100_000).run());

function* permutations<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length === 0) yield [];
  for (const [i, item] of items.entries()) for (const rest of permutations(items.filter((_, at) => at !== i))) yield [item, ...rest];
}
/** Of actors that change places one by one. */
function* renamings(groups: readonly (readonly ActorId[])[]): Generator<ReadonlyMap<string, string>> {
  const [first, ...rest] = groups;
  if (!first) yield new Map();
  else
    for (const order of permutations(first))
      for (const others of renamings(rest)) yield new Map([...others, ...first.map((id, i): [string, string] => [id, order[i]!])]);
}

/** How many orbits the whole space has. */
function bruteForce(scenario: ResolvedScenario): { readonly orbits: number; readonly broken: readonly string[] } {
  const explorer = new Explorer({ scenario, budget: { states: 100_000 } });
  const report = finish(explorer.run());
  expect(report.exhausted).toBe(true);
  const { store } = explorer.world;
  const all = [...renamings((topologyOf(scenario).interchangeable ?? []) as readonly (readonly ActorId[])[])];
  const ids = new RegExp(store.ids.join('|'), 'g');
  const orbits = new Set<string>();
  for (let state = 0; state < explorer.space.count; state++) {
    const texts = explorer.localsOf(state).map((local, slot) => `${store.ids[slot]!} ${store.kindOfSlot[slot]!.locals.texts[local]!}`);
    const images = all.map((names) =>
      texts
        .map((text) => text.replace(ids, (id) => names.get(id) ?? id))
        .sort()
        .join('\n'),
    );
    orbits.add(images.sort()[0]!);
  }
  return { orbits: orbits.size, broken: report.findings.map(({ property }) => property).sort() };
}

/** Three interchangeable actors of one machine. */
const three = (machine: ReturnType<typeof machineOf>): Topology => ({
  actors: ['node:0', 'node:1', 'node:2'].map((id) => ({ id, kind: 'node', input: null })),
  machines: { node: machine },
  catalogue: CATALOGUE,
  interchangeable: [['node:0', 'node:1', 'node:2']],
});
const all = (value: string) => (world: Parameters<Property['check']>[0]) =>
  world.actors('node').every((actor) => actor.value === value) ? `all are in ${value}` : null;

describe('orbits', () => {
  it.each([
    { vcpus: '2', pages: '1', rounds: '2' },
    { vcpus: '2', pages: '2', rounds: '2' },
    { vcpus: '3', pages: '2', rounds: '1' },
    { vcpus: '3', pages: '3', rounds: '1' },
  ])('of rmp-lock are those of all renamings: %o', (set) => {
    const scenario = shipped('rmp-lock', undefined, set);
    const report = orbitsOf(scenario);
    const { orbits, broken } = bruteForce(scenario);
    expect(report).toMatchObject({ exhausted: true, states: orbits });
    expect(report.findings.map(({ property }) => property).sort()).toEqual(broken);
  });

  it('break what the whole space breaks, by a schedule as it stands', () => {
    const scenario = toy(three(machineOf(chain(2))), [rule(all('s1'), 'alike')]);
    const report = orbitsOf(scenario);
    expect(report.states).toBe(bruteForce(scenario).orbits);
    expect(report.findings).toMatchObject([{ labels: expect.arrayContaining(['exec(node:0)', 'exec(node:1)', 'exec(node:2)']) }]);
  });

  it('know which sometimes property never came true', () => {
    const evidence = { kinds: ['node'], source: 'a test', grade: 'decision' } as const;
    const met = sometimes('toy.all-at-once', { ...evidence, check: all('s1') });
    const missed = sometimes('toy.never', { ...evidence, check: all('s9') });
    expect(orbitsOf(toy(three(machineOf(chain(2))), [met, missed])).missed).toEqual(['toy.never']);
  });

  it('go on behind a machine that has halted', () => {
    const halts = machineOf({
      a: { on: { exec: { to: 'b' } } },
      b: { on: { exec: { to: 'c' } }, tags: ['halt'] },
      c: { on: {}, tags: ['rest'] },
    });
    const scenario = toy(three(halts));
    const report = orbitsOf(scenario);
    expect(report.states).toBe(bruteForce(scenario).orbits);
    expect(report.findings).toEqual([]);
  });

  it('are refused with a property that tells interchangeable actors apart', () => {
    const first = rule((world) => (actorIn(world, 'node:0').value === 's1' ? 'the first is in s1' : null), 'first');
    expect(() => orbitsOf(toy(three(machineOf(chain(2))), [first]))).toThrow(SymmetryError);
  });

  it('are refused with such a property also where local steps go through the only states that show it', () => {
    const rest: StateTable = { on: {}, tags: ['rest'] };
    const asks = [{ to: 'other:0', type: 'ask' }] as const;
    const told = ['node:0', 'node:1'].map((to) => ({ to, type: 'ask' }));
    const topology: Topology = {
      actors: [...['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })), { id: 'other:0', kind: 'other', input: null }],
      machines: {
        // Whoever is first rules the other one out, chooses, and goes through `alone`.
        node: machineOf({
          start: { on: { exec: { to: 'first', sends: asks }, ask: { to: 'out' } } },
          first: { on: { exec: { to: 'alone' }, pick: { to: 'end' }, ask: { to: 'first' } } },
          alone: { on: { exec: { to: 'end' } } },
          end: rest,
          out: rest,
        }),
        other: machineOf({ up: { on: { ask: { to: 'up', sends: told } }, tags: ['rest'] } }),
      },
      catalogue: CATALOGUE,
      interchangeable: [['node:0', 'node:1']],
    };
    for (const id of ['node:0', 'node:1']) {
      const seen = rule((world) => (actorIn(world, id).value === 'alone' ? `${id} is alone` : null), 'alone');
      const scenario = toy(topology, [seen]);
      expect(() => orbitsOf(scenario), id).toThrow(SymmetryError);
      expect(() => finish(new OrbitSearch(scenario, 100_000, true).run()), id).toThrow(SymmetryError);
    }
  });
});

/** Digests of states, whatever numbers a search gave them. */
const digestOf = (world: WorldStep, row: ArrayLike<number>): string => {
  let [a, b] = [0, 0];
  for (let column = 0; column < row.length; column++) {
    a = (a + world.laneA(column, row[column]!)) | 0;
    b = (b + world.laneB(column, row[column]!)) | 0;
  }
  return hexOf(a, b);
};

/** @returns how many states the whole space has for each that was kept */
function expectCovered(scenario: ResolvedScenario): number {
  const explorer = new Explorer({ scenario, budget: { states: 200_000 } });
  const whole = finish(explorer.run());
  const { space } = explorer;
  const search = new OrbitSearch(scenario, 200_000);
  const report = finish(search.run());
  const symmetry = new Symmetry(search.world, topologyOf(scenario).interchangeable ?? []);
  const images = new Set(search.kept.flatMap((row) => [...symmetry.imagesOf(row)].map((image) => digestOf(search.world, image))));
  const row = new Int32Array(space.columns);
  for (let state = 0; state < space.count; state++) {
    space.read(state, row);
    if (!images.has(digestOf(explorer.world, row))) throw new Error(`state ${state} is the image of none that was kept`);
  }
  const names = (findings: readonly { readonly property: string }[]) => new Set(findings.map(({ property }) => property));
  expect(report.exhausted && whole.exhausted).toBe(true);
  expect(names(report.findings)).toEqual(names(whole.findings));
  expect(report.missed).toEqual([...whole.reached].flatMap(([id, first]) => (first ? [] : [id])));
  for (const { property, labels } of report.findings) {
    const choices = labels.map((label) => ({ index: 0, label }));
    expect(play(scenario, { name: 'replay', choices, match: 'label' }).end.violation).toMatchObject({ property, step: labels.length });
  }
  return whole.states / report.states;
}

describe('orbits of hosts', () => {
  it.each([
    ['rmpadjust-vs-rmpupdate', 'inuse', 2],
    ['vmsa-in-use-kick', 'kick-and-block', 2],
    ['oslock-brk', 'patch-v2', 2],
    ['sld-flagless-toggle', 'neither', 2],
    ['sld-one-work-item', 'gen2-global', 4],
  ] as const)('cover every state: %s %s, one for up to %i', (name, variant, factor) => {
    const found = expectCovered(shipped(name, variant));
    expect(found).toBeGreaterThan(0.98 * factor);
    expect(found).toBeLessThanOrEqual(factor);
  });

  it('need no two CPUs that share what others have for themselves', () => {
    expect(() => orbitsOf(shipped('sld-smt-siblings', 'v8'))).toThrow('no two actors of the model are interchangeable');
  });

  it('are refused where an actor goes by the name of a CPU: the work items of generation 2 do', () => {
    expect(() => orbitsOf(shipped('sld-one-work-item', 'gen2'))).toThrow(
      /schedule_delayed_work_on.*not the same where .*pcpu:0 is called pcpu:1/,
    );
  });
});

/** Nodes that tell somebody, who does something about it. */
const told = (machine: AnyStateMachine, type: 'ask' | 'mail'): Topology => ({
  actors: [...['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })), { id: 'other:0', kind: 'other', input: null }],
  machines: {
    node: machineOf({ a: { on: { exec: { to: 'b', sends: [{ to: 'other:0', type }] } } }, b: { on: {}, tags: ['rest'] } }),
    other: machine,
  },
  catalogue: CATALOGUE,
  sets: machine === asSet ? ['other.heard'] : [],
  interchangeable: [['node:0', 'node:1']],
});
interface Heard {
  readonly heard: readonly string[];
}
const hears = (order: (heard: readonly string[], from: string) => readonly string[]) =>
  setup({ types: { context: {} as Heard, events: {} as { readonly type: 'ask' | 'mail'; readonly from: string } } }).createMachine({
    context: { heard: [] },
    initial: 'a',
    states: {
      a: {
        tags: 'rest',
        on: {
          ask: { actions: assign(({ context, event }) => ({ heard: order(context.heard, event.from) })) },
          mail: { actions: assign(({ context, event }) => ({ heard: order(context.heard, event.from) })) },
        },
      },
    },
  }) as AnyStateMachine;
const asSet = hears((heard, from) => [...heard, from].sort());
const asQueue = hears((heard, from) => [...heard, from]);

/** What is done with a list when a node is heard. */
const CHANGES = ['joins', 'joins or leaves', 'joins, and a third one drops the first'] as const;
interface Field {
  readonly isSet: boolean;
  readonly change: (typeof CHANGES)[number];
}
function changed({ isSet, change }: Field, ids: readonly string[], from: string): readonly string[] {
  const others = ids.filter((id) => id !== from);
  if (change === 'joins or leaves' && others.length < ids.length) return others;
  const all = [...others, from];
  if (isSet) return all.sort();
  return change === 'joins, and a third one drops the first' && all.length > 2 ? all.slice(1) : all;
}
/** A listener with one list for each field, held by name in a map, of which `sets` names those that are sorted. */
function mixed(fields: readonly Field[], type: 'ask' | 'mail', nodes: number): Topology {
  type Lists = Readonly<Record<string, { readonly of: readonly string[] }>>;
  const heardBy = (lists: Lists, from: string): Lists =>
    Object.fromEntries(fields.map((field, i) => [`list${i}`, { of: changed(field, lists[`list${i}`]!.of, from) }]));
  const ids = Array.from({ length: nodes }, (_, i) => `node:${i}`);
  const topology = told(
    setup({
      types: { context: {} as Lists, events: {} as { readonly type: 'ask' | 'mail'; readonly from: string } },
      actions: { hear: assign(({ context, event }) => heardBy(context, event.from)) },
    }).createMachine({
      context: Object.fromEntries(fields.map((_, i) => [`list${i}`, { of: [] }])),
      initial: 'a',
      states: { a: { tags: 'rest', on: { ask: { actions: 'hear' }, mail: { actions: 'hear' } } } },
    }) as AnyStateMachine,
    type,
  );
  const twice = { to: 'b', sends: [{ to: 'other:0', type }] };
  const node = machineOf({
    a: { on: { exec: twice } },
    b: { on: { exec: { ...twice, to: 'c' } } },
    c: { on: {}, tags: ['rest'] },
  });
  return {
    ...topology,
    actors: [...ids.map((id) => ({ id, kind: 'node', input: null })), { id: 'other:0', kind: 'other', input: null }],
    machines: { ...topology.machines, node },
    sets: fields.flatMap(({ isSet }, i) => (isSet ? [`other.list${i}`] : [])),
    interchangeable: [ids],
  };
}

describe('a declared symmetry', () => {
  it('is followed through messages in flight', () => {
    for (const type of ['ask', 'mail'] as const) expect(expectCovered(toy(told(asSet, type)))).toBeGreaterThan(1);
  });

  it('is refused where an actor goes by names', () => {
    const partial = hears((heard, from) => (from === 'node:0' ? heard : [...heard, 'somebody']));
    expect(() => orbitsOf(toy(told(partial, 'ask')))).toThrow(/other in "a" with .*not the same where node:0 is called node:1/);
  });

  it('keeps the order of a sequence, also where its ids happen to ascend', () => {
    for (const type of ['ask', 'mail'] as const) expect(expectCovered(toy(told(asQueue, type)))).toBeGreaterThan(1);
  });

  it('is refused where a set is not declared, and says where that is done', () => {
    const { sets: _, ...undeclared } = told(asSet, 'mail');
    expect(() => orbitsOf(toy(undeclared))).toThrow(/unless a list of ids is a set that `sets` does not name/);
  });

  it('is followed through any mixture of sets and sequences', () => {
    const fields = fc.array(fc.record({ isSet: fc.boolean(), change: fc.constantFrom(...CHANGES) }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(fields, fc.constantFrom('ask', 'mail'), fc.integer({ min: 2, max: 3 }), (fields, type, nodes) => {
        expect(expectCovered(toy(mixed(fields, type, nodes)))).toBeGreaterThan(1);
      }),
      { numRuns: 40 },
    );
  });

  it('is refused where actors of one group offer different things', () => {
    const topology = told(asSet, 'ask');
    const offering = setup({ types: { context: {} as Heard } }).createMachine({
      context: { heard: ['node:0'] },
      initial: 'a',
      states: {
        a: {
          tags: 'rest',
          meta: { offers: (c: Heard) => c.heard.map(() => ({ type: 'nudge', to: 'node:0' })) },
          on: { nudge: { actions: assign({ heard: [] }) }, ask: { actions: assign({ heard: [] }) } },
        },
      },
    }) as AnyStateMachine;
    expect(() => orbitsOf(toy({ ...topology, machines: { ...topology.machines, other: offering } }))).toThrow(SymmetryError);
  });
});

describe('the text of a row', () => {
  it('tells rows apart whatever their numbers, also beyond one code unit', () => {
    const rows = [[0], [1], [65_535], [65_536], [65_537], [131_072], [1, 65_536], [65_537, 0], [0, 65_537], [6, 65_536]];
    const keys = rows.filter((row) => row.length === 1).map((row) => rowKey(row, 1));
    expect(new Set(keys).size).toBe(keys.length);
    const pairs = rows.filter((row) => row.length === 2).map((row) => rowKey(row, 2));
    expect(new Set(pairs).size).toBe(pairs.length);
  });
});
