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
   * How much of its PVALIDATE an SVSM keeps CREATE_VCPU out for: nothing, the instruction, or all
   * of it until the OS gets the page.
   * @see domain snp h, R24
   */
  'svsm.pvalidateLock': ['instruction', 'none', 'to-the-grant'],
  /** What the second of two contending RMP instructions sees. Hardware does not document it. */
  'rmp.contention': ['inuse', 'overlap-2m'],
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
  /** An SVSM does this for the OS: SVSM_CORE_PVALIDATE, and SVSM_CORE_CREATE_VCPU that fails. */
  | { readonly op: 'svsm-pvalidate'; readonly gfn: number }
  | { readonly op: 'svsm-create-vcpu'; readonly gfn: number }
  | { readonly op: 'request-report'; readonly data: number; readonly vmpl: number }
  | { readonly op: 'psc'; readonly gfn: number; readonly to: 'private' | 'shared' }
  /** `expects`: what the guest has stored there last. */
  | { readonly op: 'read'; readonly gfn: number; readonly private: boolean; readonly expects?: 'own' }
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
  /**
   * rmp_make_private(): the frame of a page is assigned to its guest, at the page's GFN, whatever
   * the entry says.
   */
  | ({ readonly op: 'make-private' } & GuestPage)
  /** KVM_PRE_FAULT_MEMORY of one private page: it is prepared and mapped as by a nested fault. */
  | ({ readonly op: 'pre-fault' } & GuestPage)
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
