/**
 * The end of a process ends its KVM_RUN threads, wherever they are: R1, R6 to R10, in guest mode,
 * halted. Between R5 and R19 they leave at R18.
 * @see domain debug-and-split-lock 0.1
 */
import { describe, expect, it } from 'vitest';
import type { HostProcessContext } from '../../../actors/host/host-process.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import * as w from '../../claims/world.ts';
import { engineOf, microSteps, type Played, play, seeds } from '../../sim/play.ts';
import { finish, type Line, steer, to, until } from '../../sim/steer.ts';

const OTHER = 'thread:qemu0/1';
/** A VMM that dies by SIGBUS: one of its threads writes a page that its guest has made private. */
const vmm = (program: readonly GuestStep[]) =>
  w.world({ vm0: w.vm([w.page('guest-valid')], program) }, { qemu0: [[w.run()], [w.dmaWrite()]] }, { 'kvm.rmpFault': 'panic-sigbus' });

const killedAt = (program: readonly GuestStep[], ...before: readonly Line[]) =>
  play(vmm(program), steer(...before, finish(OTHER), finish(w.VCPU)));
const lastSteps = (played: Played, count: number) =>
  microSteps(played, w.VCPU)
    .slice(-count)
    .map((name) => name.split('.').at(-1)!);
const OUT = ['syscall_exit_to_user_mode', 'kvm_on_user_return', 'sysret', 'do_exit'];
const R19_TO_END = [
  'kvm_put_guest_fpu',
  'preempt_disable',
  'kvm_arch_vcpu_put',
  'preempt_notifier_unregister',
  'preempt_enable',
  'mutex_unlock',
  ...OUT,
];
const ended = (played: Played) => played.context<HostProcessContext>('process:qemu0');

describe('a vCPU thread whose VMM is killed', () => {
  it('leaves guest mode by #VMEXIT(INTR), KVM_RUN by R19 and R20, and dies', () => {
    const played = killedAt([w.spin], to(w.VCPU, 'svm_vcpu_run.guest'));
    const turn = ['VMEXIT', 'OUTSIDE_GUEST_MODE', 'local_irq_enable', 'preempt_enable', 'handle_external_interrupt'];
    expect(lastSteps(played, turn.length + R19_TO_END.length)).toEqual([...turn, ...R19_TO_END]);
    expect(ended(played)).toMatchObject({ threads: [], signal: 'SIGBUS' });
  });

  it('does not enter the guest when R10 finds the signal', () => {
    const played = killedAt([w.spin], to(w.VCPU, 'kvm_vcpu_exit_request.test_requests'));
    const back = ['test_requests', 'test_need_resched', 'OUTSIDE_GUEST_MODE', 'local_irq_enable', 'preempt_enable'];
    expect(lastSteps(played, back.length + R19_TO_END.length)).toEqual([...back, ...R19_TO_END]);
    expect(w.exits(played)).toEqual([]);
  });

  it('does not look at signals in R6, gives its entry up in R10, and leaves at R18', () => {
    const played = killedAt([w.spin], to(w.VCPU, 'kvm_check_requests.test'));
    const [first, ...turn] = lastSteps(played, 10 + R19_TO_END.length).slice(0, 10);
    expect(first).toBe('test');
    expect(turn.join(' ')).toBe(
      'preempt_disable svm_prepare_switch_to_guest local_irq_disable IN_GUEST_MODE test_requests test_need_resched OUTSIDE_GUEST_MODE local_irq_enable preempt_enable',
    );
    expect(lastSteps(played, R19_TO_END.length)).toEqual(R19_TO_END);
    expect(w.exits(played)).toEqual([]);
  });

  it('leaves at R18 while it gives way there', () => {
    const played = killedAt([w.hlt], to(w.VCPU, 'xfer_to_guest_mode_handle_work'));
    expect(lastSteps(played, 1 + R19_TO_END.length)).toEqual(['xfer_to_guest_mode_handle_work', ...R19_TO_END]);
  });

  it('is woken from HLT', () => {
    const played = killedAt([w.hlt], to(w.VCPU, 'kvm_vcpu_block.kvm_vcpu_check_block'));
    expect(lastSteps(played, 1 + R19_TO_END.length)).toEqual(['finish_rcuwait', ...R19_TO_END]);
  });

  it('does not fall asleep any more', () => {
    const played = killedAt([w.hlt], to(w.VCPU, 'kvm_vcpu_block.prepare_to_rcuwait'));
    expect(lastSteps(played, 2 + R19_TO_END.length)).toEqual(['prepare_to_rcuwait', 'finish_rcuwait', ...R19_TO_END]);
  });

  it('gives up the wait for the mutex at R1, without a vCPU to put', () => {
    // No file may say so: a second thread calls KVM_RUN on the vCPU that the first one runs.
    const [qemu, ...rest] = vmm([w.spin]).processes;
    const [first, second] = qemu!.threads;
    const threads = [first!, { ...second!, program: first!.program }, { ...second!, id: '2' }];
    const base = vmm([w.spin]);
    const scenario = { ...base, host: { ...base.host, cpus: 3 }, processes: [{ ...qemu!, threads }, ...rest] };
    const asleep = until(OTHER, 'it sleeps', (scene) => {
      const { asleep: sleepers } = scene.context<{ readonly asleep: Readonly<Record<string, string>> }>('sched');
      return sleepers[OTHER] !== undefined;
    });
    const waits = [to(w.VCPU, 'svm_vcpu_run.guest'), asleep];
    const played = play(scenario, steer(...waits, finish('thread:qemu0/2'), finish(OTHER)));
    const names = microSteps(played, OTHER).map((name) => name.split('.').at(-1)!);
    expect(names.slice(-2 - OUT.length)).toEqual(['schedule', 'trylock_or_handoff', ...OUT]);
    expect(ended(played)).toMatchObject({ threads: [], signal: 'SIGBUS' });
  });

  it('dies, whatever the order', () => {
    for (const program of [[w.hlt], [{ repeat: { times: 3, do: [w.spin] } }], [w.read(true), w.psc('shared')]]) {
      const scenario = vmm(program);
      const engine = engineOf(scenario, 'memo');
      for (const seed of seeds(30)) {
        const played = play(scenario, seed, engine);
        if (ended(played).signal === 'SIGBUS') expect(ended(played).threads).toEqual([]);
      }
    }
  });
});
