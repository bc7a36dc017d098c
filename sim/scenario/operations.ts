/** What programs can do: one table for guests, one for host threads. The schema, the compiler, `schema` and the docs read it. */
import { z } from 'zod';
import type { CoreGuestOp, CoreHostOp } from '../../events/program.ts';
import { mechanisms, perRegistry } from '../registry.ts';
import { GFN, integer, LIMITS, NAME, PFN, VCPU } from './fields.ts';
import { type Arguments, type Operation, operation } from './operation.ts';

const FLAG = z.boolean({ error: 'expected true or false' });
const PRIVATE = FLAG.describe('The C-bit of the access: true reaches the page as encrypted guest memory.');
const VM = NAME.describe('A key of `vms`.');

const COMMANDS = ['SNP_INIT_EX', 'SNP_SHUTDOWN_EX', 'SNP_PLATFORM_STATUS', 'SNP_PAGE_RECLAIM', 'SNP_DF_FLUSH'] as const;

/** What stands for the page of a command that takes none. */
export const PFN_NONE = 0;

/** Firmware commands whose argument is a page of the scenario. */
export const COMMANDS_WITH_PAGE: readonly string[] = ['SNP_PLATFORM_STATUS', 'SNP_PAGE_RECLAIM'];

type GuestTable = { readonly [K in CoreGuestOp['op']]: Operation<Arguments, CoreGuestOp> };
type HostTable = { readonly [K in CoreHostOp['op']]: Operation<Arguments, CoreHostOp> };

/** What the program of a vCPU can do on every host that knows it. */
export const GUEST_OPERATIONS = {
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
  read: operation('read', 'Loads from a page.', { gfn: GFN, private: PRIVATE }),
  write: operation('write', 'Stores to a page.', { gfn: GFN, private: PRIVATE }),
  spin: operation('spin', 'Computes and never exits by itself: only an interrupt of the pCPU ends it.', {}),
  compute: operation('compute', 'Computes for ever: an interrupt takes the vCPU out of the guest, and it goes on when it is back.', {}),
  hlt: operation('hlt', 'Halts until a request arrives, or an interrupt where the scenario allows them.', {}),
} satisfies GuestTable;

const KVM_RUN_ARGS = { vcpu: VCPU };
const SEV_COMMAND_FIELDS = { command: z.enum(COMMANDS), pfn: PFN };
const SEV_COMMAND_ARGS = {
  command: z.enum(COMMANDS),
  pfn: PFN.describe(`The page of a command that takes one: ${COMMANDS_WITH_PAGE.join(', ')}.`).exactOptional(),
};

/** What the thread of a host process can do. Upper case: an ioctl by its own name. */
export const HOST_OPERATIONS = {
  KVM_RUN: {
    summary: 'Runs a vCPU until it stops for user space.',
    args: KVM_RUN_ARGS,
    fields: { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1) },
    compiled: z.strictObject(KVM_RUN_ARGS).transform(({ vcpu }): CoreHostOp => {
      const slash = vcpu.indexOf('/');
      return { op: 'KVM_RUN', vm: vcpu.slice(0, slash), vcpu: Number(vcpu.slice(slash + 1)) };
    }),
  },
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
  'sev-command': {
    summary: 'Sends a command to the firmware through sev_do_cmd() and waits for its completion.',
    args: SEV_COMMAND_ARGS,
    fields: SEV_COMMAND_FIELDS,
    compiled: z
      .strictObject(SEV_COMMAND_ARGS)
      .transform(({ command, pfn }): CoreHostOp => ({ op: 'sev-command', command, pfn: pfn ?? PFN_NONE })),
  },
} satisfies HostTable;

/** All operations of guests and of host threads, those of mechanisms too. */
export const guestOperations = perRegistry(
  (): Readonly<Record<string, Operation>> => Object.assign({}, GUEST_OPERATIONS, ...mechanisms().map((one) => one.guestOperations ?? {})),
);
export const hostOperations = perRegistry(
  (): Readonly<Record<string, Operation>> => Object.assign({}, HOST_OPERATIONS, ...mechanisms().map((one) => one.hostOperations ?? {})),
);

/** A row of the operation table, for people. */
export interface OperationRow {
  readonly name: string;
  readonly by: 'guest' | 'host' | 'both';
  readonly args: readonly string[];
  readonly summary: string;
}

/** Every operation that a program may hold, `repeat` and `choose` last. */
export function operationRows(): OperationRow[] {
  const rows = (by: 'guest' | 'host', table: Readonly<Record<string, Operation>>): OperationRow[] =>
    Object.entries(table).map(([name, { args, summary }]) => ({
      name,
      by,
      args: Object.entries(args).map(([arg, schema]) => (schema instanceof z.ZodExactOptional ? `${arg}?` : arg)),
      summary,
    }));
  const repeat: OperationRow = { name: 'repeat', by: 'both', args: ['times', 'do'], summary: REPEAT_SUMMARY };
  const choose: OperationRow = { name: 'choose', by: 'both', args: ['of'], summary: CHOOSE_SUMMARY };
  return [...rows('guest', guestOperations()), ...rows('host', hostOperations()), repeat, choose];
}

export const CHOOSE_SUMMARY = 'Runs one of several lists of operations, the first unless it is chosen otherwise; a list may be empty.';
export const REPEAT_SUMMARY = 'Runs a list of operations several times; may stand inside another.';
