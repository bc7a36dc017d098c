/**
 * A thread of the VMM pauses a vCPU: in its guest, halted, between two runs; and what KVM_RUN does
 * about immediate_exit.
 */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { VmmSharedContext } from '../../../actors/user-vmm/vmm-shared.ts';
import type { HostOptions } from '../../../events/options.ts';
import { scenario } from '../../../sim/scenario/build.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import type { Arch, KernelVersion, ResolvedScenario } from '../../../sim/scenario/types.ts';
import { engineOf, microSteps, type Played, play, resolved } from '../../sim/play.ts';
import { finish, type Line, steer, to } from '../../sim/steer.ts';

const VCPU = 'thread:vmm/vcpu0';
const CONTROL = 'thread:vmm/1';
const TYPES = { amd: 'svm', intel: 'vmx', arm64: 'arm64' } as const;
const SPIN: GuestStep = { spin: {} };
const HLT: GuestStep = { hlt: {} };
const OUT: GuestStep = { out: { port: 0x10 } };
const at = { vcpu: 'vm0/0' };
const CONTROLLER: readonly HostStep[] = [{ 'pause-vcpu': at }, { KVM_GET_MP_STATE: at }, { 'resume-vcpu': at }];

const world = (
  guest: readonly GuestStep[],
  options: Partial<HostOptions> = {},
  arch: Arch = 'amd',
  kernel: KernelVersion = '6.12',
): ResolvedScenario =>
  resolved(
    scenario({
      name: 'tried',
      summary: 'Tried',
      host: { arch, cpus: 2, kernel, options },
      vms: { vm0: { type: TYPES[arch], vcpus: [guest] } },
      processes: { vmm: { threads: [[{ KVM_RUN: { ...at, reenter: true } }], CONTROLLER] } },
    }),
  );
/** The run up to the end of the story. */
function told(guest: readonly GuestStep[], lines: readonly Line[], ...rest: [Partial<HostOptions>?, Arch?, KernelVersion?]): Played {
  const tried = world(guest, ...rest);
  const story = steer(...lines);
  return play(tried, story, engineOf(tried, 'memo'), () => story.done);
}
const names = (played: Played, thread = VCPU): string[] => microSteps(played, thread).map((name) => name.split('.').at(-1)!);
const runs = (played: Played): number => names(played).filter((name) => name === 'ioctl').length;
const entries = (played: Played): number => names(played).filter((name) => /^(?:VMRUN|VMRESUME|__guest_enter)$/.test(name)).length;
const gotMutex = (played: Played): boolean => names(played, CONTROL).includes('kvm_arch_vcpu_ioctl_get_mpstate');

const KICKS = ['clear-then-look', 'look-then-clear', 'signal-mask'] as const;
const X86 = ['amd', 'intel'] as const;
const ARCHES = [...X86, 'arm64'] as const;

/** The controller has kicked and waits, the vCPU's thread drops the mutex, and both go on. */
const PAUSED = [to(CONTROL, 'mutex_lock_killable.trylock'), to(VCPU, 'look_for_pause'), finish(CONTROL)];

describe.each(ARCHES.flatMap((arch) => KICKS.map((kick) => [arch, kick] as const)))(
  'on %s, with %s, a vCPU that is paused',
  (arch, kick) => {
    const options = { 'vmm.kick': kick };

    it('in its guest leaves it, waits in user space, and goes on when it is resumed', () => {
      const played = told([SPIN], [to(VCPU, 'guest'), ...PAUSED, finish(VCPU)], options, arch);
      expect(gotMutex(played)).toBe(true);
      expect(runs(played)).toBe(2);
      expect(played.context<HostThread>(VCPU).sigpending).toBeUndefined();
      expect(played.context<VmmSharedContext>('kvmrun:vm0/0')).toEqual({ immediateExit: false, paused: false });
    });
  },
);

describe.each(X86.flatMap((arch) => KICKS.map((kick) => [arch, kick] as const)))('on %s, with %s, a vCPU that is halted', (arch, kick) => {
  it('leaves KVM_RUN when it is paused, and is still halted when it is run again', () => {
    const asleep = to(VCPU, 'kvm_vcpu_block.kvm_vcpu_check_block');
    const played = told([HLT], [asleep, ...PAUSED, asleep], { 'vmm.kick': kick }, arch);
    expect(names(played, CONTROL)).toContain('signal_wake_up');
    expect(gotMutex(played)).toBe(true);
    expect(runs(played)).toBe(2);
    expect(entries(played)).toBe(1);
  });
});

describe('a kick before the first KVM_RUN', () => {
  it('keeps the guest out', () => {
    const played = told([OUT], [to(VCPU, 'KVM_RUN.ioctl'), to(CONTROL, 'KVM_GET_MP_STATE.ioctl'), to(VCPU, 'look_for_pause')]);
    expect(runs(played)).toBe(1);
    expect(entries(played)).toBe(0);
  });
});

/** The kick comes while the VMM does what the guest asked for. */
describe.each([
  ['6.12', 'wants_to_run', 'before it loads the vCPU'],
  ['6.1', 'immediate_exit', 'behind that'],
] as const)('KVM_RUN of %s', (kernel, reads, when) => {
  const lines = [to(VCPU, 'kvm_arch_pre_run'), to(CONTROL, 'KVM_GET_MP_STATE.ioctl'), to(VCPU, 'look_for_pause')];
  const played = () => told([OUT], lines, {}, 'amd', kernel);

  it('completes what user space has done, and then heeds immediate_exit', () => {
    expect(names(played())).toContain('complete_fast_pio_out');
    expect(runs(played())).toBe(2);
    expect(entries(played())).toBe(1);
  });

  it(`reads it ${when}`, () => {
    const again = names(played()).slice(names(played()).lastIndexOf('ioctl'));
    const rest = ['kvm_arch_vcpu_load', 'complete_fast_pio_out'];
    expect(again.filter((name) => [reads, ...rest].includes(name))).toEqual(kernel === '6.1' ? [...rest, reads] : [reads, ...rest]);
  });
});

describe('a signal that comes between two KVM_RUN', () => {
  const kicked = [to(CONTROL, 'KVM_GET_MP_STATE.ioctl')];

  it('is handled by nothing where it is not blocked: with immediate_exit cleared behind the look, the guest runs', () => {
    const played = told([OUT], [to(VCPU, 'clear_immediate_exit'), ...kicked, to(VCPU, 'guest')], { 'vmm.kick': 'look-then-clear' });
    expect(played.context<VmmSharedContext>('kvmrun:vm0/0')).toEqual({ immediateExit: false, paused: true });
    expect(played.context<HostThread>(VCPU).sigpending).toBeUndefined();
    expect(entries(played)).toBe(2);
  });

  it('is seen by a look behind the clearing', () => {
    const played = told([OUT], [to(VCPU, 'clear_immediate_exit'), ...kicked, finish(CONTROL), finish(VCPU)], {
      'vmm.kick': 'clear-then-look',
    });
    expect(gotMutex(played)).toBe(true);
    expect(runs(played)).toBe(2);
  });

  it('ends the next KVM_RUN where it is blocked but there, and sigtimedwait() takes it', () => {
    const played = told([OUT], [to(VCPU, 'KVM_RUN.ioctl'), to(VCPU, 'kvm_handle_io'), to(VCPU, 'KVM_RUN.ioctl'), ...kicked, ...PAUSED], {
      'vmm.kick': 'signal-mask',
    });
    expect(names(played)).toContain('sigtimedwait_kick');
    expect(entries(played)).toBe(1);
    expect(gotMutex(played)).toBe(true);
  });
});
