/**
 * Temporal forms against a naive evaluation over all paths of the explicit graph, which has no
 * monitors in it; and that what breaks is a run that says so.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEADLOCK } from '../../../../sim/end.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import type { Exploration } from '../../../../sim/explore/request.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { Property } from '../../../../sim/property.ts';
import type { Run } from '../../../../sim/run.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import { alwaysEventually, eventuallyEach, leadsTo, neverAfter, precedes, stable } from '../../../../sim/temporal.ts';
import type { ActorView } from '../../../../sim/view.ts';
import { play } from '../../play.ts';
import { MODELS, OWED_STRONGLY, topologyOfModel } from '../arbitrary.ts';
import { CATALOGUE, machineOf, type StateTable, toy } from '../toy.ts';
import { fairWithin, type NaiveGraph, naiveGraph, reachedWithin } from './naive-lassos.ts';

const BASIS = { source: 'a test', grade: 'decision' } as const;
const STATES = ['a', 'b', 'c'] as const;
const whole = (scenario: ResolvedScenario): Exploration => finish(explore({ scenario, maxStates: 100_000 }));
const brokenIn = ({ violations }: Exploration) => violations.map(({ property }) => property).filter((id) => id !== DEADLOCK);

/** A state, as a set of states of the graph; whether some path of the graph is a violation. */
type Set1 = ReadonlySet<string>;
type Oracle = (graph: NaiveGraph, p: Set1, q: Set1) => boolean;

const without = ({ states }: NaiveGraph, set: Set1): Set<string> => new Set([...states.keys()].filter((key) => !set.has(key)));
/** Whether a fair schedule, or one that ends, stays in a set forever from a state of `from` on. */
function staysIn(graph: NaiveGraph, set: Set1, from: Set1): boolean {
  const forever = fairWithin(graph, set);
  const starts = [...from].filter((key) => set.has(key));
  const reached = new Set(starts);
  for (const key of reached) for (const to of graph.next.get(key)!) if (set.has(to)) reached.add(to);
  return [...reached].some((key) => forever.has(key) || graph.ended.includes(key));
}
/** States that follow from some, themselves included. */
function following({ next }: NaiveGraph, from: Set1): Set<string> {
  const reached = new Set(from);
  for (const key of reached) for (const to of next.get(key)!) reached.add(to);
  return reached;
}

const ORACLES: Readonly<Record<string, Oracle>> = {
  leadsTo: (graph, p, q) => staysIn(graph, without(graph, q), p),
  alwaysEventually: (graph, p) => staysIn(graph, without(graph, p), new Set(graph.states.keys())),
  eventuallyEach: (graph, p) => staysIn(graph, without(graph, p), new Set([graph.first])),
  neverAfter: (graph, p, q) => [...following(graph, p)].some((key) => q.has(key)),
  stable: (graph, p) => [...p].some((key) => graph.next.get(key)!.some((to) => !p.has(to))),
  precedes: (graph, p, q) => [...reachedWithin(graph, without(graph, p))].some((key) => q.has(key)),
};

type Who = readonly ActorView<unknown>[];
/** Whom a property is of. */
const SCOPES = {
  world: { scope: { kinds: ['node'] }, of: () => [[0]] },
  each: { scope: { each: 'node' }, of: (nodes: readonly number[]) => nodes.map((one) => [one]) },
  pair: {
    scope: { pair: ['node', 'node'] },
    of: (nodes: readonly number[]) => nodes.flatMap((one) => nodes.filter((other) => other !== one).map((other) => [one, other])),
  },
} as const;
type ScopeName = keyof typeof SCOPES;

/** Holds where the last of those it is of stands in a state; of a pair, the other one elsewhere. */
const isIn = (values: readonly unknown[], state: string): boolean => values.at(-1) === state && (values.length < 2 || values[0] !== state);

