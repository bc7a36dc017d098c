/** What programs of guests and threads on x86 hosts can do with debug registers, beside KVM_RUN. */
import { z } from 'zod';
import { BITS64, integer, LIMITS } from '../../scenario/fields.ts';
import { type Operation, operation } from '../../scenario/operation.ts';

const FLAG = z.boolean({ error: 'expected true or false' });
const AT = BITS64.describe('The linear address of the instruction; one that no other has unless given.').exactOptional();
/** What a program expects of an instruction. */
const TOLD = {
  takes: z
    .enum(['none', 'DB', 'BP', 'GP', 'UD'], { error: 'expected none, DB, BP, GP or UD' })
    .describe('The exception that the program expects, or none; anything unless given.')
    .exactOptional(),
  dr6: BITS64.describe('What the program expects its handler of #DB to find in DR6.').exactOptional(),
};
const ADDRESS = (what: string) => BITS64.describe(what).exactOptional();
const LENGTH = z
  .union([z.literal(1), z.literal(2), z.literal(4), z.literal(8)], { error: 'expected 1, 2, 4 or 8' })
  .describe('Bytes of the access. Default 8.')
  .exactOptional();
const DR = integer(0, 7).describe('DR0 to DR7; DR4 and DR5 are names of DR6 and DR7 while CR4.DE is clear.');
const DATA = {
  at: AT,
  reads: ADDRESS('The linear address that it reads.'),
  writes: ADDRESS('The linear address that it writes.'),
  length: LENGTH,
  ...TOLD,
};

export const GUEST_DEBUG_GUEST_OPERATIONS = {
  insn: operation('insn', 'An instruction that breakpoints, watchpoints and single-step may stop.', DATA),
  'mov-ss': operation('mov-ss', 'MOV SS: debug exceptions wait until the next instruction is done.', DATA),
  'mov-to-dr': operation('mov-to-dr', 'Writes a debug register.', { at: AT, dr: DR, value: BITS64, ...TOLD }),
  'mov-from-dr': operation('mov-from-dr', 'Reads a debug register.', {
    at: AT,
    dr: DR,
    gives: BITS64.describe('The value that the program expects.').exactOptional(),
    ...TOLD,
  }),
  popf: operation('popf', 'Writes RFLAGS.TF; the step exception comes behind the next instruction.', { at: AT, tf: FLAG, ...TOLD }),
  sti: operation('sti', 'STI.', { at: AT, ...TOLD }),
  int3: operation('int3', 'INT3: a breakpoint exception.', { at: AT, ...TOLD }),
  'wrmsr-fastpath': operation(
    'wrmsr-fastpath',
    'WRMSR that KVM handles with interrupts off; VMX enters the guest again at once for the deadline of the TSC.',
    {
      at: AT,
      msr: z.enum(['tsc-deadline', 'x2apic-icr']),
      ...TOLD,
    },
  ),
  'ac-loop': operation('ac-loop', 'Raises #AC, whose delivery pushes to a misaligned stack and raises it again; on AMD hosts.', {
    at: AT,
  }),
  icebp: operation('icebp', 'INT1: a debug exception with no bit of its own in DR6.', { at: AT, ...TOLD }),
} satisfies Readonly<Record<string, Operation>>;

const CPU = integer(0, LIMITS.cpus - 1)
  .describe('One CPU; all, one after the other, unless given.')
  .exactOptional();
const SLOT = z
  .union([z.literal(0), z.literal(1), z.literal(2), z.literal(3)], { error: 'expected 0, 1, 2 or 3' })
  .describe('Which of DR0 to DR3. Default 0.')
  .exactOptional();

export const GUEST_DEBUG_HOST_OPERATIONS = {
  'perf-breakpoint': operation(
    'perf-breakpoint',
    'Opens a breakpoint event of perf on a CPU, as `perf record -e mem:ADDRESS/LENGTH:TYPE`; where the slot is taken, nothing happens.',
    {
      cpu: CPU,
      slot: SLOT,
      address: BITS64.describe('A linear address, a multiple of the length.'),
      length: integer(1, 4096).describe('Bytes, a power of two; more than 8 on AMD alone, by an address mask. Default 8.').exactOptional(),
      type: z.enum(['w', 'rw']).describe('Default `w`.').exactOptional(),
    },
  ),
  'perf-remove': operation('perf-remove', 'Closes the breakpoint event of perf in a slot, if there is one.', { cpu: CPU, slot: SLOT }),
  'touch-address': operation('touch-address', 'Code of the host accesses memory; a breakpoint of its CPU may tell perf.', {
    address: BITS64.describe('A linear address.'),
    length: LENGTH,
    write: FLAG.describe('Default true.').exactOptional(),
    heard: FLAG.describe('Whether the program expects perf to be told; either unless given.').exactOptional(),
  }),
} satisfies Readonly<Record<string, Operation>>;

declare module '../../scenario/program.ts' {
  interface GuestTablesOf {
    'guest-debug': typeof GUEST_DEBUG_GUEST_OPERATIONS;
  }
  interface HostTablesOf {
    'guest-debug': typeof GUEST_DEBUG_HOST_OPERATIONS;
  }
}
