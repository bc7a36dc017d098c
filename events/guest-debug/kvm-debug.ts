/** Vocabulary of KVM's half of a debugged x86 vCPU, `kdb:VM/N`. */
import type { ActorId, Delivery, EventOf } from '../event.ts';
import type { U64 } from '../u64.ts';
import type { HostBreakpointsAnswer } from './host-breakpoints.ts';
import type { FastpathMsr } from './operations.ts';
import type {
  AddressMasks,
  BreakpointAddresses,
  CpuDebugRegistersAnswer,
  DebugExit,
  DebugFlags,
  DebugRegister,
  DebugVector,
  Shadow,
  X86GuestDebugFlag,
} from './x86-debug.ts';

/** An exit of MOV to or from a debug register, before the instruction is done. */
export interface DrExit {
  readonly dr: DebugRegister;
  readonly write: boolean;
  /** Of a write; else 0. */
  readonly value: U64;
  /** Where the instruction stands, and the one behind it. */
  readonly rip: U64;
  readonly next: U64;
}

/** An exit of a #DB that the guest met. */
export interface DbExit {
  /** VMX's exit qualification: bits of DR6 as pending debug exceptions have them. */
  readonly bits: U64;
  readonly icebp: boolean;
  /** Where the guest stands: behind the instruction of a trap, before that of a fault or ICEBP. */
  readonly rip: U64;
  /** Of ICEBP: the instruction behind it. */
  readonly next: U64;
}

/** The debug state of a VMSA, which VMRUN and #VMEXIT alone read and write once it is encrypted. */
export interface DebugVmsa {
  readonly db: BreakpointAddresses;
  readonly masks: AddressMasks;
  readonly dr6: U64;
  readonly dr7: U64;
  readonly flags: DebugFlags;
  readonly shadow: Shadow;
}

/** Messages to KVM's half, in the order of a run. */
export type VcpuDebugEvent =
  | EventOf<{
      /** `rip`: where the guest stands; where it was told last unless given. */
      'kdb.setGuestDebug': { flags: readonly X86GuestDebugFlag[]; db: BreakpointAddresses; dr7: U64; rip?: U64 };
      'kdb.load': { cpu: ActorId };
      'kdb.put': object;
      /** R6 and R10: events are injected; work was found, and they are not. */
      'kdb.inject': object;
      'kdb.cancel': object;
      /** R11. `hostActive`: a breakpoint of the host is armed on this CPU. */
      'kdb.prepare': { hostActive: boolean };
      /** R12: to the entry, and from the exit. */
      'kdb.enter': object;
      'kdb.leave': object;
      /** R13. */
      'kdb.sync': object;
      /** R17: exits of debugging, and an instruction of any other exit that KVM has emulated. */
      'kdb.dr': DrExit;
      'kdb.db': DbExit;
      'kdb.bp': { rip: U64 };
      'kdb.ac': object;
      /** `unheeded`: what the skip asks of KVM_RUN is not looked at. */
      'kdb.skip': { next: U64; unheeded?: true };
      /** KVM_SET_REGS: user space moves the guest behind its instruction. */
      'kdb.setRegs': { rip: U64 };
      /** vcpu->guest_debug and DR7 of the VMCB, as the launch of a guest looks at them. */
      'kdb.debugged?': object;
      /** What user space sees, and what the guest finds when it goes on: both are told once. */
      'kdb.exit?': object;
      'kdb.resume?': object;
      /**
       * Of a vCPU that is launched in the run. VMRUN reads an encrypted VMSA, and what of it is
       * intercepted; a move of the VM hands the VMSA on.
       */
      'kdb.vmcb': { debugSwap: boolean; interceptsDr7: boolean; interceptsDb: boolean };
      'kdb.giveVmsa': { to: ActorId };
      'kdb.takeVmsa': { vmsa: DebugVmsa; delivered: readonly DeliveredException[] };
      /** RDMSR of SEV_STATUS by its guest. */
      'kdb.sevStatus?': object;
    }>
  | Extract<CpuDebugRegistersAnswer, { type: 'dr.left' }>;

