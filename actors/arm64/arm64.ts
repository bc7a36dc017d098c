/**
 * The arm64 half of the run loop: the world switch into the guest and back.
 *
 * @see kernel arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_run(); arch/arm64/kvm/hyp/vhe/switch.c,
 * __kvm_vcpu_run()
 */
import { kernelSource } from '../host/host-env.ts';
import type { Vendor } from '../kvm/kvm-run.ts';

export const arm64Vendor: Vendor = {
  name: 'arm64',
  enterGuest: { name: 'kvm_arm_vcpu_enter_exit', ...kernelSource('arch/arm64/kvm/arm.c, kvm_arch_vcpu_ioctl_run()') },
  checkRequests: 'check_vcpu_requests',
  prepare: [],
  worldSwitch: {
    name: '__kvm_vcpu_run',
    ...kernelSource('arch/arm64/kvm/hyp/vhe/switch.c, __kvm_vcpu_run(); arch/arm64/kvm/hyp/nvhe/switch.c, __kvm_vcpu_run()'),
    enter: '__guest_enter',
    leave: '__guest_exit',
    hasInsns: false,
  },
  loadsForIoctls: false,
  flushRemoteTlbs: {
    name: '__kvm_tlb_flush_vmid',
    ...kernelSource('arch/arm64/kvm/mmu.c, kvm_flush_remote_tlbs(); arch/arm64/kvm/hyp/vhe/tlb.c, __kvm_tlb_flush_vmid()'),
  },
  parts: {},
};
