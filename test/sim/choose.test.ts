/**
 * `choose` in programs: what it becomes, who decides it, and that a search decides it in every way.
 */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../actors/kvm/guest-program.ts';
import type { VmxFields } from '../../events/split-lock/split-lock.ts';
import { Explorer } from '../../sim/explore/breadth/explorer.ts';
import { finish } from '../../sim/explore/turns.ts';
import { resolveScenario, validateResolved } from '../../sim/scenario/resolve.ts';
import type { ResolvedScenario, Scenario } from '../../sim/scenario/types.ts';
import { WorldView } from '../../sim/view.ts';
import { intel, splitLock, wrmsr } from '../claims/split-lock/intel.ts';
import { engineOf, type Played, play, seeds } from './play.ts';
import { small } from './scenario/small.ts';
import { choose, steer, steps, to } from './steer.ts';

const programOf = (steps: Scenario['processes'] extends undefined ? never : readonly object[]) =>
  resolveScenario(small({ processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }], steps as never] } } }), { knownProperties: [] })
    .processes[0]!.threads[1]!.program;
const share = { 'make-shared': { vm: 'vm0', gfn: 5 } };
const store = { write: { vm: 'vm0', gfn: 5, stores: 1 } };

/** A guest of which it is open what it writes, and where it splits a lock. */
const undecided = () =>
  intel({ guest: [{ choose: { of: [[wrmsr(0)], [wrmsr(0x2000_0000)], []] } }, { choose: { of: [[splitLock(0)], [splitLock(3)]] } }] });

describe('a choice in a program', () => {
  it('becomes a choose, and a jump behind each option but the last', () => {
    expect(programOf([store, { choose: { of: [[share], [], [store, store]] } }, share]).ops).toMatchObject([
      { op: 'write' },
      { op: 'choose', to: [2, 4, 5] },
      { op: 'make-shared' },
      { op: 'jump', to: 7 },
      { op: 'jump', to: 7 },
      { op: 'write' },
      { op: 'write' },
      { op: 'make-shared' },
      { op: 'end' },
    ]);
  });

  it('may hold a repeat, and stand in one', () => {
    const { ops, loops } = programOf([
      { repeat: { times: 2, do: [{ choose: { of: [[{ repeat: { times: 3, do: [share] } }], [store]] } }] } },
    ]);
    expect(loops).toEqual([2, 3]);
    expect(ops.map((op) => ('to' in op ? `${op.op} ${op.to}` : op.op))).toEqual([
      'choose 1,4',
      'make-shared',
      'next 1',
      'jump 5',
      'write',
      'next 0',
      'end',
    ]);
  });

  it('has at least two options, and is at most four deep', () => {
    expect(() => programOf([{ choose: { of: [[share]] } }])).toThrow(/choose\.of/);
    const nested = (depth: number): object => (depth === 0 ? share : { choose: { of: [[nested(depth - 1)], []] } });
    expect(() => programOf([nested(5)])).toThrow(/found choose nested too deep; expected at most 4 levels/);
    expect(programOf([nested(4)]).ops).toHaveLength(10);
  });

  it('is refused in a resolved scenario if it jumps back or past the end', () => {
    const scenario = undecided();
    const spoilt = (to: readonly number[]): ResolvedScenario => ({
      ...scenario,
      vms: scenario.vms.map((vm) => ({
        ...vm,
        vcpus: vm.vcpus.map((program) => ({ ...program, ops: [{ op: 'choose', to }, ...program.ops.slice(1)] })),
      })),
    });
    expect(() => validateResolved(spoilt([1, 0]))).toThrow(/expected choose to jump ahead/);
    expect(() => validateResolved(spoilt([1, 99]))).toThrow(/expected choose to jump ahead/);
    expect(validateResolved(scenario)).toEqual(scenario);
  });
});

describe('a choice in a run', () => {
  const at = to('thread:qemu0/vcpu0', 'guest.choose', 'vcpu:vm0/0');
  const ways = (...labels: readonly string[]) =>
    play(
      undecided(),
      steer(...labels.flatMap((label) => [at, choose(label), steps('thread:qemu0/vcpu0', 1)])),
      engineOf(undecided(), 'live'),
    );
  const written = (played: Played) =>
    played.delivered('vmx.write').flatMap(({ payload }) => (payload.fields as { readonly testCtrl?: number }).testCtrl ?? []);

  it('takes the first option in order, and another one where its offer is taken', () => {
    expect(written(ways())).toEqual([0]);
    expect(written(ways('choose(vcpu:vm0/0, 1)'))).toEqual([0x2000_0000]);
    expect(written(ways('choose(vcpu:vm0/0, 2)'))).toEqual([]);
  });

  it('is made once, and leaves nothing behind', () => {
    const { run, context } = ways('choose(vcpu:vm0/0, 2)', 'choose(vcpu:vm0/0, 1)');
    expect(run.sequencer.labels.filter((label) => label.startsWith('choose('))).toHaveLength(2);
    expect(context<Vcpu>('vcpu:vm0/0').frames.guest).toEqual({});
  });

  it('is offered where the program stands at it, until one is taken', () => {
    const seen = new Set<string>();
    const scenario = undecided();
    const engine = engineOf(scenario, 'memo');
    for (const spec of seeds(20)) {
      play(scenario, spec, engine, ({ sequencer }) => {
        const { value, context } = new WorldView(sequencer.store, sequencer.locals).actors<Vcpu>('vcpu')[0]!;
        const offers = sequencer.alternatives().filter(({ label }) => label.startsWith('choose(')).length;
        const stands = JSON.stringify(value) === '{"guest":"choose"}';
        seen.add(`${stands ? `at ${context.pc}` : 'elsewhere'}, option ${context.frames.guest?.option ?? 'none'}: ${offers} offers`);
        return false;
      });
    }
    expect([...seen].filter((line) => !/^elsewhere, option .*: 0 offers$/.test(line)).sort()).toEqual([
      'at 0, option 1: 0 offers',
      'at 0, option 2: 0 offers',
      'at 0, option none: 2 offers',
      'at 5, option 1: 0 offers',
      'at 5, option none: 1 offers',
    ]);
  });
});

describe('a search', () => {
  it('decides every choice in every way', () => {
    const scenario = undecided();
    const explorer = new Explorer({ scenario, properties: false, budget: { states: 100_000 } });
    expect(finish(explorer.run()).exhausted).toBe(true);
    const ends = explorer.ended.map((state) => new WorldView(explorer.world.store, explorer.localsOf(state)));
    const written = ends.map((world) => world.actors<VmxFields>('vcpuVmx')[0]!.context.testCtrl);
    const refused = ends.map((world) => world.actors<Vcpu>('vcpu')[0]!.context.exception ?? 'none');
    expect([...new Set(written.map((value, end) => `${value.toString(16)} ${refused[end]}`))].sort()).toEqual(['0 none', '20000000 AC']);
  });

  it('finds what only one option does, and the journal of it says which', () => {
    const scenario = { ...undecided(), properties: { always: ['sld.vmm-killed'], sometimes: [], eventually: [] } };
    const killing = { ...scenario, host: { ...scenario.host, options: { ...scenario.host.options, 'host.sld': 'fatal' as const } } };
    const explorer = new Explorer({ scenario: killing, budget: { states: 100_000 } });
    const report = finish(explorer.run());
    expect(report.findings.map(({ property }) => property)).toEqual(['sld.vmm-killed']);
    expect(explorer.labelsTo(report.findings[0]!.state)).toContain('choose(vcpu:vm0/0, 2)');
  });
});
