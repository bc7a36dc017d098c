/** Vocabulary of AP creation: what KVM keeps of the VMSA of a vCPU, and what VMRUN makes of it. */
import type { ActorId, Delivery, EventOf } from '../event.ts';

/** SW_EXITINFO1 31:0 of the event, in the order of its numbers. */
export const AP_REQUESTS = ['create-on-init', 'create', 'destroy'] as const;
export type ApRequest = (typeof AP_REQUESTS)[number];

declare module '../kvm.ts' {
  interface VcpuRequests {
    readonly KVM_REQ_UPDATE_PROTECTED_GUEST_STATE: true;
  }
}

/** To struct vcpu_sev_es_state of a vCPU, and to its VMCB. */
export type ApEvent = EventOf<{
  /**
   * snp_vmsa_gpa and snp_ap_waiting_for_reset. A GPA of null is INVALID_PAGE; `request` is null
   * where KVM goes on to refuse it.
   */
  'sevEs.apRequest': { gpa: number | null; request: ApRequest | null };
  'sevEs.ap?': object;
  /** vmsa_pa becomes INVALID_PAGE, and nothing is waited for any more. */
  'sevEs.dropVmsa': object;
  'sevEs.setVmsa': { pfn: number };
  /** init_vmcb(): the VMCB is marked all dirty. */
  'sevEs.initVmcb': object;
  /** pre_sev_run() looks at vmsa_pa. */
  'sevEs.vmsaPa?': object;
  /** VMRUN on this CPU. */
  'sevEs.vmrun': { cpu: ActorId };
}>;
export type ApAnswer = EventOf<{
  'sevEs.ap': { waiting: boolean; gpa: number | null };
  /** `isFresh`: VMRUN uses it for the first time since KVM has set it. */
  'sevEs.vmsaPa': { pfn: number | null; isFresh: boolean };
}>;

declare module '../index.ts' {
  interface ThreadEventsOf {
    ap: ApAnswer;
  }
}

export const AP_EVENTS = {
  'sevEs.apRequest': 'bus',
  'sevEs.ap?': 'bus',
  'sevEs.dropVmsa': 'bus',
  'sevEs.setVmsa': 'bus',
  'sevEs.initVmcb': 'bus',
  'sevEs.vmsaPa?': 'bus',
  'sevEs.vmrun': 'bus',
  'sevEs.ap': 'bus',
  'sevEs.vmsaPa': 'bus',
} as const satisfies Record<(ApEvent | ApAnswer)['type'], Delivery>;

/** What of AP creation has differed between kernels. */
export const AP_OPTIONS = {
  /**
   * What a request that KVM refuses does to the vCPU that it names: nothing, or that vCPU is taken
   * down, as by a DESTROY (before kernel commit d26638bfcdfc).
   */
  'kvm.apRefusal': ['unchanged', 'kicked'],
  /**
   * How a vCPU takes the VMSA: within kvm_vcpu_reset(), which marks all of the VMCB dirty
   * (mainline), or vmsa_pa alone is set (series v5).
   */
  'kvm.apUpdate': ['reset', 'vmsa-alone'],
  /**
   * What becomes of a vCPU whose new VMSA has no memory: it is runnable, so that KVM_RUN fails
   * (6.12.117), or it is halted (6.11).
   */
  'kvm.apNoMemory': ['runnable', 'halted'],
  /**
   * What KVM does where vmsa_pa is no address: it executes VMRUN, or it ends KVM_RUN before (since
   * kernel commit 72d12715edcd, which 6.12.117 has not).
   */
  'kvm.noVmsa': ['entered', 'refused'],
} as const;
