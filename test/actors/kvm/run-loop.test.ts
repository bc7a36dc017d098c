/**
 * Where KVM_RUN looks at need_resched, signals and TIF_NOTIFY_RESUME: at R10 and R18 on x86, at the
 * head of a turn and R10 on arm64, and in R1, whose lock may sleep.
 * @see kernel arch/x86/kvm/x86.c, vcpu_run(), vcpu_enter_guest(); arch/arm64/kvm/arm.c,
 * kvm_arch_vcpu_ioctl_run(); kernel/entry/kvm.c, xfer_to_guest_mode_handle_work()
 */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { VcpuVmx } from '../../../actors/split-lock/vcpu-vmx.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';
import { intel } from '../../claims/split-lock/intel.ts';
import * as w from '../../claims/world.ts';
import { microSteps, type Played, play } from '../../sim/play.ts';
import { choose, finish, type Line, steer, to, until } from '../../sim/steer.ts';
import { Given } from '../given.ts';

/** One pCPU, on which a daemon waits while the vCPU's thread runs. */
const shared = (host: Partial<Scenario['host']>, program = [w.psc('private')]): ResolvedScenario =>
  w.oneGuest(
    [w.page('shared')],
    program,
    { netd: [[w.dmaWrite()]] },
    {},
    { host: { arch: 'amd', cpus: 1, ...host }, bounds: { steps: 400 } },
  );
const TAKEN = choose('preempt(pcpu:0)');
const preemptedAt = (host: Partial<Scenario['host']>, point: string): Played =>
  play(shared(host), steer(to(w.VCPU, 'main.start'), to(w.VCPU, point), TAKEN, finish(w.NETD), finish(w.VCPU)));
const stepsOf = (played: Played, from: string, actor = w.VCPU): string[] => {
  const names = microSteps(played, actor).map((name) => name.split('.').at(-1)!);
  return names.slice(names.indexOf(from));
};
const turnsBack = (played: Played): number => microSteps(played, w.VCPU).filter((name) => name.endsWith('.IN_GUEST_MODE')).length;

describe.each(['voluntary', 'none'] as const)('a vCPU thread on a host of preemption %s', (preemption) => {
  it.each(['mutex_lock_killable.trylock', 'xfer_to_guest_mode_handle_work'])('gives way at %s', (point) => {
    expect(preemptedAt({ preemption }, point).world).toBeDefined();
  });

  it.each(['kvm_load_guest_fpu', 'kvm_check_requests.test', 'vcpu_enter_guest.preempt_disable', 'KVM_RUN.kvm_put_guest_fpu'])(
    'keeps its CPU at %s, where one that is preempted loses it',
    (point) => {
      expect(() => preemptedAt({ preemption }, point)).toThrow('preempt(pcpu:0): nothing does it');
      expect(() => preemptedAt({ preemption: 'full' }, point)).not.toThrow();
    },
  );
});

describe('need_resched that is set between R5 and R10 of the first turn', () => {
  const pending = () => shared({ preemption: 'voluntary', ticks: 'pending' });
  const story = [to(w.VCPU, 'main.start'), to(w.VCPU, 'kvm_check_requests.test'), choose('tick(pcpu:0)')];

  it('lets a voluntary host prepare the switch, give the entry up, and give way at R18', () => {
    const played = play(pending(), steer(...story, finish(w.NETD), finish(w.VCPU)));
    const from = stepsOf(played, 'svm_prepare_switch_to_guest');
    expect(from.slice(0, 11).join(' ')).toBe(
      'svm_prepare_switch_to_guest local_irq_disable IN_GUEST_MODE test_requests test_need_resched OUTSIDE_GUEST_MODE local_irq_enable preempt_enable kvm_arch_vcpu_put kvm_arch_vcpu_load xfer_to_guest_mode_handle_work',
    );
  });

  it('leaves the guest state loaded that R8 has loaded, until the switch puts it', () => {
    const VMM = 'thread:qemu0/vcpu0';
    const scenario = intel({
      guest: [{ spin: {} }],
      others: { other: [{ compute: { steps: 1 } }] },
      host: { preemption: 'voluntary', ticks: 'pending' },
    });
    const first = [to(VMM, 'main.start'), to(VMM, 'kvm_check_requests.test'), choose('tick(pcpu:0)')];
    const loaded = (...lines: readonly Line[]) => {
      let seen: boolean | undefined;
      const look = until(VMM, 'a look', (scene) => {
        seen = scene.context<VcpuVmx>('vmx:vm0/0').loaded;
        return true;
      });
      play(scenario, steer(...first, ...lines, look), undefined, () => seen !== undefined);
      return seen;
    };
    expect(loaded()).toBe(false);
    expect(loaded(to(VMM, 'OUTSIDE_GUEST_MODE'))).toBe(true);
    expect(loaded(to(VMM, 'xfer_to_guest_mode_handle_work'))).toBe(true);
    expect(loaded(to(VMM, 'xfer_to_guest_mode_handle_work'), finish('thread:other/0'))).toBe(false);
  });
});

