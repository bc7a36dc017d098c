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
  /**
   * When a guest that has its debug registers gets its DR6: once, before the inner loop of R12;
   * with each run of the vendor in that loop, from 375e28ffc0cf and d67668e9dd76 to c2fee09fc167.
   * @see kernel arch/x86/kvm/x86.c, vcpu_enter_guest(); arch/x86/kvm/svm/svm.c, svm_vcpu_run();
   * arch/x86/kvm/vmx/vmx.c, vmx_vcpu_run()
   */
  'kvm.guestDr6': ['once', 'each-run'],
  /**
   * CR4.DE of guests: while it is clear, as Linux has it, DR4 and DR5 are names of DR6 and DR7;
   * while it is set they are #UD.
   * @see kernel arch/x86/kernel/cpu/common.c, cpu_init(); arch/x86/kvm/vmx/vmx.c, handle_dr(); APM
   * vol. 2, "Debug Registers"
   */
  'guest.cr4De': ['clear', 'set'],
} as const;

type Values = { readonly [K in keyof typeof GUEST_DEBUG_OPTIONS]: (typeof GUEST_DEBUG_OPTIONS)[K][number] };
declare module '../options.ts' {
  interface MechanismOptions extends Values {}
}
