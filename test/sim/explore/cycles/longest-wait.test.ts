/**
 * The longest wait: what others can do between the refusal of what a thread asked for and its
 * grant.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PcpuContext } from '../../../../actors/host/pcpu-context.ts';
import { compareVariant, LONGEST_WAIT, type OutcomeRange } from '../../../../sim/explore/compare.ts';
import { firstShut, longestPaths, OFFER, type WeightedGraph } from '../../../../sim/explore/cycles/weighted-graph.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { waitsIn } from '../../../../sim/host/waits.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import { engineOf, play, shipped } from '../../play.ts';
import { CATALOGUE, chain, machineOf, type StateTable, toy } from '../toy.ts';

const waitOf = (scenario: ResolvedScenario): OutcomeRange =>
  finish(compareVariant(scenario, { maxStates: 200_000 })).outcomes[LONGEST_WAIT]!;

const refused = { frames: { code: { granted: false } } };
const granted = { frames: { code: { granted: true } } };

/** One thread waits from the start on for a message of another actor. */
const waiting = (other: Readonly<Record<string, StateTable>>, waiter: Readonly<Record<string, StateTable>> = {}) =>
  toy({
    actors: [
      { id: 'thread:p/0', kind: 'hostThread', input: null },
      { id: 'node:0', kind: 'node', input: null },
    ],
    machines: {
      hostThread: machineOf(
        { a: { sets: refused, on: { ask: { to: 'b' } } }, b: { sets: granted, on: {}, tags: ['rest'] }, ...waiter },
        0,
        refused,
      ),
      node: machineOf(other),
    },
    catalogue: CATALOGUE,
  });
const tells = { to: 'd', sends: [{ to: 'thread:p/0', type: 'ask' }] } as const;
const done: StateTable = { on: {}, tags: ['rest'] };

describe('the longest wait', () => {
  it('is the most steps of others before the one that ends it, over every way there', () => {
    const two = waiting({
      a: { on: { exec: { to: 'c' }, pick: { to: 'b' } } },
      b: { on: { exec: { to: 'c' } } },
      c: { on: { exec: tells } },
      d: done,
    });
    expect(waitOf(two)).toEqual({
      reachable: true,
      inAll: true,
      forEver: false,
      thread: 'thread:p/0',
      steps: 2,
      witness: ['pick(node:0)', 'exec(node:0)'],
    });
  });

  it('lasts forever where nothing ends it, and has no bound where only an offer does', () => {
    expect(waitOf(waiting({ a: { on: { exec: { to: 'd' } } }, d: done }))).toMatchObject({ forEver: true, steps: null });
    // A deadlock, though the other one can always be stepped.
    expect(waitOf(waiting({ a: { on: { exec: { to: 'b' } } }, b: { on: { exec: { to: 'b' } } } }))).toMatchObject({ forEver: true });
    const offered = { a: { on: { exec: { to: 'a' }, nudge: tells } }, d: done };
    expect(waitOf(waiting(offered))).toMatchObject({ forEver: false, steps: null, witness: [] });
  });

  it('is never where no actor is refused anything', () => {
    const topology = {
      actors: [{ id: 'node:0', kind: 'node', input: null }],
      machines: { node: machineOf(chain(3)) },
      catalogue: CATALOGUE,
    };
    expect(waitOf(toy(topology))).toEqual({ reachable: false, inAll: false, forEver: false, thread: null, steps: 0, witness: null });
  });

  it.each([
    ['vmsa-in-use-kick', 'kick-and-block', { steps: 15, forEver: false }],
    ['vmsa-in-use-kick', 'kick', { steps: null, forEver: false }],
    ['vmsa-in-use-kick', 'no-kick', { steps: null, forEver: true }],
    ['sld-sysctl-flip', 'once', { steps: 19, forEver: false }],
    ['sld-sysctl-flip', 'twice', { steps: null, forEver: true }],
    ['rmpadjust-vs-rmpupdate', 'inuse', { steps: 0, thread: null }],
    ['rmpadjust-vs-rmpupdate', 'overlap-2m', { steps: 22, thread: 'thread:gmem/0' }],
    ['rmpadjust-vs-rmpupdate', 'inuse-retried', { steps: 22, thread: 'thread:gmem/0' }],
  ] as const)('of %s %s', (name, variant, expected) => {
    expect(waitOf(shipped(name, variant))).toMatchObject(expected);
  });

  it('is not known where the caller stops the search', () => {
    const search = compareVariant(shipped('sld-one-work-item', 'gen2-global-mitigate'), { maxStates: 200_000 });
    let turns = 0;
    for (let turn = search.next(); ; turn = search.next(turns > 10)) {
      turns++;
      if (!turn.done) continue;
      expect(turn.value.exhausted).toBe(false);
      expect(turn.value.outcomes[LONGEST_WAIT]!.inAll).toBe(false);
      break;
    }
  });

  it.each([
    ['vmsa-in-use-kick', 'kick-and-block'],
    ['rmpadjust-vs-rmpupdate', 'overlap-2m'],
  ] as const)('is what its witness shows in %s %s: the thread waits all along, and others take that many steps', (name, variant) => {
    const scenario = shipped(name, variant);
    const { witness, thread, steps } = waitOf(scenario);
    const choices = witness!.map((label) => ({ index: 0, label }));
    let others = 0;
    play(scenario, { name: 'replay', choices, match: 'label', after: { name: 'fifo' } }, engineOf(scenario, 'memo'), ({ sequencer }) => {
      const { store, locals, step } = sequencer;
      const waits = waitsIn(store, scenario.host);
      const slot = store.slotOf.get(thread!)!;
      const next = witness![step];
      if (!waits(slot, locals[slot]!)) {
        expect(others).toBe(0);
        return false;
      }
      const cpu = /^exec\((pcpu:\d)\)$/.exec(next ?? '')?.[1];
      const runs =
        cpu === undefined
          ? null
          : (store.kinds.find(({ name }) => name === 'pcpu')!.locals.values[locals[store.slotOf.get(cpu)!]!]!.context as PcpuContext)
              .current;
      if (next !== undefined && !(runs !== null && waits(store.slotOf.get(runs)!, locals[store.slotOf.get(runs)!]!))) others++;
      return next === undefined;
    });
    expect(others).toBe(steps);
  });
});

