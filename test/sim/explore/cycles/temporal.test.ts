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
import { play } from '../../play.ts';
import { MODELS, OWED_STRONGLY, topologyOfModel } from '../arbitrary.ts';
import { CATALOGUE, machineOf, type StateTable, toy } from '../toy.ts';
import { fairWithin, type NaiveGraph, naiveGraph, reachedWithin } from './naive-lassos.ts';
import { isIn, propertyOf, SCOPES, type ScopeName } from './temporal-forms.ts';

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
