/**
 * Symmetry that a model declares: names are exchanged in contexts and messages, sequences keep
 * their order, sets are sorted.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, setup } from 'xstate';
import { OrbitSearch } from '../../../../sim/explore/reduce/orbits.ts';
import { rowKey } from '../../../../sim/explore/reduce/row-key.ts';
import { SymmetryError } from '../../../../sim/explore/reduce/symmetry.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import { CATALOGUE, machineOf, toy } from '../toy.ts';
import { expectCovered } from './covered.ts';

const orbitsOf = (scenario: ResolvedScenario) => finish(new OrbitSearch(scenario, 100_000).run());

/** Nodes that send to another actor, which reacts as `machine` says. */
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
/**
 * A listener with one list for each field, held by name in a map, of which `sets` names those that
 * are sorted.
 */
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
    const partial = hears((heard, from) => (from === 'node:0' ? heard : [...heard, 'other']));
    expect(() => orbitsOf(toy(told(partial, 'ask')))).toThrow(
      /tells interchangeable actors apart.*other in "a" with .* is not the same where node:0 is called node:1/,
    );
  });

  it('keeps the order of a sequence, also where its ids happen to ascend', () => {
    for (const type of ['ask', 'mail'] as const) expect(expectCovered(toy(told(asQueue, type)))).toBeGreaterThan(1);
  });

  it('is refused where a set is not declared, and says where that is done', () => {
    const { sets: _, ...undeclared } = told(asSet, 'mail');
    expect(() => orbitsOf(toy(undeclared))).toThrow(/a list of ids keeps its order unless `sets` names it/);
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