const graphOf = (nodes: number, edges: readonly (readonly [number, number, number])[], leaves: readonly number[] = []): WeightedGraph => {
  const sorted = [...edges].sort((one, other) => one[0] - other[0]);
  const starts = Array.from({ length: nodes + 1 }, (_, node) => sorted.filter(([from]) => from < node).length);
  return {
    starts,
    from: sorted.map(([from]) => from),
    targets: sorted.map(([, to]) => to),
    weights: sorted.map(([, , weight]) => weight),
    leaves,
  };
};

describe('longest paths', () => {
  const NODES = 8;
  const node = fc.integer({ min: 0, max: NODES - 1 });
  const edge = fc.tuple(node, node, fc.constantFrom(0, 1, OFFER));

  it('are those that trying every way finds, where no cycle is', () => {
    fc.assert(
      fc.property(fc.array(edge, { maxLength: 20 }), (edges) => {
        const down = edges.filter(([from, to]) => from < to);
        const most = (at: number): number =>
          Math.max(0, ...down.flatMap(([from, to, weight]) => (from === at && weight !== OFFER ? [weight + most(to)] : [])));
        const graph = graphOf(NODES, down);
        const { longest, next } = longestPaths(graph);
        for (let at = 0; at < NODES; at++) {
          expect(longest[at]).toBe(most(at));
          const way = next(at);
          expect(way.reduce((sum, each) => sum + graph.weights[each]!, 0)).toBe(most(at));
          way.forEach((each, i) => {
            expect(graph.from[each]).toBe(i === 0 ? at : graph.targets[way[i - 1]!]);
          });
        }
      }),
    );
  });

  it('go through a cycle once, for nothing, and on from it', () => {
    const graph = graphOf(4, [
      [0, 1, 1],
      [1, 2, 1],
      [2, 1, 1],
      [2, 3, 1],
    ]);
    const { longest, next } = longestPaths(graph);
    expect([...longest]).toEqual([2, 1, 1, 0]);
    expect(next(0).map((each) => graph.targets[each])).toEqual([1, 2, 3]);
  });

  it('and nodes that nothing leads out from, by any edge', () => {
    fc.assert(
      fc.property(fc.array(edge, { maxLength: 16 }), fc.uniqueArray(node), (edges, leaves) => {
        const open = new Set(leaves);
        for (let round = 0; round < NODES; round++) for (const [from, to] of edges) if (open.has(to)) open.add(from);
        const shut = Array.from({ length: NODES }, (_, at) => at).filter((at) => !open.has(at));
        expect(firstShut(graphOf(NODES, edges, leaves))).toBe(shut[0] ?? -1);
      }),
    );
  });
});
