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
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { alwaysEventually, eventuallyEach, leadsTo, neverAfter, precedes, stable } from '../../../../sim/temporal.ts';
import type { ActorView } from '../../../../sim/view.ts';
import { play } from '../../play.ts';
import { MODELS, OWED_STRONGLY, topologyOfModel } from '../arbitrary.ts';
import { machineOf, type StateTable, toy } from '../toy.ts';
import { fairWithin, type NaiveGraph, naiveGraph, reachedWithin } from './naive-lassos.ts';

const BASIS = { source: 'a test', grade: 'decision' } as const;
const STATES = ['a', 'b', 'c'] as const;
const whole = (scenario: ResolvedScenario): Exploration => finish(explore({ scenario, maxStates: 100_000 }));
const brokenIn = ({ violations }: Exploration) => violations.map(({ property }) => property).filter((id) => id !== DEADLOCK);

/** A state, as a set of states of the graph; whether some path of the graph is a violation. */
type Set1 = ReadonlySet<string>;
type Oracle = (graph: NaiveGraph, p: Set1, q: Set1) => boolean;

const without = ({ states }: NaiveGraph, set: Set1): Set<string> => new Set([...states.keys()].filter((key) => !set.has(key)));
/** Whether a fair schedule, or one that ends, stays in a set forever once it is in one of `from`. */
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

/** A run of the labels of each violation ends with it. */
function expectPlays(scenario: ResolvedScenario, { violations }: Exploration): void {
  for (const { labels, property, lasso } of violations) {
    if (property === DEADLOCK) continue;
    const choices = labels.map((label) => ({ index: 0, label }));
    const { end } = play(scenario, { name: 'replay', choices, match: 'label', after: { name: 'fifo' } }, undefined, (run) => run.sequencer.step >= labels.length);
    if (lasso || scenario.properties.always.includes(property)) expect(end.violation).toMatchObject({ property, step: labels.length, ...(lasso && { lasso }) });
  }
}

describe('random models', () => {
  it.each(Object.keys(ORACLES))('break what the naive evaluation says: %s', (form) => {
    const counts = { broken: 0, kept: 0 };
    const known = new Map<string, Property>();
    fc.assert(
      fc.property(MODELS, OWED_STRONGLY, fc.constantFrom<ScopeName>('world', 'each', 'pair'), fc.constantFrom(...STATES), fc.constantFrom(...STATES), (model, owed, scope, p, q) => {
        const topology = topologyOfModel(model, owed);
        const key = `${scope} ${p} ${q}`;
        const isNew = !known.has(key);
        const property = known.get(key) ?? propertyOf(form, scope, p, q);
        known.set(key, property);
        const properties = { always: [], sometimes: [], eventually: [], [property.form]: [property.id] };
        const scenario = toy(topology, isNew ? [property] : [], { properties });
        const found = whole(scenario);
        const graph = naiveGraph(topology);
        const nodes = topology.actors.flatMap(({ kind }, slot) => (kind === 'node' ? [slot] : []));
        const among = (who: readonly number[], state: string) =>
          new Set([...graph.states].flatMap(([key, { locals }]) => (isIn(who.map((slot) => locals[slot]!.snapshot.value), state) ? [key] : [])));
        const expected = SCOPES[scope].of(nodes).some((who) => ORACLES[form]!(graph, among(who, p), among(who, q)));
        expect(brokenIn(found).length > 0).toBe(expected);
        counts[expected ? 'broken' : 'kept']++;
        expectPlays(scenario, found);
      }),
      { numRuns: 60, seed: 15 },
    );
    expect(Math.min(counts.broken, counts.kept)).toBeGreaterThan(8);
  });
});
