/**
 * The requests that KVM itself makes, with their flags, and what x86 does about them. The flags of
 * those that are here are the same in 6.1 and in 6.12.
 *
 * @see kernel include/linux/kvm_host.h, KVM_REQ_TLB_FLUSH, KVM_REQ_VM_DEAD, KVM_REQ_UNBLOCK,
 * KVM_REQ_OUTSIDE_GUEST_MODE
 */
import { outgoing } from '../../events/event.ts';
import { host, kernelSource } from '../host/host-env.ts';
import { vcpuOf } from './kvm-env.ts';
import type { KvmParts } from './slots.ts';

const { step } = host;

export const REQUEST_FLAGS: NonNullable<KvmParts['requestFlags']> = {
  KVM_REQ_TLB_FLUSH: { wait: true, noWakeup: true },
  KVM_REQ_VM_DEAD: { wait: true, noWakeup: true },
  KVM_REQ_OUTSIDE_GUEST_MODE: { wait: true, noWakeup: true, noAction: true },
};

/** KVM_REQ_TLB_FLUSH at R6; arm64 has no such request, as its TLB invalidations are broadcast. */
export const X86_REQUESTS: NonNullable<KvmParts['requests']> = {
  KVM_REQ_TLB_FLUSH: (env) => [
    step('kvm_vcpu_flush_tlb_all', {
      ...kernelSource('arch/x86/kvm/x86.c, kvm_vcpu_flush_tlb_all()'),
      send: (t) => outgoing(vcpuOf(env, t).id, { type: 'vcpu.clearRequest', request: 'KVM_REQ_TLB_FLUSH' }),
    }),
  ],
};