let numbered = 0;
/** `p` is the first condition of a form, `q` the second. */
function propertyOf(form: keyof typeof ORACLES, scope: ScopeName, p: string, q: string): Property {
  const condition =
    (state: string) =>
    (...args: readonly unknown[]) => {
      const world = args.at(-1) as { actors(kind: string): Who };
      const who = scope === 'world' ? [world.actors('node')[0]!] : (args.slice(0, -1) as unknown as Who);
      const told = isIn(
        who.map(({ value }) => value),
        state,
      );
      return told ? `in ${state}` : null;
    };
  const id = `toy.temporal-${numbered++}`;
  const given = { ...BASIS, ...SCOPES[scope].scope } as never;
  const one = { holds: condition(p) };
  switch (form) {
    case 'leadsTo':
      return leadsTo(id, { ...(given as object), from: condition(p), to: condition(q) } as never);
    case 'alwaysEventually':
      return alwaysEventually(id, { ...(given as object), ...one } as never);
    case 'eventuallyEach':
      return eventuallyEach(id, { ...(given as object), ...one } as never);
    case 'neverAfter':
      return neverAfter(id, { ...(given as object), after: condition(p), never: condition(q) } as never);
    case 'stable':
      return stable(id, { ...(given as object), ...one } as never);
    default:
      return precedes(id, { ...(given as object), first: condition(p), second: condition(q) } as never);
  }
}

/**
 * Models in which it matters what is owed strongly: moves go round among a, b and c, and only an
 * offer that comes and goes leads to d.
 */
const event = (freq: number, ...states: readonly string[]) => fc.option(fc.constantFrom(...states), { freq });
const ROUND = fc.record({ exec: event(8, ...STATES), nudge: event(2, 'd', 'd', 'a'), interrupt: event(2, 'd', 'b') });
const COMING = fc.array(fc.tuple(ROUND, ROUND, ROUND, ROUND), { minLength: 1, maxLength: 2 });
const OWING = fc.record({
  exec: fc.boolean(),
  nudge: fc.constantFrom('weak', 'strong'),
  interrupt: fc.constantFrom('weak', 'strong', 'not'),
});

function comingAndGoing(
  machines: typeof COMING extends fc.Arbitrary<infer M> ? M : never,
  owing: Readonly<Record<string, boolean | string>>,
): Topology {
  const types = (how: string) => ['nudge', 'interrupt'].filter((type) => owing[type] === how);
  const machine = (tables: (typeof machines)[number]) =>
    machineOf(
      Object.fromEntries(
        tables.map((table, at): [string, StateTable] => {
          const events = Object.entries(table).flatMap(([type, to]) =>
            to === null || (type === 'exec' && !owing.exec) ? [] : [[type, { to }] as const],
          );
          return [
            'abcd'[at]!,
            { on: Object.fromEntries(events), owes: ['exec', ...types('weak')], owesStrongly: types('strong'), tags: ['rest'] },
          ];
        }),
      ),
    );
  return {
    actors: machines.map((_, at) => ({ id: `node:${at}`, kind: at === 0 ? 'node' : 'other', input: null })),
    machines: { node: machine(machines[0]!), other: machine(machines.at(-1)!) },
    catalogue: CATALOGUE,
  };
}

/** The graph as if what is owed strongly were owed weakly. */
const weakly = (graph: NaiveGraph): NaiveGraph => ({
  ...graph,
  edges: new Map([...graph.edges].map(([key, edges]) => [key, edges.map((edge) => ({ ...edge, strong: false }))])),
});

const upTo =
  (steps: number) =>
  (run: Run): boolean =>
    run.sequencer.step >= steps;

/** A run of the labels of each violation ends with it. */
function expectPlays(scenario: ResolvedScenario, { violations }: Exploration): void {
  for (const { labels, property, lasso } of violations) {
    if (property === DEADLOCK) continue;
    const choices = labels.map((label) => ({ index: 0, label }));
    const { end } = play(scenario, { name: 'replay', choices, match: 'label', after: { name: 'fifo' } }, undefined, upTo(labels.length));
    if (lasso || scenario.properties.always.includes(property))
      expect(end.violation).toMatchObject({ property, step: labels.length, ...(lasso && { lasso }) });
  }
}

