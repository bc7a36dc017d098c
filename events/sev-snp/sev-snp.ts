/**
 * Vocabulary of SEV-SNP: the design switches of its hosts, and what programs of guests and of host
 * threads can do. Messages are in rmp.ts and psp.ts.
 */
import type { PspCommand } from './psp.ts';

/** Every switch with its allowed values; the first is the default. */
export const SEV_SNP_OPTIONS = {
  /**
   * What the #PF handler does when the host writes a guest-private page.
   * @see domain snp d: P0 panic-sigbus (series v3-v6), P1 auto-share (Gonda), P2 kill-guest
   */
  'kvm.rmpFault': ['panic-sigbus', 'auto-share', 'kill-guest'],
  /**
   * Who can hold a page shared while it is mapped: no one, the kernel (P3, patch 39), also user
   * space through an ABI (P4).
   */
  'kvm.mapLock': ['none', 'kernel', 'user'],
  /**
   * Which failures of RMPUPDATE rmpupdate() retries: 6.9+ only FAIL_OVERLAP, without a bound; the
   * series v1-v4 also FAIL_INUSE; a development tree FAIL_OVERLAP, 96 times.
   * @see domain snp b.4
   */
  'kvm.rmpupdateRetry': ['overlap', 'overlap-and-inuse', 'overlap-96'],
  /**
   * What is done about a 2M entry before a 4K frame of it is made the hypervisor's and freed: it is
   * split, as mainline does, or nothing is done.
   * @see domain snp h, R10
   */
  'kvm.gmemSplit': ['psmash', 'none'],
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
  | { readonly op: 'pvalidate'; readonly gfn: number; readonly validated: boolean }
  | { readonly op: 'rmpadjust'; readonly gfn: number; readonly vmpl: number; readonly vmsa: boolean }
  | { readonly op: 'request-report'; readonly data: number; readonly vmpl: number }
  | { readonly op: 'psc'; readonly gfn: number; readonly to: 'private' | 'shared' }
  | { readonly op: 'read'; readonly gfn: number; readonly private: boolean }
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
  /** kvm_rmp_make_shared(): the host takes a page back from a guest. */
  | ({ readonly op: 'make-shared' } & GuestPage)
  /** A hole is punched into the guest_memfd of a guest: of one page, or of all of a 2M entry. */
  | ({ readonly op: 'punch-hole'; readonly size?: '4K' | '2M' } & GuestPage)
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
  /** A firmware command through sev_do_cmd(). */
  | { readonly op: 'sev-command'; readonly command: PspCommand; readonly pfn: number };

declare module '../program.ts' {
  interface GuestOpsOf {
    'sev-snp': GuestOps;
  }
  interface HostOpsOf {
    'sev-snp': HostOps;
  }
}
