/**
 * Coverage of hosts: what a search never took is told, and nothing else is; what could not happen
 * is told with its reason.
 */

import { describe, expect, it, onTestFinished } from 'vitest';
import { host, hostPatch } from '../../../../actors/host/host-env.ts';
import { replaceStep } from '../../../../actors/path/patch.ts';
import type { Hole } from '../../../../sim/explore/covered/chart.ts';
import { coveredBy, judge } from '../../../../sim/explore/excuses.ts';
import { explore } from '../../../../sim/explore/explore.ts';
import type { Exploration, ExploreRequest } from '../../../../sim/explore/request.ts';
import { sample } from '../../../../sim/explore/sample.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { register } from '../../../../sim/host/registry.ts';
import type { ResolvedScenario, Scenario } from '../../../../sim/scenario/types.ts';
import { resolved, shipped } from '../../play.ts';
import { rule, toy } from '../toy.ts';
import { topologyOf } from './walker.ts';

const all = (scenario: ResolvedScenario, rest: Partial<ExploreRequest> = {}): Exploration =>
  finish(explore({ scenario, maxStates: 100_000, ...rest }));
const told = (holes: readonly Hole[], what: Hole['what']): string[] => holes.filter((hole) => hole.what === what).map(({ name }) => name);

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
    expect(told(neverTaken, 'micro-step')).toContain('main.KVM_RUN.vcpu_block.kvm_vcpu_halt.kvm_vcpu_block.schedule');
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
    const undo = register({
      name: 'toy-cover',
      arches: ['amd'],
      mutants: { 'toy-wrong-block': { summary: 'a test', paths: { kvm_vcpu_block: [wrong] } } },
    });
    onTestFinished(undo);
    const mutant = all({ ...race, mutant: 'toy-wrong-block' });
    expect(mutant).toMatchObject({ states: raced.states, transitions: raced.transitions, violations: [] });
    expect(told(mutant.coverage.neverTaken, 'micro-step')).toContain('main.KVM_RUN.vcpu_block.kvm_vcpu_halt.kvm_vcpu_block.wrong');
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
    expect(judge(ledgers, [{ steps: 'o*r', why: 'a test' }])).toMatchObject({ open: [], excused: [{ name: 'other' }], stale: [] });
    expect(judge(ledgers, [{ steps: 'o.*r', why: 'a test' }])).toMatchObject({ excused: [], stale: ['o.*r'] });
    expect(
      judge(ledgers, [
        { steps: '*other', why: 'a test' },
        { steps: 'second*', why: 'it is taken' },
      ]).stale,
    ).toEqual(['second*']);
  });

  it('calls no entry stale for what a wider search may find behind a hole', () => {
    const [cut] = ledgers;
    const hidden = [...cut!.items.values()].find(({ key, after }) => !cut!.taken.has(key) && after.length > 0)!;
    const excuses = [
      { steps: hidden.name, why: 'a test' },
      { steps: 'none', why: 'it names nothing' },
    ];
    expect(judge([cut!], excuses).stale).toEqual([hidden.name, 'none']);
    expect(judge([cut!], excuses, { whole: false }).stale).toEqual(['none']);
  });
});
