/**
 * A thread that runs a vCPU once more, whatever its guest has come to: the run goes on, or the
 * scenario is refused with a reason.
 */
import { describe, expect, it } from 'vitest';
import { DEADLOCK } from '../../../sim/end.ts';
import { ScenarioError } from '../../../sim/scenario/issues.ts';
import type { HostStep } from '../../../sim/scenario/program.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';
import { engineOf, play, resolved, SHIPPED, seeds, source } from '../play.ts';

/** The same programs, with each KVM_RUN three times. */
const again = (program: readonly HostStep[]): HostStep[] =>
  program.flatMap((step): HostStep[] => ('KVM_RUN' in step ? [step, step, step] : [step]));
const runAgain = (scenario: Scenario): Scenario => ({
  ...scenario,
  processes: Object.fromEntries(
    Object.entries(scenario.processes ?? {}).map(([id, process]) => [id, { ...process, threads: process.threads.map(again) }]),
  ),
});

const STEPS_MAX = 2000;
const withKvmRun = SHIPPED.filter(({ name }) => JSON.stringify(source(name)).includes('KVM_RUN') && source(name).host.arch !== 'arm64');

describe('a thread that runs its vCPU again', () => {
  it.each(withKvmRun)('goes on in $name under $variant', ({ name, variant }) => {
    const changed = resolved(runAgain(source(name)), variant);
    // What breaks there is no matter of this test, and a violation would end the run.
    const scenario: ResolvedScenario = { ...changed, properties: { always: [], sometimes: [], eventually: [] } };
    const engine = engineOf(scenario, 'memo');
    const hangs = JSON.stringify(source(name).expect?.[variant] ?? {}).includes(DEADLOCK);
    for (const spec of [{ name: 'fifo' } as const, ...seeds(4)]) {
      const { end } = play(scenario, spec, engine, ({ sequencer }) => sequencer.step >= STEPS_MAX);
      if (!hangs || end.ended !== 'deadlock') expect(end.verdict).not.toBe('violation');
    }
  });

  it('of arm64, which is off by then, is refused', () => {
    expect(() => resolved(runAgain(source('oslock-brk')), 'mainline')).toThrow(ScenarioError);
  });

  it('finds a guest of VMX that shuts down each time', () => {
    const KVM_RUN = { KVM_RUN: { vcpu: 'vm0/0' } };
    const scenario = resolved({
      name: 'again',
      summary: 'Again',
      host: { arch: 'intel', cpus: 1, preemption: 'none' },
      vms: { vm0: { type: 'vmx', vcpus: [[{ 'rdmsr-test-ctrl': {} }]] } },
      processes: { qemu0: { threads: [[KVM_RUN, { repeat: { times: 2, do: [KVM_RUN] } }]] } },
    });
    const played = play(scenario, { name: 'fifo' });
    const reasons = played.delivered('vmexit').map(({ payload }) => (payload as unknown as { readonly reason: string }).reason);
    expect(reasons).toEqual(['MSR_READ', 'SHUTDOWN', 'SHUTDOWN', 'SHUTDOWN']);
    expect(played.end).toMatchObject({ verdict: 'clean', ended: 'done' });
  });
});
