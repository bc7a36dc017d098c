/**
 * What programs can do on hosts with SEV-SNP: guests with their pages, the host with guest memory
 * and the firmware.
 */
import { z } from 'zod';
import type { GuestOp, HostOp } from '../../../events/program.ts';
import { GFN, integer, NAME, PFN } from '../../scenario/fields.ts';
import { hex, type Path, type PathIssue } from '../../scenario/issues.ts';
import { type Operation, operation } from '../../scenario/operation.ts';

const FLAG = z.boolean({ error: 'expected true or false' });
const PRIVATE = FLAG.describe('The C-bit of the access: true reaches the page as encrypted guest memory.');
const VM = NAME.describe('A key of `vms`.');

const COMMANDS = ['SNP_INIT_EX', 'SNP_SHUTDOWN_EX', 'SNP_PLATFORM_STATUS', 'SNP_PAGE_RECLAIM', 'SNP_DF_FLUSH'] as const;

/** What stands for the page of a command that takes none. */
const PFN_NONE = 0;

/** Firmware commands whose argument is a page of the scenario. */
const COMMANDS_WITH_PAGE: readonly string[] = ['SNP_PLATFORM_STATUS', 'SNP_PAGE_RECLAIM'];

export const SNP_GUEST_OPERATIONS = {
  pvalidate: operation('pvalidate', 'Sets or clears the validated bit of a page that is assigned to the guest.', {
    gfn: GFN,
    validated: FLAG,
  }),
  rmpadjust: operation('rmpadjust', "Changes a page's permissions for a VMPL, or makes it a VMSA.", {
    gfn: GFN,
    vmpl: integer(0, 3).describe('The VMPL whose permissions change.'),
    vmsa: FLAG.describe('Whether the page is a VMSA afterwards.'),
  }),
  psc: operation('psc', 'Asks the host for a page state change, through the GHCB and VMGEXIT.', {
    gfn: GFN,
    to: z.enum(['private', 'shared']),
  }),
  'request-report': operation('request-report', 'Asks the firmware for an attestation report, in a message that the host carries.', {
    data: integer(0, Number.MAX_SAFE_INTEGER).describe('What stands in REPORT_DATA, as a number of 64 bits in front of zeros.'),
    vmpl: integer(0, 3).describe('The VMPL that the report is for.'),
  }),
  read: operation('read', 'Loads from a page.', { gfn: GFN, private: PRIVATE }),
  write: operation('write', 'Stores to a page.', { gfn: GFN, private: PRIVATE }),
} satisfies Readonly<Record<string, Operation>>;

const SEV_COMMAND_FIELDS = { command: z.enum(COMMANDS), pfn: PFN };
const SEV_COMMAND_ARGS = {
  command: z.enum(COMMANDS),
  pfn: PFN.describe(`The page of a command that takes one: ${COMMANDS_WITH_PAGE.join(', ')}.`).exactOptional(),
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
  'make-shared': operation('make-shared', 'Takes a page back from a guest, as kvm_rmp_make_shared() does.', { vm: VM, gfn: GFN }),
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
  'sev-command': {
    summary: 'Sends a command to the firmware through sev_do_cmd() and waits for its completion.',
    args: SEV_COMMAND_ARGS,
    fields: SEV_COMMAND_FIELDS,
    compiled: z
      .strictObject(SEV_COMMAND_ARGS)
      .transform(({ command, pfn }) => ({ op: 'sev-command' as const, command, pfn: pfn ?? PFN_NONE })),
  },
} satisfies Readonly<Record<string, Operation>>;

/** Whether a firmware command has the page that it takes, of those that the scenario has. */
export function commandIssues(op: GuestOp | HostOp, path: Path, pfns: ReadonlySet<number>): PathIssue[] {
  if (op.op !== 'sev-command') return [];
  const { command, pfn } = op;
  const found = pfn === PFN_NONE ? 'no PFN' : `PFN ${hex(pfn)}`;
  if (!COMMANDS_WITH_PAGE.includes(command)) {
    return pfn === PFN_NONE ? [] : [{ path: [...path, 'pfn'], message: `found ${found}; expected none: ${command} takes no page` }];
  }
  if (pfns.has(pfn)) return [];
  return [{ path: [...path, 'pfn'], message: `found ${found}; expected a page of a VM or of firmware: ${command} takes one` }];
}

declare module '../../scenario/program.ts' {
  interface GuestTablesOf {
    'sev-snp': typeof SNP_GUEST_OPERATIONS;
  }
  interface HostTablesOf {
    'sev-snp': typeof SNP_HOST_OPERATIONS;
  }
}
