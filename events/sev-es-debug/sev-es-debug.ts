/** Vocabulary of SEV-ES: what the VMSA of a guest asks its CPU for. */

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
  }
}
