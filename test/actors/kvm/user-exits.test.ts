/**
 * KVM_RUN ends for user space, and the next one goes on from there: port I/O, MMIO, a debugger's
 * stop, HLT without an APIC in the kernel, on every vendor that has them.
 */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { scenario } from '../../../sim/scenario/build.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import type { Arch, ResolvedScenario } from '../../../sim/scenario/types.ts';
import { exits } from '../../claims/world.ts';
import { microSteps, type Played, play, resolved } from '../../sim/play.ts';

const TYPES = { amd: 'svm', intel: 'vmx', arm64: 'arm64' } as const;
const THREAD = 'thread:vmm/vcpu0';
const GUEST = 'vcpu:vm0/0';
const X86 = ['amd', 'intel'] as const;
const ALL = [...X86, 'arm64'] as const;

const RUN: HostStep = { KVM_RUN: { vcpu: 'vm0/0' } };
const REENTER: HostStep = { KVM_RUN: { vcpu: 'vm0/0', reenter: true } };
const OUT: GuestStep = { out: { port: 0x10 } };
const IN: GuestStep = { in: { port: 0x10 } };
const READ: GuestStep = { mmio: { gpa: 0xfee0_0000 } };
const WRITE: GuestStep = { mmio: { gpa: 0xfee0_0000, write: true } };
const STOPS: GuestStep = { 'debug-exit': {} };

/** One vCPU and the thread that runs it. */
const world = (arch: Arch, guest: readonly GuestStep[], thread: readonly HostStep[], options = {}): ResolvedScenario =>
  resolved(
    scenario({
      name: 'tried',
      summary: 'Tried',
      host: { arch, cpus: 1 },
      vms: { vm0: { type: TYPES[arch], options, vcpus: [guest] } },
      processes: { vmm: { threads: [thread] } },
    }),
  );
const ran = (arch: Arch, guest: readonly GuestStep[], thread: readonly HostStep[], options = {}): Played =>
  play(world(arch, guest, thread, options), { name: 'fifo' });

/** The way out of KVM_RUN, what the VMM does, and the way in again. */
const TOLD =
  /^(?:KVM_\w+\.(?:ioctl|sysret|complete\w+|kvm_handle_mmio_return|kvm_emulate_halt_noskip)|.*\.(?:kvm_fast_pio|kvm_rip_write)|kvm_handle_\w+|address_space_rw)$/;
const steps = (played: Played): string[] =>
  microSteps(played, THREAD)
    .map((name) => name.replace(/^main\.(?:kvm_cpu_exec\.)?/, ''))
    .filter((name) => TOLD.test(name));
const guestSteps = (played: Played): string[] => microSteps(played, GUEST).map((name) => name.replace(/^guest\./, ''));
const isOver = (played: Played): boolean =>
  JSON.stringify(played.world.actor<Vcpu>(played.run.sequencer.store.slot(GUEST, 'a test')).value) === '{"guest":"off"}';

describe.each(X86)('a guest of %s that uses a port', (arch) => {
  const handler = arch === 'amd' ? 'io_interception' : 'handle_io';

  it.each([
    ['writes it', OUT, 'OUT', 'complete_fast_pio_out'],
    ['reads it', IN, 'IN', 'complete_fast_pio_in'],
  ] as const)('%s: KVM_RUN ends, user space does it, and the next KVM_RUN completes it before it enters', (_what, op, insn, completes) => {
    const played = ran(arch, [op], [REENTER]);
    const first = ['KVM_RUN.ioctl', `KVM_RUN.${handler}.kvm_fast_pio`, 'KVM_RUN.sysret', 'kvm_handle_io'];
    expect(steps(played)).toEqual([...first, 'KVM_RUN.ioctl', `KVM_RUN.${completes}`, 'KVM_RUN.sysret']);
    expect(guestSteps(played)).toEqual(['start', insn, 'fetch', 'shutdown']);
    expect(exits(played)).toEqual(['IO', 'SHUTDOWN']);
  });

  it('is completed by the next KVM_RUN of its program where no VMM loops', () => {
    const played = ran(arch, [OUT, IN], [RUN, RUN, RUN]);
    expect(steps(played).filter((name) => /complete|kvm_handle/.test(name))).toEqual([
      'KVM_RUN.complete_fast_pio_out',
      'KVM_RUN.complete_fast_pio_in',
    ]);
    expect(isOver(played)).toBe(true);
  });

  it('has its instruction open as long as KVM_RUN is not called again', () => {
    const played = ran(arch, [OUT], [RUN]);
    expect(played.context<HostThread>(THREAD).userIo).toEqual({ [GUEST]: 'PIO_OUT' });
    expect(guestSteps(played)).toEqual(['start', 'OUT']);
  });
});

