/**
 * What programs can do on hosts with SEV-SNP: guests with their pages, the host with guest memory
 * and the firmware.
 */
import { z } from 'zod';
import { GFN, integer, NAME, PFN } from '../../scenario/fields.ts';
import { type Operation, operation } from '../../scenario/operation.ts';
import { SEV_COMMAND } from './command-operation.ts';
import { LEGACY_COMMAND } from './legacy-operation.ts';
import { CERT_PAGES_MAX } from './request-topology.ts';

const ASID_MAX = 0xffff;
const FLAG = z.boolean({ error: 'expected true or false' });
const PRIVATE = FLAG.describe('The C-bit of the access: true reaches the page as encrypted guest memory.');
const SIZE = z.enum(['4K', '2M']).describe('Of the instruction. Default: 4K.').exactOptional();
const VM = NAME.describe('A key of `vms`.');

export const SNP_GUEST_OPERATIONS = {
  pvalidate: operation('pvalidate', 'Sets or clears the validated bit of a page that is assigned to the guest.', {
    gfn: GFN,
    validated: FLAG,
    size: SIZE,
  }),
  rmpadjust: operation('rmpadjust', "Changes a page's permissions for a VMPL, or makes it a VMSA.", {
    gfn: GFN,
    vmpl: integer(0, 3).describe('The VMPL whose permissions change.'),
    vmsa: FLAG.describe('Whether the page is a VMSA afterwards; only VMPL 0 can say.'),
    perms: integer(0, 15)
      .describe('Read 1, write 2, execute in user mode 4, in supervisor mode 8. Default: what the VMPL has.')
      .exactOptional(),
    size: SIZE,
  }),
  rmpquery: operation(
    'rmpquery',
    'Asks for the size of a page, the permissions of a VMPL, and whether it is a VMSA; another vCPU may change them at once.',
    {
      gfn: GFN,
      vmpl: integer(0, 3).describe('The VMPL whose permissions are asked for: that of the vCPU, or a lower one.'),
    },
  ),
  psc: operation('psc', 'Asks the host for a page state change, through the GHCB and VMGEXIT.', {
    gfn: GFN,
    to: z.enum(['private', 'shared']),
  }),
  'svsm-pvalidate': operation('svsm-pvalidate', 'An SVSM validates a page for the OS, clears it, and gives it to VMPL 1.', { gfn: GFN }),
  'svsm-create-vcpu': operation(
    'svsm-create-vcpu',
    'An SVSM is to make a page a VMSA of the OS, finds that it is none, and gives it back to VMPL 1.',
    { gfn: GFN },
  ),
  'request-report': operation('request-report', 'Asks the firmware for an attestation report, in a message that the host carries.', {
    data: integer(0, Number.MAX_SAFE_INTEGER).describe('What stands in REPORT_DATA, as a number of 64 bits in front of zeros.'),
    vmpl: integer(0, 3).describe('The VMPL that the report is for.'),
    certs: integer(0, CERT_PAGES_MAX)
      .describe('Asks for certificates beside it, as SNP_GET_EXT_REPORT does, with this many pages for them.')
      .exactOptional(),
  }),
  read: operation('read', 'Loads from a page.', {
    gfn: GFN,
    private: PRIVATE,
    expects: z
      .enum(['own'])
      .describe('own: what the guest itself has stored there last. rmp.silent-corruption breaks where it finds something else.')
      .exactOptional(),
  }),
  write: operation('write', 'Stores to a page.', { gfn: GFN, private: PRIVATE }),
} satisfies Readonly<Record<string, Operation>>;

const NEXT_KERNEL = {
  pfn: PFN.describe('The frame: a page of a VM or of firmware.'),
  mapping: z.enum(['4K', '2M']).describe('Of the store. Default: 4K.').exactOptional(),
};