/** What a host thread hears. */
export type VcpuDebugThreadEvent = EventOf<{
  'kdb.guestDebugSet': { error: 'EBUSY' | null };
  'kdb.debugged': { guestDebug: boolean; dr7: U64 };
  /** Null: KVM goes on with the guest. `queued`: an exception waits, and KVM_REQ_EVENT with it. */
  'kdb.exit': { exit: DebugExit | null; queued: boolean };
}>;

/** What a guest finds when it goes on behind an exit. */
export interface KvmResumed {
  /** KVM has done the instruction; else it is done again, unless the CPU has done it. */
  readonly skipped: boolean;
  /** Of a MOV from a debug register that KVM has done; else 0. */
  readonly value: U64;
  /** What an entry has delivered: the oldest that the guest has not been told of. */
  readonly exception: DeliveredException | null;
}

/** An exception that an entry has delivered, and TF of the RFLAGS that this pushed. */
export interface DeliveredException {
  readonly vector: DebugVector;
  readonly tf: boolean;
}

/** What a vCPU's guest hears. */
export type VcpuDebugGuestEvent = EventOf<{ 'kdb.resumed': KvmResumed; 'kdb.sevStatus': { debugSwap: boolean } }>;

/** All of them are bus messages: fields of struct kvm_vcpu, a VMCB or a VMCS. */
export const KVM_DEBUG_EVENTS = {
  'kdb.setGuestDebug': 'bus',
  'kdb.guestDebugSet': 'bus',
  'kdb.debugged?': 'bus',
  'kdb.debugged': 'bus',
  'kdb.load': 'bus',
  'kdb.put': 'bus',
  'kdb.inject': 'bus',
  'kdb.cancel': 'bus',
  'kdb.prepare': 'bus',
  'kdb.enter': 'bus',
  'kdb.leave': 'bus',
  'kdb.sync': 'bus',
  'kdb.dr': 'bus',
  'kdb.db': 'bus',
  'kdb.bp': 'bus',
  'kdb.ac': 'bus',
  'kdb.skip': 'bus',
  'kdb.setRegs': 'bus',
  'kdb.exit?': 'bus',
  'kdb.exit': 'bus',
  'kdb.resume?': 'bus',
  'kdb.resumed': 'bus',
  'kdb.sevStatus?': 'bus',
  'kdb.sevStatus': 'bus',
  'kdb.vmcb': 'bus',
  'kdb.giveVmsa': 'bus',
  'kdb.takeVmsa': 'bus',
} as const satisfies Record<Exclude<VcpuDebugEvent['type'], 'dr.left'> | (VcpuDebugThreadEvent | VcpuDebugGuestEvent)['type'], Delivery>;

declare module '../kvm.ts' {
  /** Exits of SVM by the kernel's names, without SVM_EXIT_; those of VMX by the manual's. */
  interface ExitInfoOf {
    readonly READ_DR: DrExit;
    readonly WRITE_DR: DrExit;
    readonly EXCP_DB: DbExit;
    readonly EXCP_BP: { readonly rip: U64 };
    readonly EXCP_AC: null;
    /** VMX: no event window was open for as long as KVM allows. */
    readonly NOTIFY: null;
    readonly DR_ACCESS: DrExit;
    /**
     * SVM_EXIT_MSR or EXIT_REASON_MSR_WRITE of an MSR that handle_fastpath_set_msr_irqoff() knows.
     */
    readonly MSR_FASTPATH: { readonly msr: FastpathMsr; readonly rip: U64; readonly next: U64 };
  }
}

declare module '../vmx.ts' {
  interface ExceptionInfoOf {
    readonly DB: DbExit;
    readonly BP: { readonly rip: U64 };
  }
}

declare module '../index.ts' {
  interface ThreadEventsOf {
    'guest-debug': HostBreakpointsAnswer | VcpuDebugThreadEvent;
  }
  interface GuestEventsOf {
    'guest-debug': Extract<CpuDebugRegistersAnswer, { readonly type: 'dr.met' }> | VcpuDebugGuestEvent;
  }
}
