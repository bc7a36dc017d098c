/**
 * Exits that KVM resolves itself, and a signal to the thread of a vCPU.
 * @see kernel arch/x86/kvm/mmu/mmu.c, direct_page_fault(); kernel/signal.c, do_tkill()
 */
import { describe, expect, it } from 'vitest';
import { type VmContext, vmMachine } from '../../../actors/kvm/vm.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import { microSteps, type Played, play, resolved } from '../../sim/play.ts';
import { finish, steer, to } from '../../sim/steer.ts';
import { Given } from '../given.ts';

const FIRST = 'thread:vmm/vcpu0';
const SECOND = 'thread:vmm/vcpu1';
const OTHER = 'thread:other/0';
const touch: GuestStep = { touch: {} };
const compute: GuestStep = { compute: {} };

/** A plain VM of each kind of x86 host, and a thread beside it. */
const world = (arch: 'amd' | 'intel', vcpus: readonly (readonly GuestStep[])[], other: readonly HostStep[]) =>
  resolved({
    name: 'tried',
    summary: 'Tried',
    host: { arch, cpus: vcpus.length + 1 },
    vms: { vm0: { type: arch === 'amd' ? 'svm' : 'vmx', vcpus } },
    processes: {
      vmm: { threads: vcpus.map((_, at) => [{ KVM_RUN: { vcpu: `vm0/${at}`, reenter: true } }]) },
      other: { threads: [other] },
    },
    bounds: { steps: 400 },
  });
const names = (played: Played, thread: string) => microSteps(played, thread).map((name) => name.split('.').at(-1)!);

describe('a page that the nested page tables lack', () => {
  it.each(['amd', 'intel'] as const)('is found first, mapped under mmu_lock, and leaves KVM_RUN going on %s', (arch) => {
    const steps = names(play(world(arch, [[touch]], [{ compute: { steps: 1 } }]), { name: 'fifo' }), FIRST);
    const fault = steps.indexOf('kvm_faultin_pfn');
    expect(steps.slice(fault, fault + 4)).toEqual(['kvm_faultin_pfn', 'trylock', 'kvm_tdp_mmu_map', 'read_unlock_mmu_lock']);
    expect(steps.filter((name) => name === 'mutex_unlock')).toHaveLength(1);
  });

  it('is mapped by two vCPUs at once', () => {
    const both = [to(FIRST, 'kvm_mmu_page_fault.kvm_tdp_mmu_map'), to(SECOND, 'kvm_mmu_page_fault.kvm_tdp_mmu_map')];
    const played = play(world('amd', [[touch], [touch]], [{ compute: { steps: 1 } }]), steer(...both));
    expect(names(played, SECOND)).not.toContain('queued_read_lock_slowpath');
  });

  it('waits for a thread that unmaps the memory, which waits for it in turn', () => {
    const unmaps: HostStep = { madvise: { vm: 'vm0' } };
    const map = to(FIRST, 'kvm_mmu_page_fault.kvm_tdp_mmu_map');
    const waitsForWriter = to(FIRST, 'read_lock_mmu_lock.queued_read_lock_slowpath');
    const waitsForReader = to(OTHER, 'write_lock_mmu_lock.queued_write_lock_slowpath');
    const done = to(FIRST, 'KVM_RUN.xfer_to_guest_mode_handle_work');
    const ways = [
      [to(OTHER, 'kvm_mmu_notifier_invalidate_range_start.kvm_unmap_gfn_range'), waitsForWriter, finish(OTHER), map],
      [map, waitsForReader, done, finish(OTHER)],
    ];
    for (const story of ways) {
      const played = play(world('amd', [[touch]], [unmaps]), steer(...story));
      expect(names(played, OTHER)).toContain('kvm_unmap_gfn_range');
    }
  });

  it('has as many readers as there are, and a writer none beside it', () => {
    const by = (from: string, type: string) => ({ type, from });
    const read = Given.start<VmContext>(vmMachine).after(by('thread:a/0', 'vm.readLockMmu'), by('thread:b/0', 'vm.readLockMmu'));
    expect(read.context.mmuReaders).toEqual(['thread:a/0', 'thread:b/0']);
    expect(read.when(by('thread:c/0', 'vm.lockMmu')).sent).toEqual([
      { to: 'thread:c/0', event: { type: 'vm.mmuLocked', acquired: false } },
    ]);
    const free = read.after(by('thread:a/0', 'vm.readUnlockMmu'), by('thread:b/0', 'vm.readUnlockMmu'));
    expect(free.context).toEqual({ dead: null, mmuLock: null });
    expect(free.when(by('thread:a/0', 'vm.readUnlockMmu')).handled).toBe(false);
    const written = free.after(by('thread:c/0', 'vm.lockMmu'));
    expect(written.when(by('thread:a/0', 'vm.readLockMmu')).sent).toEqual([
      { to: 'thread:a/0', event: { type: 'vm.mmuLocked', acquired: false } },
    ]);
  });
});

describe('an exit that KVM handles by itself', () => {
  it.each(['amd', 'intel'] as const)('is told by its name, and leads back into the guest on %s', (arch) => {
    const played = play(world(arch, [[{ intercept: { name: 'cpuid' } }, compute]], [{ compute: { steps: 1 } }]), { name: 'fifo' });
    expect(names(played, FIRST)).toContain('kvm_x86_handle_exit');
    expect(JSON.stringify(played.records)).toContain('"reason":"INTERCEPT","info":{"name":"cpuid"}');
  });
});

describe('a signal to the thread of a vCPU', () => {
  it('ends KVM_RUN with EINTR, is handled, and the VMM runs the vCPU again', () => {
    const story = steer(
      to(FIRST, 'svm_vcpu_run.guest'),
      finish(OTHER),
      to(FIRST, 'kvm_cpu_exec.arch_do_signal_or_restart'),
      to(FIRST, 'svm_vcpu_run.guest'),
    );
    const played = play(world('amd', [[compute]], [{ tgkill: { vcpu: 'vm0/0' } }]), story);
    expect(names(played, FIRST).filter((name) => name === 'VMRUN')).toHaveLength(2);
  });

  it('wakes it in its HLT, and the vCPU stays halted', () => {
    const played = play(
      world('amd', [[{ hlt: {} }, compute]], [{ tgkill: { vcpu: 'vm0/0' } }]),
      steer(to(FIRST, 'kvm_vcpu_block.kvm_vcpu_check_block'), finish(OTHER)),
    );
    expect(names(played, OTHER)).toContain('signal_wake_up_state');
    expect(names(played, FIRST).filter((name) => name === 'VMRUN')).toHaveLength(1);
  });

  it('that has come before KVM_RUN does not end it', () => {
    const played = play(world('amd', [[compute]], [{ tgkill: { vcpu: 'vm0/0' } }]), steer(finish(OTHER), to(FIRST, 'svm_vcpu_run.guest')));
    expect(names(played, FIRST).filter((name) => name === 'mutex_unlock')).toEqual([]);
  });
});
