/**
 * Bits of SEV_FEATURES, the field of a VMSA that says what its vCPU has.
 *
 * @see kernel arch/x86/include/asm/svm.h, SVM_SEV_FEAT_SNP_ACTIVE and those below it
 */
export const SEV_FEATURES = { snpActive: 1 << 0, restrictedInjection: 1 << 3, alternateInjection: 1 << 4, debugSwap: 1 << 5 } as const;
