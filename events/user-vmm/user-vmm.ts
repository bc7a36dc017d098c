/**
 * Vocabulary of the VMM in user space: what its threads share about a vCPU, and the designs by
 * which one of them gets another out of KVM_RUN.
 */
import type { Delivery, EventOf } from '../event.ts';

/** Every switch with its values; the first is the default. */
export const USER_VMM_OPTIONS = {
  /**
   * How a vCPU thread that has left KVM_RUN learns that it was kicked. It clears
   * kvm_run->immediate_exit and then looks whether it is to stay outside; it looks and then clears,
   * without a second look; or there is no immediate_exit, and the signal is blocked but in KVM_RUN
   * (KVM_SET_SIGNAL_MASK).
   * @see kernel Documentation/virt/kvm/api.rst, immediate_exit, KVM_SET_SIGNAL_MASK
   */
  'vmm.kick': ['clear-then-look', 'look-then-clear', 'signal-mask'],
  /**
   * When KVM_RUN reads kvm_run->immediate_exit: as it begins (vcpu->wants_to_run, since 6.11), or
   * behind complete_userspace_io. It heeds it at the second place in both cases.
   */
  'kvm.immediateExit': ['wants-to-run', 'behind-io'],
} as const satisfies Readonly<Record<string, readonly [string, ...string[]]>>;

type Values = { readonly [K in keyof typeof USER_VMM_OPTIONS]: (typeof USER_VMM_OPTIONS)[K][number] };
declare module '../options.ts' {
  interface MechanismOptions extends Values {}
}

type HostOps =
  | { readonly op: 'pause-vcpu'; readonly vm: string; readonly vcpu: number }
  | { readonly op: 'resume-vcpu'; readonly vm: string; readonly vcpu: number }
  | { readonly op: 'store-immediate-exit'; readonly vm: string; readonly vcpu: number };
declare module '../program.ts' {
  interface HostOpsOf {
    'user-vmm': HostOps;
  }
}

/** kvm_run->immediate_exit, and the wish of another thread that the vCPU stays outside. */
export type SharedField = 'immediateExit' | 'paused';

/** What the memory that threads of a VMM share about a vCPU can be told and asked. */
export type VmmSharedEvent = EventOf<{
  'vmm.store': { field: SharedField; value: boolean };
  'vmm.load?': { field: SharedField };
}>;
type VmmSharedAnswer = EventOf<{ 'vmm.loaded': { value: boolean } }>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    'user-vmm': VmmSharedAnswer;
  }
}

export const USER_VMM_EVENTS = {
  'vmm.store': 'bus',
  'vmm.load?': 'bus',
  'vmm.loaded': 'bus',
} as const satisfies Record<(VmmSharedEvent | VmmSharedAnswer)['type'], Delivery>;
