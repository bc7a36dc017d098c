/**
 * Coverage of models of raw machines: what a search never took is told, and nothing else is; what
 * could not happen is told with its reason.
 */

import { describe, expect, it } from 'vitest';
import { assign, createMachine, emit, setup } from 'xstate';
import { outgoing } from '../../../../events/event.ts';
import { MemoEngine } from '../../../../sim/engine/memo.ts';
import { Explorer } from '../../../../sim/explore/breadth/explorer.ts';
import type { Hole } from '../../../../sim/explore/covered/chart.ts';
import { ledgerOf } from '../../../../sim/explore/covered/ledger.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import type { Exploration, ExploreRequest } from '../../../../sim/explore/request.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { topologyOf as topologyIn } from '../../../../sim/host/topology.ts';
import { DeadEnds } from '../../../../sim/rows/dead-ends.ts';
import { WorldStep } from '../../../../sim/rows/world-step.ts';
import type { ResolvedScenario } from '../../../../sim/scenario/types.ts';
import type { Topology } from '../../../../sim/store.ts';
import { shipped } from '../../play.ts';
import { CATALOGUE, machineOf, toy } from '../toy.ts';
import { topologyOf } from './walker.ts';

const all = (scenario: ResolvedScenario, rest: Partial<ExploreRequest> = {}): Exploration =>
  finish(explore({ scenario, maxStates: 100_000, ...rest }));
const told = (holes: readonly Hole[], what: Hole['what']): string[] => holes.filter((hole) => hole.what === what).map(({ name }) => name);

