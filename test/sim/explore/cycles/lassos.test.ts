/**
 * Liveness over all schedules: which cycles are fair, what is owed in them, and that each lasso is
 * a run that ends as it says.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEADLOCK } from '../../../../sim/end.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import type { Exploration, Violation } from '../../../../sim/explore/request.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { progress } from '../../../../sim/properties/liveness.ts';
import { eventually, leavesEach, type Property } from '../../../../sim/property.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import type { WorldView } from '../../../../sim/view.ts';
import { play, shipped } from '../../play.ts';
import { MODELS, OWED, topologyOfModel } from '../arbitrary.ts';
import { actorIn, CATALOGUE, machineOf, type StateTable, toy } from '../toy.ts';
import { fairWithin, type NaiveGraph, naiveGraph, reachedWithin } from './naive-lassos.ts';

let numbered = 0;
/** Comes true where the first actor stands in this state. */
const reaches = (state: string): Property =>
  eventually(`toy.reaches-${numbered++}`, {
    kinds: ['node', 'other'],
    source: 'a test',
    grade: 'decision',
    check: (world: WorldView) => (actorIn(world, 'node:0').value === state ? `node:0 is in ${state}` : null),
  });
/** No actor of the kind stays in this state forever. */
const leaves = (state: string): Property =>
  leavesEach<unknown>(`toy.leaves-${numbered++}`, {
    kind: 'node',
    source: 'a test',
    grade: 'decision',
    each: ({ id, value }) => (value === state ? `${id} stays in ${state}` : null),
  });

const whole = (scenario: ResolvedScenario): Exploration => finish(explore({ scenario, maxStates: 100_000 }));
const brokenIn = ({ violations }: Exploration) => violations.map(({ property }) => property).filter((id) => id !== DEADLOCK);
const asks = (topology: Topology, property: Property) =>
  property === progress
    ? toy(topology, [], { properties: { always: [], sometimes: [], eventually: [progress.id] } })
    : toy(topology, [property]);
/** Actors of a machine each, `node:0` first. */
const nodes = (...machines: readonly Readonly<Record<string, StateTable>>[]): Topology => ({
  actors: machines.map((_, i) => ({ id: `node:${i}`, kind: i === 0 ? 'node' : 'other', input: null })),
  machines: { node: machineOf(machines[0]!), other: machineOf(machines[1] ?? machines[0]!) },
  catalogue: CATALOGUE,
});

/** A run of the labels ends with this violation, at its last step. */
function expectPlays(scenario: ResolvedScenario, { labels, property, lasso }: Violation): void {
  const choices = labels.map((label) => ({ index: 0, label }));
  const { end } = play(scenario, { name: 'replay', choices, match: 'label' }, undefined, (run) => run.sequencer.step >= labels.length);
  expect(end.violation).toMatchObject({ property, step: labels.length, lasso });
  expect(lasso!.from + lasso!.length).toBe(labels.length);
}

describe('a fair schedule', () => {
  const spins: Readonly<Record<string, StateTable>> = { a: { on: { exec: { to: 'a' } } }, b: { on: {}, tags: ['rest'] } };
  const goes: Readonly<Record<string, StateTable>> = { a: { on: { exec: { to: 'b' } } }, b: { on: {}, tags: ['rest'] } };

  it('steps a CPU that can always be stepped: it is not starved by one that polls', () => {
    const topology = nodes(goes, spins);
    expect(brokenIn(whole(asks(topology, reaches('b'))))).toEqual([]);
  });

  it('lets a CPU go round in circles that get it nowhere', () => {
    const circles: Readonly<Record<string, StateTable>> = { a: { on: { exec: { to: 'c' } } }, c: { on: { exec: { to: 'a' } } } };
    const scenario = asks(nodes(circles, goes), reaches('b'));
    const { violations, guarantee } = whole(scenario);
    expect(violations).toMatchObject([{ lasso: { length: 2 } }]);
    expectPlays(scenario, violations[0]!);
    expect(guarantee.join('\n')).not.toContain('Of the fair ones');
  });

  it('delivers a message that is in flight', () => {
    const waits: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'a' }, mail: { to: 'b' } } },
      b: { on: { mail: { to: 'b' } }, tags: ['rest'] },
    };
    const sends: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b', sends: [{ to: 'node:0', type: 'mail' }] } } },
      b: { on: {}, tags: ['rest'] },
    };
    expect(brokenIn(whole(asks(nodes(waits, sends), reaches('b'))))).toEqual([]);
  });

  it('is not bound to make an offer, and does not make one forever', () => {
    const waits: Readonly<Record<string, StateTable>> = { ...spins, a: { on: { exec: { to: 'a' }, interrupt: { to: 'b' } } } };
    expect(brokenIn(whole(asks(nodes(waits, goes), reaches('b'))))).toHaveLength(1);
    const storm: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' }, interrupt: { to: 'c' } } },
      b: { on: {}, tags: ['rest'] },
      c: { on: { exec: { to: 'a' } } },
    };
    expect(brokenIn(whole(asks(nodes(storm, goes), reaches('b'))))).toEqual([]);
  });
});

