/** Vocabulary of VMX: exceptions that exit, by vector. */

/**
 * Exceptions of a guest that KVM intercepts, each with what the exit tells of it; a mechanism
 * declares here those that its guests raise.
 * @public
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface ExceptionInfoOf {}
/** Names of such exceptions. @public */
export type ExceptionVector = keyof ExceptionInfoOf;
/** An exception that has exited. @public */
export type GuestException = { readonly [K in ExceptionVector]: { readonly vector: K } & ExceptionInfoOf[K] }[ExceptionVector];

declare module './kvm.ts' {
  interface ExitInfoOf {
    /** @see Intel SDM vol. 3, "Basic VM-Exit Information", exit reason 0 */
    readonly EXCEPTION_NMI: GuestException;
  }
}
