/**
 * The VMX half of the run loop: VM entry to VM exit.
 *
 * @see kernel arch/x86/kvm/vmx/vmx.c, vmx_vcpu_run(); Intel SDM vol. 3, "VM entries", "VM exits"
 */
import { kernelSource } from '../host/host-env.ts';
import type { Vendor } from '../kvm/kvm-run.ts';
import { X86_REQUESTS } from '../kvm/requests.ts';
import { x86Vendor } from '../kvm/x86.ts';

export const vmxVendor: Vendor = {
  name: 'vmx',
  ...x86Vendor,
  prepare: [],
  worldSwitch: {
    name: 'vmx_vcpu_run',
    ...kernelSource('arch/x86/kvm/vmx/vmx.c, vmx_vcpu_run(); Intel SDM vol. 3, "VM entries", "VM exits"'),
    enter: 'VMRESUME',
    leave: 'VMEXIT',
    hasInsns: false,
  },
  userIo: {
    pio: { name: 'handle_io', ...kernelSource('arch/x86/kvm/vmx/vmx.c, handle_io(); arch/x86/kvm/x86.c, kvm_fast_pio()') },
    mmio: {
      name: 'handle_ept_misconfig',
      ...kernelSource('arch/x86/kvm/vmx/vmx.c, handle_ept_misconfig(); arch/x86/kvm/mmu/mmu.c, kvm_mmu_page_fault()'),
    },
    emulates: true,
  },
  flushRemoteTlbs: 'KVM_REQ_TLB_FLUSH',
  parts: { requests: X86_REQUESTS, exits: x86Vendor.exits },
};