describe('the way to a cycle', () => {
  it('is to the one that deviates least, not to the one that is nearest', () => {
    const states: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' }, preempt: { to: 'near' } } },
      b: { on: { exec: { to: 'c' } } },
      c: { on: { exec: { to: 'stuck' } } },
      near: { on: { exec: { to: 'again' } }, yields: true },
      again: { on: { exec: { to: 'near' } } },
      stuck: { on: { exec: { to: 'retry' } }, yields: true },
      retry: { on: { exec: { to: 'stuck' } } },
    };
    const topology = { actors: [{ id: 'node:0', kind: 'node', input: null }], machines: { node: machineOf(states) }, catalogue: CATALOGUE };
    const { violations } = whole(asks(topology, progress));
    expect(violations).toMatchObject([{ property: progress.id, preemptions: 0, steps: 5, least: true, lasso: { from: 3, length: 2 } }]);
  });
});

describe('what is owed', () => {
  const round = (...names: readonly string[]): Readonly<Record<string, StateTable>> =>
    Object.fromEntries(names.map((name, i) => [name, { on: { exec: { to: names[(i + 1) % names.length]! } } }]));

  it('once, is owed until it comes true, and not again', () => {
    const once: Readonly<Record<string, StateTable>> = { x: { on: { exec: { to: 'a' } } }, ...round('a', 'b') };
    expect(brokenIn(whole(asks(nodes(once), reaches('x'))))).toEqual([]);
    expect(brokenIn(whole(asks(nodes(once), reaches('b'))))).toEqual([]);
    expect(brokenIn(whole(asks(nodes(once), reaches('c'))))).toHaveLength(1);
  });

  it('again and again, is owed by each actor by itself', () => {
    expect(brokenIn(whole(asks(nodes(round('a', 'b')), leaves('a'))))).toEqual([]);
    const both: Topology = { ...nodes(round('a', 'b')), actors: ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })) };
    expect(brokenIn(whole(asks(both, leaves('a'))))).toEqual([]);
    expect(brokenIn(whole(asks(nodes(round('a')), leaves('a'))))).toHaveLength(1);
  });

  it('at the end of a run, is a violation without a lasso', () => {
    const ends: Readonly<Record<string, StateTable>> = { a: { on: { exec: { to: 'b' } } }, b: { on: {}, tags: ['rest'] } };
    expect(whole(asks(nodes(ends), reaches('c'))).violations).toMatchObject([
      { message: 'the run ended and it never came true', steps: 1 },
    ]);
    expect(whole(asks(nodes(ends), leaves('b'))).violations).toMatchObject([{ message: 'the run ended, and node:0 stays in b' }]);
  });

  it('is told apart: hang, unbounded retry, livelock, and a program that gets on', () => {
    const poll: Readonly<Record<string, StateTable>> = { a: { on: { exec: { to: 'a' } } } };
    const retry: Readonly<Record<string, StateTable>> = {
      a: { on: { exec: { to: 'b' } }, yields: true },
      b: { on: { exec: { to: 'a' } } },
    };
    const works = round('a', 'b');
    const messageOf = (...machines: readonly Readonly<Record<string, StateTable>>[]) => {
      const scenario = asks(nodes(...machines), progress);
      const { violations } = whole(scenario);
      for (const violation of violations) expectPlays(scenario, violation);
      return violations[0]?.message ?? null;
    };
    expect(whole(asks(nodes(poll), progress)).violations).toMatchObject([{ property: DEADLOCK, message: 'node:0 stands in a' }]);
    expect(messageOf(retry)).toMatch(/^unbounded retry: node:0 /);
    expect(messageOf(retry, retry)).toMatch(/^livelock: node:0 and node:1 /);
    expect(messageOf(works)).toBeNull();
    expect(messageOf(works, poll)).toBe('hang: node:1 retires nothing any more');
  });
});