describe('a model of raw machines', () => {
  const { coverage, guarantee } = all(toy(topologyOf((count) => count > 1)));

  it('names the state that is never entered, and the offer that is never made', () => {
    expect(told(coverage.neverTaken, 'micro-step')).toEqual(['other']);
    expect(told(coverage.neverTaken, 'offer')).toEqual(['nudge']);
  });

  it('tells two transitions with one target apart', () => {
    expect(told(coverage.neverTaken, 'branch')).toEqual(['second on exec -> last (case 1)']);
    const other = all(toy(topologyOf(() => true)));
    expect(told(other.coverage.neverTaken, 'branch')).toEqual(['second on exec -> last (case 2)']);
  });

  it('is counted in the guarantee', () => {
    expect(guarantee).toContain('Never taken: 1 micro-step, 1 branch, 1 offer. A mistake there is not seen.');
  });

  it('says that it was not taken in what was searched where the search ended early', () => {
    const early = all(toy(topologyOf((count) => count > 1)), { maxStates: 1, onTurn: () => {} });
    expect(early.exhausted).toBe(false);
    expect(early.guarantee.some((line) => line.startsWith('Not taken in what was searched: '))).toBe(true);
  });

  it('finds nothing missing where all is taken', () => {
    expect(all(shipped('rmp-lock'), { maxStates: 300_000 }).coverage).toMatchObject({ neverTaken: [], impossible: [] });
  });

  it('takes what is left out by one actor from another one of its kind', () => {
    const pair = (starts: readonly string[]) => ({
      actors: starts.map((start, i) => ({ id: `node:${i}`, kind: 'node', input: { start } })),
      machines: {
        node: setup({ types: { context: {} as { readonly start: string }, input: {} as { readonly start: string } } }).createMachine({
          id: 'node',
          context: ({ input }) => input,
          initial: 'first',
          states: {
            first: {
              meta: { offers: () => [{ type: 'exec' }] },
              on: { exec: [{ guard: ({ context }) => context.start === 'a', target: 'a' }, { target: 'b' }] },
            },
            a: { tags: 'rest' },
            b: { tags: 'rest' },
          },
        }),
      },
      catalogue: CATALOGUE,
    });
    expect(told(all(toy(pair(['a', 'b']))).coverage.neverTaken, 'micro-step')).toEqual([]);
    expect(told(all(toy(pair(['a', 'a']))).coverage.neverTaken, 'micro-step')).toEqual(['b']);
  });

  it('counts what one of two actors that may change places was given for both, over orbits', () => {
    const two = { ...topologyOf(() => true), actors: ['node:0', 'node:1'].map((id) => ({ id, kind: 'node', input: null })) };
    const scenario = toy({ ...two, interchangeable: [['node:0', 'node:1']] });
    const { neverTaken, impossible } = all(scenario).coverage;
    expect(all(scenario, { symmetry: true }).coverage).toMatchObject({ neverTaken, impossible });
  });

  it('does not count a step beyond the bound, nor where it leads', () => {
    const topology = {
      actors: [{ id: 'late:0', kind: 'late', input: null }],
      machines: {
        late: setup({}).createMachine({
          id: 'late',
          initial: 'first',
          states: {
            first: { meta: { offers: () => [{ type: 'exec' }, { type: 'preempt' }] }, on: { exec: 'last', preempt: 'beyond' } },
            beyond: { tags: 'rest' },
            last: { tags: 'rest' },
          },
        }),
      },
      catalogue: { ...CATALOGUE, preempt: 'offer' as const },
    };
    const names = (deviations: number) =>
      all(toy(topology), { limits: { deviations } }).coverage.neverTaken.map(({ what, name }) => `${what} ${name}`);
    expect(names(0)).toEqual(['micro-step beyond', 'offer preempt']);
    expect(names(1)).toEqual([]);
  });

  it('does not count what a look for deadlocks meets', () => {
    const scenario = toy(topologyOf(() => true));
    const looked = new WorldStep(new MemoEngine(topologyIn(scenario)));
    const untouched = new WorldStep(new MemoEngine(topologyIn(scenario)));
    const ends = new DeadEnds(looked);
    expect(ends.closureOf(looked.initial)).toHaveLength(3);
    expect([ends.isDead(looked.initial), ends.someProgresses(looked.initial)]).toEqual([false, true]);
    const { taken } = ledgerOf(scenario, looked.engine);
    expect(taken).toEqual(ledgerOf(scenario, untouched.engine).taken);
    looked.run(looked.initial, 0, looked.alternatives(0, looked.initial[0]!)[0]!);
    expect([...ledgerOf(scenario, looked.engine).taken].filter((key) => !taken.has(key))).toContain('micro-step node second');
  });

  it('is refused where a machine cannot say why an offer was never made', () => {
    const chances = [{ offers: ['nudge'], says: () => 'no nudge', needs: [] }];
    const machine = setup({}).createMachine({ id: 'node', meta: { chances }, tags: 'rest' });
    const search = () =>
      all(toy({ actors: [{ id: 'node:0', kind: 'node', input: null }], machines: { node: machine }, catalogue: CATALOGUE }));
    expect(search).toThrow(/^node.*: chances\[0\] has no text "otherwise"; give the reason that is told where all its needs held$/);
  });

  it('does not count a step out of a deadlock, in whatever order it searches', () => {
    const offers = () => [{ type: 'exec' }, { type: 'preempt' }];
    const topology = {
      actors: ['node', 'other'].map((kind) => ({ id: `${kind}:0`, kind, input: null })),
      machines: {
        node: setup({ actions: { ask: emit(outgoing('other:0', { type: 'ask' })), ignore: assign({}) } }).createMachine({
          id: 'node',
          initial: 'first',
          states: {
            first: { meta: { offers }, on: { exec: 'stuck', preempt: 'last' } },
            stuck: {
              meta: { offers, idles: true },
              on: { exec: { actions: 'ask' }, preempt: { actions: 'ignore' }, refused: { actions: 'ignore' } },
            },
            last: { tags: 'rest' },
          },
        }),
        other: setup({ actions: { refuse: emit(outgoing('node:0', { type: 'refused' })) } }).createMachine({
          id: 'other',
          initial: 'held',
          states: { held: { tags: 'rest', on: { ask: { actions: 'refuse' } } } },
        }),
      },
      catalogue: { ...CATALOGUE, preempt: 'offer', refused: 'bus' } as const,
    };
    for (const rest of [{}, { limits: { deviations: 99 } }]) {
      const { violations, coverage } = all(toy(topology), rest);
      expect(violations).toMatchObject([{ property: 'deadlock', steps: 1 }]);
      expect(told(coverage.neverTaken, 'micro-step')).toEqual([]);
      expect(told(coverage.neverTaken, 'branch')).toEqual(['stuck on exec', 'stuck on preempt', 'stuck on refused', 'held on ask']);
    }
  });

  it('knows of a search that goes on from a file what was offered in states without progress', () => {
    const chances = [{ offers: ['nudge'], says: (actor: string) => `${actor} was never nudged`, needs: [], otherwise: 'it could not be' }];
    const topology = {
      actors: ['node', 'other'].map((kind) => ({ id: `${kind}:0`, kind, input: null })),
      machines: {
        node: machineOf({
          waits: { on: { ask: { to: 'awake' } } },
          awake: { on: { exec: { to: 'end' } } },
          end: { on: {}, tags: ['rest'] },
        }),
        other: createMachine({
          ...machineOf({
            idle: { on: { nudge: { to: 'wakes' } } },
            wakes: { on: { exec: { to: 'end', sends: [{ to: 'node:0', type: 'ask' }] } } },
            end: { on: {}, tags: ['rest'] },
          }).config,
          meta: { schedules: true, chances },
        } as never),
      },
      catalogue: CATALOGUE,
    } as unknown as Topology;
    const scenario = toy(topology);
    const before = new Explorer({ scenario, budget: { states: 2 } });
    expect(finish(before.run())).toMatchObject({ exhausted: false, limit: 'states' });
    const image = structuredClone(before.image());
    expect(image.counts.head).toBe(1);
    for (const rest of [{}, { image }])
      expect(all(scenario, rest)).toMatchObject({ exhausted: true, violations: [], coverage: { neverTaken: [], impossible: [] } });
  });

  it('tells a message that is never sent', () => {
    const topology = {
      actors: ['node', 'other'].map((kind) => ({ id: `${kind}:0`, kind, input: null })),
      machines: {
        node: setup({ actions: { send: emit(outgoing('other:0', { type: 'mail' })) } }).createMachine({
          id: 'node',
          initial: 'first',
          states: {
            first: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: { target: 'sent', actions: 'send' } } },
            sent: { tags: 'rest' },
          },
        }),
        other: setup({ actions: { ignore: assign({}) } }).createMachine({
          id: 'other',
          initial: 'waits',
          states: { waits: { tags: 'rest', on: { mail: { actions: 'ignore' }, ask: { actions: 'ignore' } } } },
        }),
      },
      catalogue: CATALOGUE,
    };
    expect(all(toy(topology)).coverage.neverTaken).toEqual([{ kind: 'other', what: 'branch', name: 'waits on ask' }]);
  });
});
