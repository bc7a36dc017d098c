/**
 * Vocabulary of SEV-SNP: the design switches of its hosts, and what programs of guests and of host
 * threads can do. Messages are in rmp.ts and psp.ts.
 */
import { AP_OPTIONS } from './ap.ts';
import type { GhcbFields, PscEntry } from './ghcb.ts';
import { GUEST_REQUEST_OPTIONS } from './guest-request.ts';
import { HOST_MAP_OPTIONS } from './host-map.ts';
import { NPT_OPTIONS } from './npt.ts';
import type { LegacyCommand, PspCommand } from './psp.ts';
import type { SnpCommandFields } from './snp-command.ts';

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

/** A guest page by owner and frame number. Host code reaches guest memory through these. */
interface GuestPage {
  readonly vm: string;
  readonly gfn: number;
}

/** `private` is the C-bit of the access. */
type GuestOps =
  | { readonly op: 'pvalidate'; readonly gfn: number; readonly validated: boolean; readonly size?: '4K' | '2M' }
  /** Without `perms` those of the VMPL stay as they are. */
  | {
      readonly op: 'rmpadjust';
      readonly gfn: number;
      readonly vmpl: number;
      readonly vmsa: boolean;
      readonly perms?: number;
      readonly size?: '4K' | '2M';
    }
  /** The guest's kernel keeps what it is told of the VMPL. */
  | { readonly op: 'rmpquery'; readonly gfn: number; readonly vmpl: number }
  /** An SVSM does this for the OS: SVSM_CORE_PVALIDATE, and SVSM_CORE_CREATE_VCPU that fails. */
  | { readonly op: 'svsm-pvalidate'; readonly gfn: number }
  | { readonly op: 'svsm-create-vcpu'; readonly gfn: number }
  /** `certs`: the pages that it has for certificates, which it asks for as well. */
  | { readonly op: 'request-report'; readonly data: number; readonly vmpl: number; readonly certs?: number }
  | { readonly op: 'psc'; readonly gfn: number; readonly to: 'private' | 'shared' }
  /** `expects`: what the guest has stored there last. */
  | { readonly op: 'read'; readonly gfn: number; readonly private: boolean; readonly expects?: 'own' }
  /** VMGEXIT with a request in the GHCB MSR: bits 11:0 of it, and those above. */
  | { readonly op: 'ghcb-msr'; readonly request: number; readonly payload: number }
  /** VMGEXIT with the fields of a GHCB. */
  | ({ readonly op: 'vmgexit'; readonly ghcb: number } & GhcbFields)
  /** Stores to the PSC buffer of a GHCB, and VMGEXIT with it until all of it is done. */
  | { readonly op: 'psc-header'; readonly ghcb: number; readonly cur: number; readonly end: number }
  | ({ readonly op: 'psc-entry'; readonly ghcb: number; readonly index: number } & PscEntry)
  | { readonly op: 'psc-buffer'; readonly ghcb: number }
  /** INIT and SIPI to another vCPU. */
  | { readonly op: 'send-sipi'; readonly apicId: number }
  /** A page becomes the VMSA of another vCPU, by RMPADJUST and AP creation; or is one no more. */
  | {
      readonly op: 'ap-create';
      readonly ghcb: number;
      readonly apicId: number;
      readonly gfn: number;
      readonly replaces?: number;
      readonly onInit?: true;
    }
  | { readonly op: 'ap-destroy'; readonly ghcb: number; readonly apicId: number; readonly clears?: number }
  | { readonly op: 'write'; readonly gfn: number; readonly private: boolean };

type HostOps =
  /**
   * Device emulation in user space: `stores` stores to one guest page through the process's
   * mapping.
   */
  | ({ readonly op: 'write'; readonly stores: number } & GuestPage)
  /**
   * The host kernel writes a guest page after it has looked at its RMP entry (kvm_vcpu_map() and
   * friends).
   */
  | ({ readonly op: 'kvm-write-guest' } & GuestPage)
  /** The same without a look, as any store of the kernel through its direct map. */
  | ({ readonly op: 'kvm-write-unchecked' } & GuestPage)
  /** The host kernel reads a guest page. */
  | ({ readonly op: 'kvm-read-guest' } & GuestPage)
  /** A device of the host writes a guest page by DMA. */
  | ({ readonly op: 'device-write' } & GuestPage)
  /** kvm_rmp_make_shared(): the host takes a page back from a guest. */
  | ({ readonly op: 'make-shared' } & GuestPage)
  /**
   * rmp_make_private(): the frame of a page is assigned to its guest, at the page's GFN, whatever
   * the entry says.
   */
  | ({ readonly op: 'make-private'; readonly immutable?: boolean } & GuestPage)
  /** RMPREAD: the kernel looks at an entry, and keeps what it has read. */
  | { readonly op: 'rmpread'; readonly pfn: number }
  /** The process gives up its own mapping of the 2 MiB around a guest page. */
  | ({ readonly op: 'zap-mapping' } & GuestPage)
  /** KVM_PRE_FAULT_MEMORY of one private page: it is prepared and mapped as by a nested fault. */
  | ({ readonly op: 'pre-fault' } & GuestPage)
  /** __unregister_enc_region_locked(): all pages of a VM go back to the allocator. */
  | { readonly op: 'unregister-region'; readonly vm: string }
  /** A hole is punched into the guest_memfd of a guest: of one page, or of all of a 2M entry. */
  | ({ readonly op: 'punch-hole'; readonly size?: '4K' | '2M' } & GuestPage)
  /** WBINVD on every CPU: wbinvd_on_all_cpus(). */
  | { readonly op: 'wbinvd' }
  /** snp_rmptable_init(): the host enables SNP. With it, SNP is off when the run starts. */
  | { readonly op: 'enable-snp' }
  /** _sev_platform_init_locked(): the driver initializes the firmware. */
  | { readonly op: 'init-firmware' }
  /** KVM_CREATE_VM of an SNP VM, up to its context page. */
  | { readonly op: 'create-snp-vm' }
  /** ksmd scans a page of a guest, and merges it if it may. */
  | ({ readonly op: 'ksm-scan' } & GuestPage)
  /** sev_gmem_prepare(): a guest gets a private page of what the page allocator has. */
  | { readonly op: 'prepare-page'; readonly vm: string }
  /**
   * Another kernel takes over, by kexec or after a panic (crash), and stores to a frame through a
   * mapping of that size. The run ends with its boot.
   */
  | { readonly op: 'kexec' | 'crash'; readonly pfn: number; readonly mapping?: '4K' | '2M' }
  /** The kernel stores to a frame of its own. */
  | { readonly op: 'store-frame'; readonly pfn: number }
  /** sev_asid_new(): an ASID for a VM that is created. */
  | { readonly op: 'asid-new' }
  /** sev_vm_destroy() of a guest that the firmware has at the start. */
  | { readonly op: 'destroy-guest'; readonly context: number; readonly asid: number }
  /** A firmware command of the older ABI, with a frame for each buffer that it writes. */
  | { readonly op: 'legacy-command'; readonly command: LegacyCommand; readonly buffer?: number; readonly chain?: number }
  /** A firmware command through sev_do_cmd(). */
  | ({ readonly op: 'sev-command'; readonly command: PspCommand; readonly pfn: number } & SnpCommandFields);

declare module '../program.ts' {
  interface GuestOpsOf {
    'sev-snp': GuestOps;
  }
  interface HostOpsOf {
    'sev-snp': HostOps;
  }
}