/** What the oracle says of a property over the whole graph. */
function oracle(graph: NaiveGraph, property: Property, slots: number): boolean {
  const all = new Set(graph.states.keys());
  const at = (key: string, slot: number) => graph.states.get(key)!.locals[slot]!.snapshot;
  const meets = (set: ReadonlySet<string>, keys: Iterable<string>) => [...keys].some((key) => set.has(key));
  if (property.cycle) return fairWithin(graph, all, true).size > 0;
  if (property.owes) {
    return Array.from({ length: slots }, (_, slot) => slot).some((slot) => {
      const owing = (key: string) =>
        at(key, slot).machine.id === 'toy' && property.owes!({ id: '', value: at(key, slot).value, context: {} as never }) !== null;
      const some = new Set([...all].filter(owing));
      return fairWithin(graph, some).size > 0 || meets(some, graph.ended);
    });
  }
  const unmet = (key: string) =>
    property.check({ actors: (kind: string) => (kind === 'node' ? [{ id: 'node:0', ...at(key, 0) }] : []) } as never) === null;
  const owed = reachedWithin(graph, new Set([...all].filter(unmet)));
  return fairWithin(graph, owed).size > 0 || meets(owed, graph.ended);
}

describe('random models', () => {
  const asked = { once: reaches, left: leaves, cycle: () => progress } as const;

  it.each(['once', 'left', 'cycle'] as const)(
    'hang where the oracle says so, and the lasso plays: %s',
    (which) => {
      let broken = 0;
      let kept = 0;
      // Properties are known by name to the whole process: one for each state, not one for each
      // model.
      const properties = new Map(['a', 'b', 'c'].map((state) => [state, asked[which](state)]));
      for (const property of properties.values()) asks(nodes({ a: { on: {}, tags: ['rest'] } }), property);
      fc.assert(
        fc.property(MODELS, OWED, fc.constantFrom('a', 'b', 'c'), (model, owed, state) => {
          const topology = topologyOfModel(which === 'left' ? { ...model, mixed: false } : model, owed);
          const property = properties.get(state)!;
          const scenario = toy(topology, [], { properties: { always: [], sometimes: [], eventually: [property.id] } });
          const exploration = whole(scenario);
          const expected = oracle(naiveGraph(topology), property, topology.actors.length);
          expect(brokenIn(exploration).length > 0).toBe(expected);
          expected ? broken++ : kept++;
          for (const violation of exploration.violations) if (violation.lasso) expectPlays(scenario, violation);
        }),
        { numRuns: 100, seed: 7 },
      );
      expect(broken).toBeGreaterThan(15);
      expect(kept).toBeGreaterThan(15);
    },
    120_000,
  );
});

describe('the shipped scenario of a handler that cannot get through', () => {
  it.each(['kick', 'no-kick'])('is an unbounded retry under %s: the handler fails in every turn, and all others move', (variant) => {
    const scenario = shipped('vmsa-in-use-kick', variant);
    const { violations } = whole(scenario);
    expect(violations).toMatchObject([{ property: 'rmp.retry-bounded', least: true, disturbances: 0, preemptions: 0 }]);
    expectPlays(scenario, violations[0]!);
    const turn = violations[0]!.labels.slice(violations[0]!.lasso!.from);
    expect(turn.filter((label) => label.startsWith('exec(pcpu:0)')).length).toBeGreaterThan(0);
    expect(turn.filter((label) => label.startsWith('exec(pcpu:1)')).length).toBeGreaterThan(0);
  });

  it('gets through under kick-and-block, whatever the fair schedule', () => {
    const { violations, guarantee, exhausted } = whole(shipped('vmsa-in-use-kick', 'kick-and-block'));
    expect([violations, exhausted]).toEqual([[], true]);
    expect(guarantee.join('\n')).toContain('Of the fair ones among them, none breaks rmp.retry-bounded');
  });

  it('is not decided within a bound, nor where the search ended early, and the guarantee says so', () => {
    const scenario = shipped('vmsa-in-use-kick', 'kick-and-block');
    const bounded = finish(explore({ scenario, maxStates: 100_000, limits: { deviations: 1 } }));
    expect(bounded.guarantee.join('\n')).toContain('liveness (rmp.retry-bounded)');
    const early = finish(explore({ scenario, maxStates: 500 }));
    expect(early.guarantee.join('\n')).toContain('liveness (rmp.retry-bounded)');
  });

  it('keeps what a search that ended early has found', () => {
    const { violations, exhausted } = finish(explore({ scenario: shipped('vmsa-in-use-kick', 'no-kick'), maxStates: 12_000 }));
    expect([exhausted, violations.map(({ property }) => property)]).toEqual([false, ['rmp.retry-bounded']]);
  });
});
