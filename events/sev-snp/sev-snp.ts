/**
 * Vocabulary of SEV-SNP: the design switches of its hosts, and what programs of guests and of host
 * threads can do. Messages are in rmp.ts and psp.ts.
 */
import { HOST_MAP_OPTIONS } from './host-map.ts';
import { NPT_OPTIONS } from './npt.ts';
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
  /** The host kernel reads a guest page. */
  | ({ readonly op: 'kvm-read-guest' } & GuestPage)
  /** A device of the host writes a guest page by DMA. */
  | ({ readonly op: 'device-write' } & GuestPage)
  /** kvm_rmp_make_shared(): the host takes a page back from a guest. */
  | ({ readonly op: 'make-shared' } & GuestPage)
  /** A page of the hypervisor becomes one of a guest: rmp_make_private(). */
  | ({ readonly op: 'make-private' } & GuestPage)
  /** The process gives up its own mapping of the 2 MiB around a guest page. */
  | ({ readonly op: 'zap-mapping' } & GuestPage)
  /** A hole is punched into the guest_memfd of a guest: of one page, or of all of a 2M entry. */
  | ({ readonly op: 'punch-hole'; readonly size?: '4K' | '2M' } & GuestPage)
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
