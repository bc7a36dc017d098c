/** Vocabulary of SVM: the exit through which an SEV-ES guest asks for something, by NAE event. */

/**
 * Non-automatic exit events by the GHCB specification's name, each with what the GHCB holds; a
 * mechanism declares here those that its guests ask for.
 * @public
 */
export interface NaeInfoOf {
  /** GHCB_MSR_TERM_REQ. */
  readonly TERMINATE: { readonly reasonSet: number; readonly reason: number };
}
/** Names of non-automatic exits. @public */
export type NaeEvent = keyof NaeInfoOf;
/** What a guest asks its host through the GHCB, with what it says about it. @public */
export type GhcbRequest = { readonly [K in NaeEvent]: { readonly nae: K } & NaeInfoOf[K] }[NaeEvent];

declare module './kvm.ts' {
  interface ExitInfoOf {
    /** @see APM vol. 2, "VMGEXIT"; GHCB specification, "NAE events" */
    readonly VMGEXIT: GhcbRequest;
  }
}
