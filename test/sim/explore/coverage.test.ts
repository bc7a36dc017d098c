/** Coverage: what a search never took is told, and nothing else is; what could not happen is told with its reason. */

import { describe, expect, it } from 'vitest';
import { assign, emit, setup } from 'xstate';
import { host, hostPatch } from '../../../actors/host/host-env.ts';
import { replaceStep } from '../../../actors/path/patch.ts';
import { outgoing } from '../../../events/event.ts';
import { MemoEngine } from '../../../sim/engine/memo.ts';
import type { Hole } from '../../../sim/explore/covered/chart.ts';
import { ledgerOf } from '../../../sim/explore/covered/ledger.ts';
import { coveredBy, judge } from '../../../sim/explore/excuses.ts';
import { explore } from '../../../sim/explore/explore.ts';
import type { Exploration, ExploreRequest } from '../../../sim/explore/request.ts';
import { sample } from '../../../sim/explore/sample.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { register } from '../../../sim/host/registry.ts';
import { topologyOf as topologyIn } from '../../../sim/host/topology.ts';
import { DeadEnds } from '../../../sim/rows/dead-ends.ts';
import { WorldStep } from '../../../sim/rows/world-step.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';
import { resolved, shipped } from '../play.ts';
import { CATALOGUE, rule, toy } from './toy.ts';

const all = (scenario: ResolvedScenario, rest: Partial<ExploreRequest> = {}): Exploration =>
  finish(explore({ scenario, maxStates: 100_000, ...rest }));
const told = (holes: readonly Hole[], what: Hole['what']): string[] => holes.filter((hole) => hole.what === what).map(({ name }) => name);

/** Steps twice; from `second` on one of two ways with one target is never taken, `other` is never entered, and nothing ever nudges it. */
const walker = (isBig: (count: number) => boolean) =>
  setup({
    types: { context: {} as { readonly count: number } },
    actions: { add: assign({ count: ({ context }) => context.count + 1 }) },
    guards: { isBig: ({ context }) => isBig(context.count) },
  }).createMachine({
    id: 'node',
    context: { count: 0 },
    initial: 'first',
    states: {
      first: { meta: { offers: () => [{ type: 'exec' }] }, on: { exec: { target: 'second', actions: 'add' }, nudge: 'other' } },
      second: {
        meta: { offers: () => [{ type: 'exec' }] },
        on: { exec: [{ guard: 'isBig', target: 'last', actions: 'add' }, { target: 'last' }] },
      },
      other: { on: { exec: 'last' } },
      last: { tags: 'rest' },
    },
  });
const topologyOf = (isBig: (count: number) => boolean) => ({
  actors: [{ id: 'node:0', kind: 'node', input: null }],
  machines: { node: walker(isBig) },
  catalogue: CATALOGUE,
});

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

const race = shipped('rmpadjust-vs-rmpupdate', 'inuse-retried');
const raced = all(race);
/** One thread that the host runs alone. */
const alone = (parts: Partial<Scenario> = {}): ResolvedScenario =>
  resolved({
    name: 'alone',
    summary: 'one guest, one thread',
    host: { arch: 'amd', cpus: 2, features: ['sev', 'sev-es', 'sev-snp'] },
    vms: {
      vm0: {
        type: 'snp',
        options: { pages: [{ gfn: 5, pfn: 0x1005, state: 'shared' }] },
        vcpus: [[{ hlt: {} }, { write: { gfn: 5, private: false } }]],
      },
    },
    processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }]] } },
    ...parts,
  } as Scenario);

