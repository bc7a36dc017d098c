/**
 * The arm64 half of the run loop: the work of the thread's flags at the head of each turn, the
 * world switch into the guest and back, and WFI, which halts the vCPU in its exit handler.
 *
 * @see kernel arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_run(), kvm_vcpu_wfi();
 * arch/arm64/kvm/hyp/vhe/switch.c, __kvm_vcpu_run(); arch/arm64/kvm/handle_exit.c, kvm_handle_wfx()
 */
import { type HostEnv, type HostItem, host, kernelSource } from '../host/host-env.ts';
import { haltPath } from '../kvm/block.ts';
import type { Turn, Vendor } from '../kvm/kvm-run.ts';
import { handleWork } from '../kvm/thread-work.ts';

const { path, call, loop, note } = host;

/** A signal at the head of a turn is an error of that turn: requests are not looked at. */
const head = (env: HostEnv, requests: HostItem): readonly HostItem[] => handleWork(env, [note(() => ({ returns: true }))], [requests]);

/** WFI is over when the thread goes on, whatever has ended its sleep: the guest has retired it. */
const handleWfx = (env: HostEnv): readonly HostItem[] => [
  call(
    path(
      'kvm_handle_wfx',
      kernelSource('arch/arm64/kvm/handle_exit.c, kvm_handle_wfx(); arch/arm64/kvm/arm.c, kvm_vcpu_wfi()'),
      [call(haltPath(env))],
      { locals: ['halted'] },
    ),
  ),
];

export const arm64Vendor: Vendor = {
  name: 'arm64',
  enterGuest: { name: 'kvm_arm_vcpu_enter_exit', ...kernelSource('arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_run()') },
  checkRequests: 'check_vcpu_requests',
  head,
  errorsReachR10: true,
  prepare: [],
  runLoop: (_env: HostEnv, { clear, enter }: Turn) => [loop(clear, ...enter)],
  returnToUser: () => [],
  worldSwitch: {
    name: '__kvm_vcpu_run',
    ...kernelSource('arch/arm64/kvm/hyp/vhe/switch.c, __kvm_vcpu_run(); arch/arm64/kvm/hyp/nvhe/switch.c, __kvm_vcpu_run()'),
    enter: '__guest_enter',
    leave: '__guest_exit',
    hasInsns: false,
  },
  loadsForIoctls: false,
  userIo: {
    pio: null,
    mmio: {
      name: 'kvm_handle_guest_abort',
      ...kernelSource('arch/arm64/kvm/mmu.c, kvm_handle_guest_abort(); arch/arm64/kvm/mmio.c, io_mem_abort()'),
    },
    emulates: false,
  },
  flushRemoteTlbs: {
    name: '__kvm_tlb_flush_vmid',
    ...kernelSource('arch/arm64/kvm/mmu.c, kvm_flush_remote_tlbs(); arch/arm64/kvm/hyp/vhe/tlb.c, __kvm_tlb_flush_vmid()'),
  },
  parts: { exits: { HLT: handleWfx } },
};
