/** Design switches of guest debugging on x86. */

/** Every switch with its allowed values; the first is the default. */
export const GUEST_DEBUG_OPTIONS = {
  /**
   * Exceptions that KVM intercepts of plain guests because their delivery may raise them again
   * without end: #DB and #AC always; neither, as before CVE-2015-5307 and CVE-2015-8104.
   * @see kernel arch/x86/kvm/svm/svm.c, init_vmcb(); arch/x86/kvm/vmx/vmx.c,
   * vmx_update_exception_bitmap(); domain debug-and-split-lock A.8
   */
  'kvm.vectoringIntercepts': ['db-and-ac', 'none'],
} as const;

type Values = { readonly [K in keyof typeof GUEST_DEBUG_OPTIONS]: (typeof GUEST_DEBUG_OPTIONS)[K][number] };
declare module '../options.ts' {
  interface MechanismOptions extends Values {}
}