describe('a host', () => {
  it('names micro-steps and branches of the paths that its programs walk', () => {
    const { neverTaken } = raced.coverage;
    expect(told(neverTaken, 'micro-step')).toContain('main.KVM_RUN.kvm_vcpu_block.schedule');
    expect(told(neverTaken, 'branch')).toContain('main.kvm_rmp_make_shared.sysret -> main.do_exit');
    expect(told(neverTaken, 'operation')).toEqual([]);
    // What no program names is no hole, and the host's own machines are not the scenario's.
    expect(neverTaken.filter(({ name }) => name.includes('snp_launch') || name.includes('irq.'))).toEqual([]);
  });

  it('says that nothing could be preempted where a CPU never had two to run', () => {
    const { coverage, guarantee } = all(alone({ allow: ['interrupt'] }));
    const sentences = [0, 1].map((cpu) => `no preemption was possible on pcpu:${cpu}: nothing else was ever runnable there`);
    expect(coverage.impossible).toEqual(sentences);
    expect(guarantee).toContain(`Could not happen: ${sentences.join('; ')}.`);
  });

  it('gives the reason: a model without preemption, one pCPU', () => {
    const program = [{ KVM_RUN: { vcpu: 'vm0/0' } }] as const;
    const { impossible } = all(
      alone({ host: { ...alone().host, cpus: 1 } as Scenario['host'], processes: { qemu0: { threads: [program] } } }),
    ).coverage;
    expect(impossible).toContain('no migration was possible: there is one pCPU');
  });

  it('names an offer that is allowed and never enabled', () => {
    const { impossible } = all({ ...alone(), allow: ['psp-error'] }).coverage;
    expect(impossible).toContain('psp-error is allowed and was never possible: no actor ever offered it');
    const awake = all(alone({ allow: ['interrupt', 'spurious-exit'] })).coverage;
    expect(awake.impossible.filter((line) => line.includes('is allowed'))).toEqual([]);
    expect(told(awake.neverTaken, 'offer')).toEqual([]);
  });

  it('names operations that no thread or guest comes to', () => {
    const never = alone();
    // A halted guest that nothing wakes does not get to its second operation.
    expect(told(all(never).coverage.neverTaken, 'operation')).toEqual(['vcpu:vm0/0 operation 2 write']);
    expect(told(all(alone({ allow: ['interrupt'] })).coverage.neverTaken, 'operation')).toEqual([]);
  });

  it('finds the same within a bound that cuts nothing, with fingerprints, and where local steps run on', () => {
    const scenario = alone({ allow: ['interrupt'] });
    const { neverTaken, impossible } = all(scenario).coverage;
    expect(neverTaken.length).toBeGreaterThan(10);
    for (const rest of [{ limits: { deviations: 99 } }, { local: true }, { compact: true }] as const)
      expect(all(scenario, rest).coverage).toMatchObject({ neverTaken, impossible });
  });

  it('tells a mutant of what is never reached as uncovered, where nothing else tells it', () => {
    const wrong = hostPatch((path) => replaceStep(path, 'schedule', (item) => [host.step('wrong'), item]));
    register({
      name: 'toy-cover',
      arches: ['amd'],
      mutants: { 'toy-wrong-block': { summary: 'a test', paths: { kvm_vcpu_block: [wrong] } } },
    });
    const mutant = all({ ...race, mutant: 'toy-wrong-block' });
    expect(mutant).toMatchObject({ states: raced.states, transitions: raced.transitions, violations: [] });
    expect(told(mutant.coverage.neverTaken, 'micro-step')).toContain('main.KVM_RUN.kvm_vcpu_block.wrong');
  });

  it('says nothing to be impossible where a bound cuts schedules, or where they end with a violation', () => {
    const none = { whole: false, impossible: [] };
    const scenario = alone({ allow: ['interrupt'] });
    const bounded = all(scenario, { limits: { deviations: 0 } });
    expect(bounded).toMatchObject({ exhausted: true, coverage: none });
    expect(bounded.guarantee.some((line) => line.startsWith('Not taken in what was searched: '))).toBe(true);
    expect(bounded.guarantee.filter((line) => /Could not|Never taken/.test(line))).toEqual([]);
    expect(all(scenario, { limits: { deviations: 99 } }).coverage).toMatchObject({
      whole: true,
      impossible: all(scenario).coverage.impossible,
    });
    const broken = toy(
      topologyOf(() => true),
      [rule((world) => (world.actors('node')[0]!.value === 'last' ? 'broken' : null))],
      { allow: ['psp-error'] },
    );
    for (const rest of [{}, { limits: { deviations: 99 } }]) {
      const { violations, coverage } = all(broken, rest);
      expect(violations.length).toBeGreaterThan(0);
      expect(coverage).toMatchObject(none);
    }
  });

  it('tells what a sample has not taken so far', () => {
    const request = {
      scenario: alone(),
      strategy: 'random',
      seed: 1,
      schedules: 50,
      stepsMax: 1000,
      depth: 3,
      horizon: undefined,
      from: undefined,
    } as const;
    const { coverage, guarantee } = finish(sample(request));
    expect(told(coverage.neverTaken, 'operation')).toEqual(['vcpu:vm0/0 operation 2 write']);
    expect(guarantee.some((line) => line.startsWith('Not taken in what was searched: '))).toBe(true);
  });
});

describe('full coverage', () => {
  const ledgers = [false, true].map((isBig) => finish(coveredBy(toy(topologyOf(() => isBig)), 1000)).ledger);

  it('is judged over all variants together, and asks for no offer', () => {
    expect(judge(ledgers, []).open.map(({ name }) => name)).toEqual(['other']);
    expect(judge(ledgers.slice(1), []).open.map(({ name }) => name)).toEqual(['second on exec -> last (case 2)', 'other']);
  });

  it('takes what the file excuses, and finds entries that excuse nothing', () => {
    expect(judge(ledgers, [{ steps: 'o*r', why: 'a test' }])).toEqual({ open: [], excused: 1, stale: [] });
    expect(judge(ledgers, [{ steps: 'o.*r', why: 'a test' }])).toMatchObject({ excused: 0, stale: ['o.*r'] });
    expect(
      judge(ledgers, [
        { steps: '*other', why: 'a test' },
        { steps: 'second*', why: 'it is taken' },
      ]).stale,
    ).toEqual(['second*']);
  });
});