describe.each(ALL)('a guest of %s that accesses an address without memory', (arch) => {
  const isArm = arch === 'arm64';
  const completes = isArm ? 'kvm_handle_mmio_return' : 'complete_emulated_mmio';

  it('reads: what user space gives is there only after the next KVM_RUN', () => {
    const played = ran(arch, [READ], [REENTER]);
    expect(steps(played)).toContain('address_space_rw');
    expect(steps(played).indexOf(`KVM_RUN.${completes}`)).toBeGreaterThan(steps(played).indexOf('address_space_rw'));
    expect(guestSteps(played)).toEqual(['start', 'MMIO', 'fetch', 'shutdown']);
    expect(played.context<HostThread>(THREAD).userIo).toBeUndefined();
  });

  it(isArm ? 'writes: the next KVM_RUN skips the instruction' : 'writes: the emulator is done when KVM_RUN ends', () => {
    const names = steps(ran(arch, [WRITE], [REENTER]));
    const skips = names.findIndex((name) => /kvm_rip_write|kvm_handle_mmio_return/.test(name));
    expect(skips).toBeGreaterThan(0);
    expect(skips > names.indexOf('address_space_rw')).toBe(isArm);
  });

  it(`completes ${isArm ? 'before' : 'behind'} vcpu_load()`, () => {
    const names = microSteps(ran(arch, [READ], [REENTER]), THREAD);
    const at = names.findIndex((name) => name.endsWith(completes));
    const load = names.findIndex(
      (name, index) => name.endsWith('.kvm_arch_vcpu_load') && index > names.findIndex((one) => one.endsWith('address_space_rw')),
    );
    expect(at).toBeGreaterThan(0);
    expect(at < load).toBe(isArm);
  });
});

describe.each(X86)('a guest of %s', (arch) => {
  it('that a debugger steps goes on behind the instruction', () => {
    const played = ran(arch, [STOPS, STOPS], [REENTER]);
    expect(exits(played)).toEqual(['DEBUG', 'DEBUG', 'SHUTDOWN']);
    expect(steps(played).filter((name) => name === 'kvm_handle_debug')).toHaveLength(2);
    expect(guestSteps(played)).toEqual(['start', 'DB', 'fetch', 'DB', 'fetch', 'shutdown']);
  });

  it('that halts ends KVM_RUN where user space has its APIC, and goes on with the next', () => {
    const played = ran(arch, [{ hlt: {} }], [REENTER], { irqchip: 'userspace' });
    const first = ['KVM_RUN.ioctl', 'KVM_RUN.kvm_emulate_halt_noskip', 'KVM_RUN.sysret', 'kvm_handle_halt'];
    expect(steps(played)).toEqual([...first, 'KVM_RUN.ioctl', 'KVM_RUN.sysret']);
    expect(isOver(played)).toBe(true);
  });

  it.each([{}, { irqchip: 'kernel' }])('that halts sleeps in the kernel where the APIC is: %o', (options) => {
    const played = ran(arch, [{ hlt: {} }], [REENTER], options);
    expect(exits(played)).toEqual(['HLT']);
    expect(steps(played)).toEqual(['KVM_RUN.ioctl']);
    expect(isOver(played)).toBe(false);
  });
});

describe('a VMM that enters again', () => {
  it('ends with the guest, and its thread goes on with its program', () => {
    const played = ran('amd', [OUT], [REENTER, { KVM_GET_MP_STATE: { vcpu: 'vm0/0' } }]);
    expect(steps(played).slice(-2)).toEqual(['KVM_GET_MP_STATE.ioctl', 'KVM_GET_MP_STATE.sysret']);
  });

  it('keeps what two vCPUs of one thread have left apart', () => {
    const two = resolved(
      scenario({
        name: 'tried',
        summary: 'Tried',
        host: { arch: 'amd', cpus: 1 },
        vms: { vm0: { type: 'svm', vcpus: [[OUT], [IN]] } },
        processes: { vmm: { threads: [[RUN, { KVM_RUN: { vcpu: 'vm0/1' } }, RUN]] } },
      }),
    );
    const played = play(two, { name: 'fifo' });
    expect(played.context<HostThread>(THREAD).userIo).toEqual({ 'vcpu:vm0/1': 'PIO_IN' });
    expect(isOver(played)).toBe(true);
  });
});
