/**
 * Vocabulary of SEV-ES: the design switches of its hosts, and what the VMSA of a guest asks its CPU
 * for.
 */

/** Every switch with its allowed values; the first is the default. */
export const SEV_ES_OPTIONS = {
  /**
   * Which of the host's DR0 to DR3 and of their masks KVM stores before an entry: the masks, if the
   * guest may have DebugSwap; both then; both, if KVM gave the guest DebugSwap; none.
   * @see domain debug-and-split-lock A.10, saveDR; kernel commits b2653cd3b75f and 807cb9ce2ed9
   */
  'kvm.saveDebug': ['masks-only', 'if-possible', 'if-kvm-thinks', 'never'],
  /**
   * When KVM fills the host save area: once, while the vCPU's state is not loaded, or before each
   * entry with interrupts off. No kernel does the second.
   * @see domain debug-and-split-lock A.10, resaveEachEntry
   */
  'kvm.fillSaveArea': ['per-load', 'per-entry'],
  /**
   * When KVM gives VMs DebugSwap: on CPUs with NoNestedDataBp, as KVM does; on all that have
   * DebugSwap; on none, by the module parameter `debug_swap`.
   * @see domain debug-and-split-lock A.4
   */
  'kvm.debugSwap': ['gated', 'ungated', 'off'],
  /**
   * Who brings back the host's breakpoints behind a guest with DebugSwap: R14, or the hardware
   * alone, so that R11 and R14 leave them.
   * @see domain debug-and-split-lock G, 3; kernel commit 807cb9ce2ed9
   */
  'kvm.hostBreakpoints': ['restored', 'left-to-hardware'],
  /**
   * What KVM intercepts of a guest with DebugSwap.
   * @see seed 000; domain debug-and-split-lock A.6
   */
  'kvm.dr7Intercept': ['dropped', 'kept'],
  'kvm.dbIntercept': ['dropped', 'kept'],
  /**
   * What KVM does where an encrypted guest tells it of a write of DR7: it goes on; or it takes the
   * guest to have the debug registers to itself until its next exit, as of a plain one, and never
   * takes that back (6.1).
   * @see kernel arch/x86/kvm/svm/svm.c, dr_interception(); kernel commit 2837dd00f8fc
   */
  'kvm.dr7Exit': ['resumed', 'registers-given'],
  /**
   * What an intercepted #DB of an encrypted guest is: an exit, behind which KVM injects it again,
   * as the thread has it; or #VC in the guest with error code 0x41, of which KVM is not told.
   * @see seed 000, on re-injection; kernel arch/x86/coco/sev/core.c, vc_is_db(); APM vol. 2, "Types
   * of Exits"
   */
  'sev.interceptedDb': ['exit', 'vc'],
  /**
   * What a guest does about #VC at MOV DR7: as Linux, which ends itself where SEV_STATUS says
   * DebugSwap; or it keeps the value for reads, whatever SEV_STATUS says.
   * @see domain debug-and-split-lock A.7
   */
  'guest.vcDr7': ['linux', 'swallow'],
} as const;

type Values = { readonly [K in keyof typeof SEV_ES_OPTIONS]: (typeof SEV_ES_OPTIONS)[K][number] };
declare module '../options.ts' {
  interface MechanismOptions extends Values {}
}

/**
 * SEV_FEATURES of a VMSA, as far as they are modelled. `debug-swap` is bit 5.
 * @see kernel arch/x86/include/asm/svm.h, SVM_SEV_FEAT_DEBUG_SWAP
 */
export const VMSA_FEATURES = ['debug-swap'] as const;
export type VmsaFeature = (typeof VMSA_FEATURES)[number];

declare module '../options.ts' {
  interface VmSettings {
    /** struct kvm_sev_info.vmsa_features, which KVM_SEV_INIT2 gives. */
    readonly vmsaFeatures: readonly VmsaFeature[];
    /** What the VMSAs hold, where a guest has made them itself; else as above. */
    readonly guestVmsaFeatures: readonly VmsaFeature[];
  }
}
