/**
 * What the tests of coverage leave out: options of a choose, both of two branches, branches that
 * stay, excuses, groups.
 */
import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, createMachine } from 'xstate';
import type { Hole, Item } from '../../../../sim/explore/covered/chart.ts';
import { grouped } from '../../../../sim/explore/covered/holes.ts';
import { coveredBy } from '../../../../sim/explore/excuses.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import type { ExploreRequest } from '../../../../sim/explore/request.ts';
import { sample } from '../../../../sim/explore/sample.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import type { ResolvedScenario, Scenario } from '../../../../sim/scenario/types.ts';
import { resolved, shipped } from '../../play.ts';
import { small } from '../../scenario/small.ts';
import { toy } from '../toy.ts';

const all = (scenario: ResolvedScenario, rest: Partial<ExploreRequest> = {}) => finish(explore({ scenario, maxStates: 100_000, ...rest }));
const told = (holes: readonly Hole[], what: Hole['what']): string[] => holes.filter((hole) => hole.what === what).map(({ name }) => name);
const machine = (config: object): AnyStateMachine => createMachine(config as never) as unknown as AnyStateMachine;
const exec = { offers: () => [{ type: 'exec' }] };
const CATALOGUE = { exec: 'offer', nudge: 'offer' } as const;

const WRITE = { write: { gfn: 5, private: false } };
const chooses = (...before: object[]): ResolvedScenario =>
  resolved({
    name: 'chooses',
    summary: 'one guest that chooses',
    host: { arch: 'amd', cpus: 1, features: ['sev', 'sev-es', 'sev-snp'] },
    vms: {
      vm0: {
        type: 'snp',
        options: { pages: [{ gfn: 5, pfn: 0x1005, state: 'shared' }] },
        vcpus: [[...before, { choose: { of: [[], [WRITE]] } }, { hlt: {} }]],
      },
    },
    processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }]] } },
  } as unknown as Scenario);
/**
 * Operations that one random schedule never takes, without whose they are and their number, for
 * some seeds.
 */
const neverByOne = (scenario: ResolvedScenario): string[] => {
  const never = (seed: number) => {
    const request = { scenario, strategy: 'random', seed, schedules: 1, stepsMax: 1000, depth: 3, horizon: undefined, from: undefined };
    const { neverTaken } = finish(sample(request as Parameters<typeof sample>[0])).coverage;
    return told(neverTaken, 'operation').map((name) => name.replace(/^\S+ operation \d+ /, ''));
  };
  return [...new Set([1, 2, 3, 4, 5, 6, 7, 8].map((seed) => never(seed).join(' and ')))].sort();
};

describe('the options of a choose', () => {
  it('are told apart: one schedule takes one of them, and leaves out the other with all that only it does', () => {
    const scenario = chooses(WRITE);
    expect(neverByOne(scenario)).toEqual(['choose, option 1', 'choose, option 2 and write']);
    expect(told(all(scenario).coverage.neverTaken, 'operation')).toEqual([]);
  });

  it('are told apart where a program of a guest begins with the choose', () => {
    expect(neverByOne(chooses())).toEqual(['choose, option 1', 'choose, option 2 and write']);
  });

  it('are told apart where a program of a host thread begins with the choose', () => {
    const share = { 'make-shared': { vm: 'vm0', gfn: 5 } };
    const threads = [[{ KVM_RUN: { vcpu: 'vm0/0' } }], [{ choose: { of: [[], [share]] } }]];
    expect(neverByOne(resolved(small({ processes: { qemu0: { threads } } } as unknown as Partial<Scenario>)))).toEqual([
      'choose, option 1',
      'choose, option 2 and make-shared',
    ]);
  });
});

describe('branches of one state', () => {
  it('are both taken where one actor takes one, and another the other', () => {
    const node = machine({
      id: 'node',
      context: ({ input }: { input: object }) => input,
      initial: 'first',
      states: {
        first: {
          meta: exec,
          on: { exec: [{ guard: ({ context }: never) => (context as { start: string }).start === 'a', target: 'a' }, { target: 'b' }] },
        },
        a: { tags: 'rest' },
        b: { tags: 'rest' },
      },
    });
    const actors = (...starts: string[]) => starts.map((start, i) => ({ id: `node:${i}` as const, kind: 'node', input: { start } }));
    const holes = (...starts: string[]) =>
      all(toy({ actors: actors(...starts), machines: { node }, catalogue: CATALOGUE })).coverage.neverTaken;
    expect(holes('a', 'b')).toEqual([]);
    expect(holes('b', 'b')).toEqual([{ kind: 'node', what: 'micro-step', name: 'a' }]);
  });

  it('are told apart where one goes back to the state and the other stays', () => {
    const counts = (test: (count: number) => boolean) => ({ guard: ({ context }: never) => test((context as { count: number }).count) });
    const add = assign({ count: ({ context }: never) => (context as { count: number }).count + 1 } as never);
    const node = machine({
      id: 'node',
      context: { count: 0 },
      initial: 'first',
      states: {
        first: {
          meta: exec,
          on: {
            exec: [
              { ...counts((count) => count > 5), target: 'first', reenter: true, actions: add },
              { ...counts((count) => count < 2), actions: add },
              { target: 'last' },
            ],
          },
        },
        last: { tags: 'rest' },
      },
    });
    const scenario = toy({ actors: [{ id: 'node:0', kind: 'node', input: null }], machines: { node }, catalogue: CATALOGUE });
    expect(told(all(scenario).coverage.neverTaken, 'branch')).toEqual(['first on exec -> first']);
  });
});

describe('full coverage of a space that is larger than the budget', () => {
  it('takes what whole runs within a bound take', () => {
    const scenario = shipped('rmpadjust-vs-rmpupdate', 'inuse');
    const { ledger, exhausted } = finish(coveredBy(scenario, 300));
    expect(exhausted).toBe(false);
    const inOrder = all(scenario, { limits: { deviations: 0 } }).ledger.taken;
    expect([...inOrder].filter((key) => ledger.items.has(key) && !ledger.taken.has(key))).toEqual([]);
  });
});

describe('holes by path', () => {
  it('stand below the widest path that never ran, whatever other name begins alike', () => {
    const item = (name: string): Item => ({
      key: `micro-step node ${name}`,
      kind: 'node',
      what: 'micro-step',
      name,
      group: 'g',
      after: [],
    });
    const [hole, ran] = [item('main.kvm_rmp.inner.step'), item('main.kvm_rmp_make.step')];
    const ledger = { items: new Map([hole, ran].map((each) => [each.key, each])), taken: new Set([ran.key]) };
    expect(grouped([hole], ledger).map(({ place }) => place)).toEqual(['main.kvm_rmp']);
  });
});
