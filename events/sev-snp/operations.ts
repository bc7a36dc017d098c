/** Vocabulary of SEV-SNP: what programs of guests and of host threads can do. */
import type { GhcbFields, PscEntry } from './ghcb.ts';
import type { LegacyCommand, PspCommand } from './psp.ts';
import type { SnpCommandFields } from './snp-command.ts';

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