/** What the search finds in random cases is what the oracle says; how often it did, and did not. */
function compare(
  form: string,
  cases: fc.Arbitrary<Topology>,
  goal: string | null,
  numRuns: number,
): { readonly least: number; readonly strongly: number } {
  const counts = { broken: 0, kept: 0, strongly: 0 };
  const known = new Map<string, Property>();
  const state = fc.constantFrom(...STATES);
  const check = fc.property(cases, fc.constantFrom<ScopeName>('world', 'each', 'pair'), state, state, (topology, scope, one, other) => {
    const [p, q] = goal === null ? [one, other] : form === 'leadsTo' ? [one, goal] : [goal, goal];
    const key = `${scope} ${p} ${q}`;
    const isNew = !known.has(key);
    const property = known.get(key) ?? propertyOf(form, scope, p, q);
    known.set(key, property);
    const properties = { always: [], sometimes: [], eventually: [], [property.form]: [property.id] };
    const scenario = toy(topology, isNew ? [property] : [], { properties });
    const found = whole(scenario);
    const graph = naiveGraph(topology);
    const nodes = topology.actors.flatMap(({ kind }, slot) => (kind === 'node' ? [slot] : []));
    const among = (who: readonly number[], value: string) =>
      new Set(
        [...graph.states].flatMap(([each, { locals }]) =>
          isIn(
            who.map((slot) => locals[slot]!.snapshot.value),
            value,
          )
            ? [each]
            : [],
        ),
      );
    const says = (of: NaiveGraph) => SCOPES[scope].of(nodes).some((who) => ORACLES[form]!(of, among(who, p), among(who, q)));
    const expected = says(graph);
    expect(brokenIn(found).length > 0).toBe(expected);
    counts[expected ? 'broken' : 'kept']++;
    if (says(weakly(graph)) !== expected) counts.strongly++;
    expectPlays(scenario, found);
    // A run never breaks what the search says is kept.
    if (!expected) {
      const { end } = play(scenario, { name: 'random', seed: 1 }, undefined, upTo(40));
      expect(end.violation?.property).not.toBe(property.id);
    }
  });
  fc.assert(check, { numRuns, seed: 15 });
  return { least: Math.min(counts.broken, counts.kept), strongly: counts.strongly };
}

describe('random models', () => {
  const any = fc.tuple(MODELS, OWED_STRONGLY).map(([model, owed]) => topologyOfModel(model, owed));
  const coming = fc.tuple(COMING, OWING).map(([machines, owing]) => comingAndGoing(machines, owing));

  it.each(Object.keys(ORACLES))('break what the naive evaluation says: %s', (form) => {
    expect(compare(form, any, null, 24).least).toBeGreaterThan(3);
  });

  it.each(['leadsTo', 'alwaysEventually', 'eventuallyEach'])('break it also where it matters what is owed strongly: %s', (form) => {
    const { least, strongly } = compare(form, coming, 'd', 45);
    expect(least).toBeGreaterThan(5);
    expect(strongly).toBeGreaterThan(1);
  });
});