describe('TIF_NOTIFY_RESUME', () => {
  const at = 'kvm_check_requests.test';

  it('of a thread that was switched away makes R10 give up, without a request, a signal or need_resched', () => {
    expect(turnsBack(preemptedAt({}, at))).toBe(turnsBack(preemptedAt({ rseq: true }, at)) - 1);
    expect(stepsOf(preemptedAt({ rseq: true }, at), 'test_need_resched').slice(1, 5)).toEqual([
      'OUTSIDE_GUEST_MODE',
      'local_irq_enable',
      'preempt_enable',
      'xfer_to_guest_mode_handle_work',
    ]);
  });

  it('costs no entry where the switch was at R18, or in user mode', () => {
    for (const point of ['xfer_to_guest_mode_handle_work', 'KVM_RUN.ioctl'])
      expect(turnsBack(preemptedAt({ rseq: true }, point))).toBe(turnsBack(preemptedAt({}, point)));
  });

  it('is set in R1 too, and is gone when the thread is back in user mode', () => {
    expect(turnsBack(preemptedAt({ rseq: true }, 'trylock'))).toBe(turnsBack(preemptedAt({}, 'trylock')) + 1);
    const flags: unknown[] = [];
    const look = until(w.VCPU, 'a look', (scene) => {
      flags.push(scene.context<HostThread>(w.VCPU).notifyResume);
      return true;
    });
    const lines = [to(w.VCPU, 'main.start'), to(w.VCPU, 'KVM_RUN.mutex_unlock'), TAKEN, finish(w.NETD)];
    play(shared({ rseq: true }), steer(...lines, to(w.VCPU, 'sysret'), look, to(w.VCPU, 'main.fetch'), look));
    expect(flags).toEqual([true, undefined]);
  });
});

describe('a thread of an arm64 vCPU', () => {
  const guest = (program: readonly GuestStep[]) =>
    w.world({ vm0: { type: 'arm64', vcpus: [program] } }, { qemu0: [[w.run()]] }, {}, { host: { arch: 'arm64', features: [] } });
  const { machines, actors } = topologyOf(guest([w.hlt]));
  const IN_KVM_RUN = /^.*KVM_RUN\./;

  /** The thread's steps, where the others answer so; it is killed before one of them. */
  function walk(answers: Readonly<Record<string, object>>, killedAt: string): string[] {
    const input = actors.find(({ id }) => id === w.VCPU)!.input;
    let given = Given.start<HostThread>(machines.hostThread!, input).after({ type: 'sched.swapIn', from: 'pcpu:0' });
    const names: string[] = [];
    for (let at = nameOf(given.state); at !== 'main.do_exit' && names.length < 80; at = nameOf(given.state)) {
      names.push(at.replace(IN_KVM_RUN, ''));
      if (at.endsWith(killedAt)) given = given.after({ type: 'process.kill' });
      const { sent, and } = given.when({ type: 'step' });
      const asked = sent.map(({ to, event }) => ({ from: to, ...answers[event.type] })).find((answer) => 'type' in answer);
      given = asked ? and.after(asked as { type: string }) : and;
    }
    return names;
  }
  const nameOf = (state: unknown): string => {
    const code = (state as { code: unknown }).code;
    const names: string[] = [];
    for (let value: unknown = code; value !== undefined; ) {
      const [name, inner] = typeof value === 'string' ? [value, undefined] : Object.entries(value as object)[0]!;
      names.push(name);
      value = inner;
    }
    return names.join('.');
  };
  const ANSWERS = {
    'mutex.lock': { type: 'mutex.locked', acquired: true },
    'vcpu.requests?': { type: 'vcpu.requests', pending: [], exiting: false },
    'cpu.needResched?': { type: 'cpu.needResched', pending: false },
    'guest.step': { type: 'vmexit', reason: 'HLT', info: null },
    'vcpu.block': { type: 'vcpu.blocked', sleep: true, halted: true },
  };

  it('gives way at the head of each turn, before it looks at requests', () => {
    const played = play(guest([w.hlt, { execute: {} }]), { name: 'fifo' });
    expect(stepsOf(played, 'put_cpu').slice(1, 4)).toEqual(['xfer_to_guest_mode_handle_work', 'test', 'preempt_disable']);
  });

  it('walks on to R10 with the signal that it has found there, without a look at requests, and back', () => {
    const names = walk(ANSWERS, 'xfer_to_guest_mode_handle_work');
    const from = names.findIndex((name) => name.endsWith('.xfer_to_guest_mode_handle_work'));
    expect(names.slice(from, names.indexOf('vcpu_put.preempt_disable')).map((name) => name.split('.').at(-1))).toEqual([
      'xfer_to_guest_mode_handle_work',
      'preempt_disable',
      'local_irq_disable',
      'IN_GUEST_MODE',
      'OUTSIDE_GUEST_MODE',
      'local_irq_enable',
      'preempt_enable',
    ]);
  });

  it('sleeps inside the handler of WFI, which is over when a signal has ended the sleep', () => {
    const names = walk(ANSWERS, 'kvm_vcpu_block.prepare_to_rcuwait');
    const from = names.findIndex((name) => name.startsWith('kvm_handle_wfx.'));
    expect(names.slice(from, from + 3)).toEqual(
      ['kvm_vcpu_check_block', 'kvm_vcpu_block.prepare_to_rcuwait', 'kvm_vcpu_block.finish_rcuwait'].map(
        (name) => `kvm_handle_wfx.kvm_vcpu_halt.${name}`,
      ),
    );
    expect(names.slice(from + 3)[0]).toBe('kvm_arm_vcpu_enter_exit.preempt_disable');
    expect(names.some((name) => name.startsWith('vcpu_block.'))).toBe(false);
  });
});
