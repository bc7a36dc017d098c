/** The design switches of a host: where the sources debate alternatives, or hardware does not document itself, a name selects. */

/** Every switch with its allowed values; the first is the default. */
export const HOST_OPTIONS = {
  /**
   * What the #PF handler does when the host writes a guest-private page.
   * @see domain snp d: P0 panic-sigbus (series v3-v6), P1 auto-share (Gonda), P2 kill-guest
   */
  'kvm.rmpFault': ['panic-sigbus', 'auto-share', 'kill-guest'],
  /** Who can hold a page shared while it is mapped: nobody, the kernel (P3, patch 39), also user space through an ABI (P4). */
  'kvm.mapLock': ['none', 'kernel', 'user'],
  /** Which failures of RMPUPDATE rmpupdate() retries: 6.9+ only FAIL_OVERLAP; the series v1-v4 also FAIL_INUSE. */
  'kvm.rmpupdateRetry': ['overlap', 'overlap-and-inuse'],
  /** What the auto-share handler does about a VMSA in use: spin, kick the vCPU, or kick it and block its re-entry first. */
  'kvm.vmsaKick': ['kick-and-block', 'kick', 'none'],
  /**
   * What a nested RMP fault holds from its look at the RMP to its update: nothing (series v5, patch 41), or the lock. Mainline holds the
   * folio's lock and marks the folio prepared, to the same end. @see domain snp d.4, h R8
   */
  'kvm.npfLock': ['dropped', 'held'],
  /** What the second of two contending RMP instructions sees. Hardware does not document it. */
  'rmp.contention': ['inuse', 'overlap-2m'],
} as const;

/** Switches that mechanisms add; each declares its own here, beside its table of values. */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface MechanismOptions {}

/** All switches. A host has those of its architecture; the others are absent. */
export type HostOptions = { readonly [K in keyof typeof HOST_OPTIONS]: (typeof HOST_OPTIONS)[K][number] } & Readonly<MechanismOptions>;

/** `none | voluntary | lazy | full | rt`, as CONFIG_PREEMPT*. */
export const PREEMPTION_MODELS = ['none', 'voluntary', 'lazy', 'full', 'rt'] as const;
export type PreemptionModel = (typeof PREEMPTION_MODELS)[number];

/**
 * `direct`: a preemption is an offer wherever one is allowed; of a guest, by a tick that ends guest mode. `pending`: a tick sets
 * need_resched, honoured at the next such point.
 */
export type Ticks = 'direct' | 'pending';