describe('a run', () => {
  const states: Readonly<Record<string, StateTable>> = {
    a: { on: { preempt: { to: 'b' }, interrupt: { to: 'c' } }, owes: ['preempt', 'interrupt'] },
    b: { on: { preempt: { to: 'a' }, nudge: { to: 'd' } }, owes: ['preempt'], owesStrongly: ['nudge'] },
    c: { on: { preempt: { to: 'a' } }, owes: ['preempt'] },
    d: { on: {}, tags: ['rest'] },
  };
  const topology = { actors: [{ id: 'node:0', kind: 'node', input: null }], machines: { node: machineOf(states) }, catalogue: CATALOGUE };

  it('is back where it was in a fair way, though a longer way back is not: what is owed strongly was possible on it', () => {
    const property = propertyOf('alwaysEventually', 'each', 'd', 'd');
    const choices = ['preempt', 'preempt', 'interrupt', 'preempt'].map((type) => ({ index: 0, label: `${type}(node:0)` }));
    const { end } = play(toy(topology, [property]), { name: 'replay', choices, match: 'label' }, undefined, upTo(4));
    expect(end.violation).toEqual({
      property: property.id,
      step: 4,
      message: 'node:0: it does not come true any more',
      lasso: { from: 2, length: 2 },
    });
  });

  it('looks back to any of the times that it was there: the last one is too late, the first one too early', () => {
    const owes = ['preempt'];
    const more: Readonly<Record<string, StateTable>> = {
      a: { on: { preempt: { to: 'b' }, interrupt: { to: 'c' }, pick: { to: 'c' } }, owes, owesStrongly: ['interrupt', 'pick'] },
      b: { on: { preempt: { to: 'a' }, nudge: { to: 'd' } }, owes, owesStrongly: ['nudge'] },
      c: { on: { preempt: { to: 'a' } }, owes },
      d: { on: {}, tags: ['rest'] },
    };
    const property = propertyOf('alwaysEventually', 'each', 'd', 'd');
    const scenario = toy({ ...topology, machines: { node: machineOf(more) } }, [property]);
    const choices = ['preempt', 'preempt', 'interrupt', 'preempt', 'pick', 'preempt'].map((type) => ({
      index: 0,
      label: `${type}(node:0)`,
    }));
    const { end } = play(scenario, { name: 'replay', choices, match: 'label' }, undefined, upTo(6));
    expect(end.violation).toMatchObject({ property: property.id, step: 6, lasso: { from: 2, length: 4 } });
  });

  it('goes round without end, and is not fair, where that would be done at some time', () => {
    const property = propertyOf('alwaysEventually', 'each', 'd', 'd');
    const choices = Array.from({ length: 6 }, () => ({ index: 0, label: 'preempt(node:0)' }));
    const { end } = play(toy(topology, [property]), { name: 'replay', choices, match: 'label' }, undefined, upTo(6));
    expect(end.violation).toBeNull();
  });

  it('in order ends where it only repeats, and a drawn one at its bound', () => {
    const round: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' } } },
      b: { on: { exec: { to: 'c' } } },
      c: { on: { exec: { to: 'a' } } },
    };
    const endless = toy({ ...topology, machines: { node: machineOf(round) } }, [], { bounds: { steps: 9000, states: 1 } });
    const { end } = play(endless, { name: 'fifo' });
    expect(end).toMatchObject({ verdict: 'clean', ended: 'repeats', comesBack: { from: 8192, length: 3 } });
    expect(play(endless, { name: 'random', seed: 1 }).end.ended).toBe('bound');
    const short = { ...endless, bounds: { steps: 8000, states: 1 } };
    expect(play(short, { name: 'fifo' }).end).toMatchObject({ ended: 'bound', comesBack: { length: 3 } });
  });

  it('is done where all are at rest and only the environment could go on, however it is chosen', () => {
    const idle: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' } } },
      b: { on: { interrupt: { to: 'c' } }, owes: [], tags: ['rest'] },
      c: { on: { exec: { to: 'b' } } },
    };
    const bounds = { steps: 20_000, states: 1 };
    for (const chooser of [{ name: 'fifo' }, { name: 'random', seed: 1 }] as const) {
      const quiet = play(toy({ ...topology, machines: { node: machineOf(idle) } }, [], { bounds }), chooser);
      expect(quiet.end).toMatchObject({ verdict: 'clean', ended: 'done', comesBack: { length: 2 } });
      expect(quiet.run.sequencer.step < 10).toBe(chooser.name === 'fifo');
      // What is owed is told first.
      const owed = propertyOf('alwaysEventually', 'each', 'd', 'd');
      expect(play(toy({ ...topology, machines: { node: machineOf(idle) } }, [owed], { bounds }), chooser).end.violation?.property).toBe(
        owed.id,
      );
    }
  });
});
