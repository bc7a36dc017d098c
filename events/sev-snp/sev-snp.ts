/**
 * Vocabulary of SEV-SNP: the design switches of its hosts. What programs can do is in
 * operations.ts, messages are in rmp.ts and psp.ts.
 */
import { AP_OPTIONS } from './ap.ts';
import { GUEST_REQUEST_OPTIONS } from './guest-request.ts';
import { HOST_MAP_OPTIONS } from './host-map.ts';
import { NPT_OPTIONS } from './npt.ts';

/** Every switch with its allowed values; the first is the default. */
export const SEV_SNP_OPTIONS = {
  /**
   * What the #PF handler does when the host writes a guest-private page.
   * @see domain snp d: P0 panic-sigbus (series v3-v6), P1 auto-share (Gonda), P2 kill-guest;
   * SNP-19 auto-share-kernel (series v1, v2); SNP-71 export, as on s390
   */
  'kvm.rmpFault': ['panic-sigbus', 'auto-share', 'kill-guest', 'auto-share-kernel', 'export'],
  /**
   * Who can hold a page shared while it is mapped: no one, the kernel (P3, patch 39 as it was
   * meant), also user space through an ABI (P4); `srcu`: the kernel, as patch 39 had it.
   * @see domain snp h, R3
   */
  'kvm.mapLock': ['none', 'kernel', 'user', 'srcu'],
  /**
   * Where private pages live: in memory that the host's processes map, as in series v5, or in a
   * guest_memfd that none can map, whose conversions go through user space (P5, mainline).
   * @see domain snp d.1, e.3
   */
  'kvm.privateMemory': ['mapped', 'guest-memfd'],
  /**
   * When a VMM converts a page of a guest_memfd: after the stores of devices to it that have begun,
   * or at once. No ABI asks for either.
   * @see domain snp SNP-6, P5
   */
  'vmm.convert': ['ordered', 'at-once'],
  /**
   * Which failures of RMPUPDATE rmpupdate() retries: 6.9+ only FAIL_OVERLAP, without a bound; the
   * series v1-v4 also FAIL_INUSE; a development tree FAIL_OVERLAP, 96 times.
   * @see domain snp b.4
   */
  'kvm.rmpupdateRetry': ['overlap', 'overlap-and-inuse', 'overlap-96'],
  /**
   * What the end of a VM takes for a page that it has to make the hypervisor's: one that is
   * assigned, or, with the result of the look turned round, one that is not.
   * @see domain snp h, R4
   */
  'kvm.teardownLookup': ['assigned', 'inverted'],
  /**
   * What is done about a 2M entry before a 4K frame of it is made the hypervisor's and freed: it is
   * split, as mainline does, or nothing is done.
   * @see domain snp h, R10
   */
  'kvm.gmemSplit': ['psmash', 'none'],
  /**
   * When 2 MiB of guest memory become one 2M entry: if one folio of the guest has all of it, as in
   * mainline, or wherever they are aligned and no entry reads assigned.
   * @see domain snp h, R27
   */
  'kvm.gmemOrder': ['folio', 'alignment'],
  /**
   * What the auto-share handler does about a VMSA in use: spin, kick the vCPU, or kick it and block
   * its re-entry first.
   */
  'kvm.vmsaKick': ['kick-and-block', 'kick', 'none'],
  /**
   * What a nested RMP fault holds from its look at the RMP to its update: nothing (series v5, patch
   * 41), or the lock. Mainline holds the folio's lock and marks the folio prepared, to the same
   * end.
   * @see domain snp d.4, h R8
   */
  'kvm.npfLock': ['dropped', 'held'],
  /**
   * What a guest does about #VC 0x404 on a page that it had validated: it ends itself, or validates
   * the page again without a question and goes on with what it finds there.
   * @see domain snp SNP-17, SNP-18
   */
  'guest.notValidated': ['terminate', 'pvalidate'],
  /**
   * What a guest does with a page that it has validated, before any use: nothing, or it clears it,
   * as an SVSM does before it gives the page to others.
   * @see domain snp h, R24
   */
  'guest.validatedPage': ['as-found', 'cleared'],
  /**
   * What a guest makes of the carry flag of PVALIDATE, which says that nothing was changed: it
   * takes no notice, or it ends itself, as Linux does.
   * @see domain snp b.2, code 255; e.3, Flow A
   */
  'guest.unchanged': ['ignore', 'terminate'],
  /**
   * What keeps SNP_DECOMMISSION of one guest out between WBINVD and SNP_DF_FLUSH for another: a
   * semaphore, or nothing.
   * @see domain snp h, R19
   */
  'kvm.deactivateLock': ['rwsem', 'none'],
  /**
   * How much of its PVALIDATE an SVSM keeps CREATE_VCPU out for: nothing, the instruction, or all
   * of it until the OS gets the page.
   * @see domain snp h, R24
   */
  'svsm.pvalidateLock': ['instruction', 'none', 'to-the-grant'],
  /** What the second of two contending RMP instructions sees. Hardware does not document it. */
  'rmp.contention': ['inuse', 'overlap-2m'],
  /**
   * Whether the IOMMU keeps devices from what the RMP says is not theirs: SNP is not enabled else.
   * @see domain snp SNP-40
   */
  'host.iommu': ['enforcing', 'passthrough'],
  /** Whether the firmware of the board has set aside enough for the RMP. @see domain snp SNP-41 */
  'host.rmpTable': ['covers-ram', 'short'],
  /** Version of the PSP's firmware. @see domain snp f.2, SNP-42, h R18 */
  'host.snpFirmware': ['1.55', '1.53', '1.52', '1.51', '1.50'],
  /**
   * What the kernel does about RAM that shares 2 MiB with the end of the RMP: it is reserved, in
   * the e820 tables alone, which the page allocator does not look at, or left to all.
   * @see domain snp h, R16
   */
  'host.rmpEnd': ['reserved', 'e820-alone', 'unreserved'],
  /** Whether a CPU that is there is offline while SNP is enabled. */
  'host.cpusOnline': ['all', 'all-but-one'],
  /**
   * What the kernel does about SNP before another one takes over: nothing; SNP_SHUTDOWN_EX, which
   * frees the IOMMU's pages (mainline); or one that ends the checks of the CPUs too, after which
   * the RMP is zeroed (newer patches).
   * @see domain snp d.3, SNP-12, SNP-62
   */
  'host.snpTeardown': ['firmware', 'none', 'firmware-and-x86'],
  /**
   * When SNP guests are decommissioned as the kernel goes down: never (mainline), by the panic
   * notifier once the other CPUs have stopped, or before they stop, with WBINVD on each (patch of
   * September 2024).
   * @see domain snp h, R17
   */
  'host.snpDecommission': ['never', 'after-stop', 'before-stop'],
  /** Whether KSM scans the mapping that private pages are in. @see domain snp SNP-47 */
  'kvm.ksm': ['unmergeable', 'mergeable'],
  /** The parameter sev_snp of kvm_amd. @see domain snp SNP-53 */
  'kvm.sevSnp': ['on', 'off'],
  /**
   * How long KVM has the GHCB of a vCPU mapped: from VMGEXIT to the next entry (mainline), or while
   * it reads or writes it (series v5, "Remove the long-lived GHCB host map").
   * @see domain snp SNP-51, h R22
   */
  'kvm.ghcbMap': ['until-entry', 'each-access'],
  /**
   * How KVM reads the buffer of a page-state change: in place, with checked copies of what it
   * counts by (6.12); as one copy (series v5); or the header again at each entry, behind one check
   * (series v3, before its review).
   * @see domain snp h, R21
   */
  'kvm.ghcbFetch': ['checked-index', 'snapshot', 'double-fetch'],
  /**
   * The codes of a page-state change that failed: the specification's, or those of series v5, v6.
   */
  'kvm.pscCodes': ['specification', 'v5'],
  /**
   * Early silicon takes all of 2 MiB for in use while the first frame of it is a VMCB or a VMSA in
   * use, where an access comes through a huge mapping.
   * @see kernel commit 75253db41a46; domain snp c, row 7
   */
  'rmp.inUseErratum': ['absent', 'present'],
  /**
   * Which frame of two KVM keeps for a VMCB: the one that is not aligned to 2 MiB
   * (snp_safe_alloc_page()), or the first.
   * @see SNP-64; domain snp h, R13
   */
  'kvm.vmcbPage': ['unaligned', 'first'],
  ...AP_OPTIONS,
  ...GUEST_REQUEST_OPTIONS,
  /**
   * What becomes of the command buffer of a command that could not be prepared: it stays taken
   * (mainline), or it is free again.
   * @see kernel drivers/crypto/ccp/sev-dev.c, __sev_do_cmd_locked(); domain snp f.1; h, R26
   */
  'host.sevCmdBuf': ['kept', 'released'],
  ...HOST_MAP_OPTIONS,
  ...NPT_OPTIONS,
} as const;

type Values = { readonly [K in keyof typeof SEV_SNP_OPTIONS]: (typeof SEV_SNP_OPTIONS)[K][number] };
declare module '../options.ts' {
  interface MechanismOptions extends Values {}
}
