/** Vocabulary of the GHCB: its MSR, its page, and what KVM keeps of it for each vCPU. */
import type { Delivery, EventOf } from '../event.ts';
import type { GuestVmmError } from './guest-request.ts';
import type { GuestMessage } from './psp.ts';

/**
 * What a guest writes into its GHCB before VMGEXIT. A field that is absent has no bit in the valid
 * bitmap; `usage` is 0 where it is absent.
 * @see domain snp e, e.2
 */
export interface GhcbFields {
  readonly code?: number | undefined;
  readonly info1?: number | undefined;
  readonly info2?: number | undefined;
  readonly rax?: number | undefined;
  readonly rbx?: number | undefined;
  readonly rcx?: number | undefined;
  readonly rdx?: number | undefined;
  readonly cpl?: number | undefined;
  readonly xcr0?: number | undefined;
  /** A GPA. */
  readonly scratch?: number | undefined;
  readonly usage?: number | undefined;
}

/** SW_EXITINFO1 and SW_EXITINFO2 as the host leaves them, and RBX where it answers with it. */
export interface GhcbAnswer {
  readonly info1: number;
  readonly info2: number;
  readonly rbx?: number;
}

/** An entry of a PSC buffer. @see domain snp e.3 */
export interface PscEntry {
  /** How many pages of it are done. */
  readonly done: number;
  readonly gfn: number;
  /** 1 private, 2 shared, 3 PSMASH, 4 UNSMASH. */
  readonly operation: number;
  readonly huge: boolean;
}

/** The GHCB MSR at VMGEXIT and after it: bits 11:0, and those above as a number. */
export interface GhcbMsrRequest {
  readonly request: number;
  readonly payload: number;
}
export interface GhcbMsr {
  readonly response: number;
  readonly payload: number;
}
/** What a guest remembers of the header of a PSC buffer. */
export interface PscHeader {
  readonly cur: number;
  readonly end: number;
}

/** A PSC buffer. Entries that were never written are zeros. @see domain snp e.3 */
export interface PscBuffer {
  readonly cur: number;
  readonly end: number;
  readonly entries: Readonly<Record<number, PscEntry>>;
}

declare module '../svm.ts' {
  interface NaeInfoOf {
    /** The GHCB MSR protocol: the MSR holds a request, and no address. */
    readonly GHCB_MSR: GhcbMsrRequest;
    /** The GHCB MSR holds the address of a page. */
    readonly GHCB: { readonly gfn: number };
  }
}

declare module '../kvm.ts' {
  interface ExitInfoOf {
    /** A write of the ICR that sends INIT and SIPI to a vCPU of the same VM. */
    readonly SIPI: { readonly apicId: number };
  }
  interface VcpuRequests {
    /** Not a request of the kernel's: KVM_APIC_INIT and KVM_APIC_SIPI of apic->pending_events. */
    readonly KVM_APIC_SIPI: true;
  }
}

/** From the host to a vCPU. */
export type GhcbEvent = EventOf<{
  /**
   * SW_EXITINFO2: the result of the exit that the guest has asked for; `response` is what the host
   * has put into the page of a guest request's response, `vmmError` the host's own error, and `rbx`
   * the pages that certificates need.
   */
  'ghcb.result': { ok: boolean; response?: GuestMessage; vmmError?: GuestVmmError; rbx?: number };
  /** The GHCB MSR after VMGEXIT: bits 11:0, and the bits above them. */
  'ghcb.msr': { response: number; payload: number };
}>;

/** To the page. */
export type GhcbPageEvent = EventOf<{
  /** A guest's store of all fields of the save area. */
  'ghcb.write': { fields: GhcbFields };
  /** The answer that the guest reads. */
  'ghcb.read?': object;
  /** KVM reads the fields, which are not valid after that. */
  'ghcb.sync?': object;
  'ghcb.answer': { answer: GhcbAnswer };
  /** RAX to RDX, which KVM stores before an entry. */
  'ghcb.registers': object;
  /** Stores to the shared buffer, where a PSC buffer stands. */
  'ghcb.writePscHeader': { cur: number; end: number };
  'ghcb.writePscEntry': { index: number; entry: PscEntry };
  /**
   * KVM's stores: entries from this one on are done, and the next one is the current. `stray`: one
   * of their pages is none of the VM's, and has not changed.
   */
  'ghcb.pscDone': { first: number; count: number; stray?: number };
  /** Loads of the header, of an entry (of the one that the header says now), and of all. */
  'ghcb.pscHeader?': object;
  'ghcb.pscEntry?': { index: number | null };
  'ghcb.psc?': object;
}>;
export type GhcbPageAnswer = EventOf<{
  'ghcb.fields': { fields: GhcbFields };
  'ghcb.isAnswered': { answer: GhcbAnswer | null };
  'ghcb.pscHeader': { cur: number; end: number };
  'ghcb.pscEntry': { entry: PscEntry };
  'ghcb.psc': { psc: PscBuffer };
}>;

/** To struct vcpu_sev_es_state of a vCPU. */
export type SevEsEvent = EventOf<{
  /** ghcb_registered_gpa. */
  'sevEs.register': { gfn: number };
  /** kvm_vcpu_map() of the GHCB. */
  'sevEs.map': { gfn: number };
  /** The mapping is gone, and an AP reset hold is over. */
  'sevEs.unmap': object;
  'sevEs.mapped?': object;
  /** ap_reset_hold_type. */
  'sevEs.hold': { by: ResetHold };
  /** sev_vcpu_deliver_sipi_vector(). */
  'sevEs.sipi': object;
}>;
export type ResetHold = 'msr' | 'nae';
export type SevEsAnswer = EventOf<{
  'sevEs.isRegistered': { registered: boolean };
  'sevEs.isMapped': { gfn: number | null; hold?: ResetHold; sipi?: true };
}>;

declare module '../index.ts' {
  interface GuestEventsOf {
    ghcb: GhcbEvent;
    ghcbPage: GhcbPageAnswer;
  }
  interface ThreadEventsOf {
    ghcbPage: GhcbPageAnswer;
    sevEs: SevEsAnswer;
  }
}

type Every = GhcbEvent | GhcbPageEvent | GhcbPageAnswer | SevEsEvent | SevEsAnswer;

export const GHCB_EVENTS = {
  'ghcb.result': 'bus',
  'ghcb.msr': 'bus',
  'ghcb.write': 'bus',
  'ghcb.read?': 'bus',
  'ghcb.sync?': 'bus',
  'ghcb.answer': 'bus',
  'ghcb.registers': 'bus',
  'ghcb.fields': 'bus',
  'ghcb.isAnswered': 'bus',
  'ghcb.writePscHeader': 'bus',
  'ghcb.writePscEntry': 'bus',
  'ghcb.pscDone': 'bus',
  'ghcb.pscHeader?': 'bus',
  'ghcb.pscHeader': 'bus',
  'ghcb.pscEntry?': 'bus',
  'ghcb.pscEntry': 'bus',
  'ghcb.psc?': 'bus',
  'ghcb.psc': 'bus',
  'sevEs.register': 'bus',
  'sevEs.map': 'bus',
  'sevEs.unmap': 'bus',
  'sevEs.mapped?': 'bus',
  'sevEs.hold': 'bus',
  'sevEs.sipi': 'bus',
  'sevEs.isRegistered': 'bus',
  'sevEs.isMapped': 'bus',
} as const satisfies Record<Every['type'], Delivery>;
