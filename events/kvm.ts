/**
 * Vocabulary of KVM's objects: a vCPU as its thread and others see it, and the VM it belongs to.
 */
import type { ActorId, Delivery, EventOf } from './event.ts';

/**
 * kvm_vcpu.mode.
 * @see kernel include/linux/kvm_host.h, kvm_vcpu_exiting_guest_mode() for the third
 * @public
 */
export type VcpuMode = 'OUTSIDE_GUEST_MODE' | 'IN_GUEST_MODE' | 'EXITING_GUEST_MODE';

/** The vCPU that runs another one's guest, its thread, and the CPU that it is on. @public */
export interface GuestRunner {
  readonly vcpu: ActorId;
  readonly thread: ActorId;
  readonly cpu: ActorId;
}

/** Bits of kvm_vcpu.requests by name; a mechanism declares here those that it handles. @public */
export interface VcpuRequests {
  readonly KVM_REQ_TLB_FLUSH: true;
  readonly KVM_REQ_VM_DEAD: true;
  readonly KVM_REQ_UNBLOCK: true;
  readonly KVM_REQ_OUTSIDE_GUEST_MODE: true;
  /** x86, of the kvmclock: of all vCPUs of the VM, and of this one. */
  readonly KVM_REQ_GLOBAL_CLOCK_UPDATE: true;
  readonly KVM_REQ_CLOCK_UPDATE: true;
}
/** Names of requests. @public */
export type VcpuRequest = keyof VcpuRequests;

/**
 * What the bits above a request's number say, to those who make it of all vCPUs of a VM.
 * @see kernel include/linux/kvm_host.h, KVM_REQUEST_WAIT, KVM_REQUEST_NO_WAKEUP,
 * KVM_REQUEST_NO_ACTION
 * @public
 */
export interface RequestFlags {
  /** Each CPU whose vCPU is not OUTSIDE_GUEST_MODE has to acknowledge an IPI. */
  readonly wait?: true;
  /** A vCPU that blocks is left asleep. */
  readonly noWakeup?: true;
  /** Nothing is left in vcpu->requests. */
  readonly noAction?: true;
}

/**
 * Why a guest leaves guest mode, by the manual's name of the exit, with what the processor tells
 * about it. A vendor or a mechanism declares here the exits that it handles. INVALID: the entry
 * failed.
 * @public
 */
export interface ExitInfoOf {
  readonly INTR: null;
  readonly NMI: null;
  readonly HLT: null;
  readonly SHUTDOWN: null;
  readonly INVALID: null;
  /** A page that the nested page tables lack: #NPF, an EPT violation. */
  readonly TDP_FAULT: null;
  /** What KVM does itself for the guest, by the name that recordings have. */
  readonly INTERCEPT: { readonly name: string };
  /** SVM: VMEXIT_IOIO; VMX: an I/O instruction. */
  readonly IO: { readonly port: number; readonly write: boolean };
  /** #NPF, an EPT misconfiguration or a data abort where no memory slot is. */
  readonly MMIO: { readonly gpa: number; readonly write: boolean };
  /** #DB that KVM intercepts for KVM_SET_GUEST_DEBUG. */
  readonly DEBUG: null;
}
/** Names of exits. @public */
export type ExitReason = keyof ExitInfoOf;
/** An exit: why, and what the processor tells. @public */
export type GuestExit = { readonly [K in ExitReason]: { readonly reason: K; readonly info: ExitInfoOf[K] } }[ExitReason];

/**
 * What the thread of a vCPU sleeps for: an interrupt or KVM_REQ_UNBLOCK (HLT), or the end of this
 * request.
 * @public
 */
export type BlockedUntil = 'request' | { readonly cleared: VcpuRequest };