export const SNP_HOST_OPERATIONS = {
  write: operation('write', "Stores to a guest page through the process's own mapping, as device emulation in user space does.", {
    vm: VM,
    gfn: GFN,
    stores: integer(1, 1024).describe('How many stores, one after the other.'),
  }),
  'kvm-write-guest': operation(
    'kvm-write-guest',
    'Writes a guest page from the host kernel after a look at the RMP, as kvm_vcpu_map() does with patch 39 of series v5.',
    {
      vm: VM,
      gfn: GFN,
    },
  ),
  'kvm-write-unchecked': operation('kvm-write-unchecked', 'Writes a guest page from the host kernel without a look at the RMP before it.', {
    vm: VM,
    gfn: GFN,
  }),
  'kvm-read-guest': operation('kvm-read-guest', 'Reads a guest page from the host kernel: ciphertext of a private one.', {
    vm: VM,
    gfn: GFN,
  }),
  'device-write': operation('device-write', 'Has a device write a guest page by DMA, which the IOMMU drops where the page is private.', {
    vm: VM,
    gfn: GFN,
  }),
  'make-shared': operation('make-shared', 'Takes a page back from a guest, as kvm_rmp_make_shared() does.', { vm: VM, gfn: GFN }),
  'make-private': operation(
    'make-private',
    'Assigns the frame of a page to its guest, as rmp_make_private() does, whatever the RMP says of it.',
    { vm: VM, gfn: GFN, immutable: FLAG.describe('Whether only the firmware may change the entry then. Default: false.').exactOptional() },
  ),
  rmpread: operation('rmpread', 'Reads the RMP entry of a frame from the host kernel, by RMPREAD.', {
    pfn: PFN.describe('A page of a VM or of firmware.'),
  }),
  'zap-mapping': operation('zap-mapping', "Gives up the process's own mapping of the 2 MiB around a guest page.", { vm: VM, gfn: GFN }),
  'pre-fault': operation(
    'pre-fault',
    'Prepares a private page of a guest_memfd and maps it, as KVM_PRE_FAULT_MEMORY and nested faults do (sev_gmem_prepare()).',
    { vm: VM, gfn: GFN },
  ),
  'unregister-region': operation(
    'unregister-region',
    'Gives all pages of a VM back at its end, as __unregister_enc_region_locked() of series v5 does.',
    { vm: VM },
  ),
  'punch-hole': operation('punch-hole', 'Frees a private page of a guest, as a hole in its guest_memfd does (sev_gmem_invalidate()).', {
    vm: VM,
    gfn: GFN,
    size: z.enum(['4K', '2M']).describe('2M: all of the 2M entry whose first page it is. Default: 4K.').exactOptional(),
  }),
  'asid-new': operation('asid-new', 'Takes an ASID for a VM, after a flush if all are used (sev_asid_new()).', {}),
  'destroy-guest': operation('destroy-guest', 'Ends a guest of `firmware.guests` (sev_vm_destroy()).', {
    context: PFN.describe('The page of its guest context.'),
    asid: integer(1, ASID_MAX).describe('Its ASID.'),
  }),
  wbinvd: operation('wbinvd', 'Writes back and invalidates the caches of every CPU (wbinvd_on_all_cpus()).', {}),
  'enable-snp': operation('enable-snp', 'Enables SNP on all CPUs (snp_rmptable_init()). With it, SNP is off when the run starts.', {}),
  'init-firmware': operation('init-firmware', 'Initializes the firmware for SNP, and the trusted memory region.', {}),
  'create-snp-vm': operation('create-snp-vm', 'Creates an SNP VM, up to the context page that the firmware makes.', {}),
  'ksm-scan': operation('ksm-scan', 'Scans a guest page for KSM, and stores to it if its mapping is mergeable.', { vm: VM, gfn: GFN }),
  'prepare-page': operation('prepare-page', 'Gives a guest a private page, of the frames that are free (sev_gmem_prepare()).', { vm: VM }),
  kexec: operation('kexec', 'Another kernel takes over and stores to a frame; the run ends with its boot.', NEXT_KERNEL),
  crash: operation('crash', 'The kernel panics, and the crash kernel stores to a frame; the run ends with its boot.', NEXT_KERNEL),
  'store-frame': operation('store-frame', 'Stores to a frame from the host kernel, checked where SNP is enabled on the CPU.', {
    pfn: PFN.describe('A page of a VM or of firmware.'),
  }),
  'sev-command': SEV_COMMAND,
  'legacy-command': LEGACY_COMMAND,
} satisfies Readonly<Record<string, Operation>>;

declare module '../../scenario/program.ts' {
  interface GuestTablesOf {
    'sev-snp': typeof SNP_GUEST_OPERATIONS;
  }
  interface HostTablesOf {
    'sev-snp': typeof SNP_HOST_OPERATIONS;
  }
}