/** What a vCPU can be told and asked. @public */
export type VcpuEvent = EventOf<{
  /**
   * Offer: a virtual interrupt, such as a device's or the guest's timer; only where the scenario
   * allows interrupts.
   */
  interrupt: object;
  /** One guest micro-step. */
  'guest.step': object;
  /** kvm_arch_vcpu_load(): the vCPU is on this CPU now. */
  'vcpu.load': { cpu: ActorId };
  'vcpu.put': object;
  'vcpu.setMode': { mode: 'OUTSIDE_GUEST_MODE' | 'IN_GUEST_MODE' };
  /** kvm_check_request() and kvm_request_pending(). */
  'vcpu.requests?': object;
  /**
   * kvm_make_request() and, in the same breath, kvm_vcpu_kick() up to its IPI: a vCPU that blocks
   * is woken, whatever the request.
   */
  'vcpu.request': { request: VcpuRequest };
  /** kvm_make_request() alone: a bit of vcpu->requests, and nobody is told. */
  'vcpu.setRequest': { request: VcpuRequest };
  /** kvm_make_vcpu_request(): one vCPU's part of kvm_make_all_cpus_request(). */
  'vcpu.makeRequest': { request: VcpuRequest; flags: RequestFlags };
  /**
   * kvm_vcpu_kick() up to its IPI: a vCPU that blocks is woken, and IN_GUEST_MODE becomes
   * EXITING_GUEST_MODE. It leaves nothing in vcpu->requests.
   */
  'vcpu.exitGuestMode': object;
  'vcpu.clearRequest': { request: VcpuRequest };
  'vcpu.mode?': object;
  /** kvm_emulate_halt(): KVM_MP_STATE_HALTED, until there is something to do. */
  'vcpu.halt': object;
  /** KVM_MP_STATE_RUNNABLE, whatever there is to do. */
  'vcpu.runnable': object;
  'vcpu.mpState?': object;
  /**
   * kvm_vcpu_check_block(): the thread is about to sleep, or was woken. `polls`: it looks, and does
   * not wait to be woken.
   */
  'vcpu.block': { until: BlockedUntil; polls?: true };
  /** finish_rcuwait(): a signal has ended the sleep. */
  'vcpu.unblock': object;
  /** The guest saw a physical interrupt of its pCPU. */
  'guest.interrupted': object;
  /** kvm_skip_emulated_instruction(), kvm_incr_pc(): the instruction that has exited is done. */
  'guest.skipInsn': object;
  /**
   * The next entry is by another vCPU, which this guest has moved to in memory; null: by its own.
   */
  'guest.runBy': { runner: GuestRunner | null };
  /** The registers are other ones, with which the program begins. */
  'guest.reset': object;
}>;

/** What a vCPU answers. @public */
export type VcpuAnswer = EventOf<{
  /**
   * A guest micro-step that did not leave guest mode. `atomic`: the guest is inside one instruction
   * now.
   */
  'guest.ran': { atomic: boolean };
  vmexit: GuestExit;
  /** `exiting`: the vCPU has been kicked since it set IN_GUEST_MODE. */
  'vcpu.requests': { pending: readonly VcpuRequest[]; exiting: boolean };
  /**
   * Where an IPI must go so that the vCPU leaves guest mode: null if it is not there, or was kicked
   * already and the sender does not wait.
   */
  'vcpu.kick': { cpu: ActorId | null };
  'vcpu.mode': { mode: VcpuMode };
  'vcpu.blocked': { sleep: boolean; halted: boolean };
  'vcpu.mpState': { halted: boolean };
}>;

/** What a VM can be told and asked. @public */
export type VmEvent = EventOf<{
  /** write_lock(&kvm->mmu_lock), and back. */
  'vm.lockMmu': object;
  'vm.unlockMmu': object;
  /** read_lock(&kvm->mmu_lock), and back. */
  'vm.readLockMmu': object;
  'vm.readUnlockMmu': object;
  /** kvm_vm_bugged() and kvm_vm_dead(). */
  'vm.kill': { cause: 'bugged' | 'dead' };
}>;

/** What a VM answers. @public */
export type VmAnswer = EventOf<{ 'vm.mmuLocked': { acquired: boolean } }>;

export const KVM_EVENTS = {
  interrupt: 'offer',
  'guest.step': 'bus',
  'guest.ran': 'bus',
  'guest.interrupted': 'bus',
  'guest.skipInsn': 'bus',
  'guest.runBy': 'bus',
  'guest.reset': 'bus',
  vmexit: 'bus',
  'vcpu.load': 'bus',
  'vcpu.put': 'bus',
  'vcpu.setMode': 'bus',
  'vcpu.requests?': 'bus',
  'vcpu.requests': 'bus',
  'vcpu.request': 'bus',
  'vcpu.setRequest': 'bus',
  'vcpu.makeRequest': 'bus',
  'vcpu.exitGuestMode': 'bus',
  'vcpu.clearRequest': 'bus',
  'vcpu.kick': 'bus',
  'vcpu.mode?': 'bus',
  'vcpu.mode': 'bus',
  'vcpu.halt': 'bus',
  'vcpu.runnable': 'bus',
  'vcpu.mpState?': 'bus',
  'vcpu.mpState': 'bus',
  'vcpu.block': 'bus',
  'vcpu.unblock': 'bus',
  'vcpu.blocked': 'bus',
  'vm.lockMmu': 'bus',
  'vm.unlockMmu': 'bus',
  'vm.readLockMmu': 'bus',
  'vm.readUnlockMmu': 'bus',
  'vm.mmuLocked': 'bus',
  'vm.kill': 'bus',
} as const satisfies Record<(VcpuEvent | VcpuAnswer | VmEvent | VmAnswer)['type'], Delivery>;
