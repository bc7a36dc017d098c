/** What programs on arm64 hosts can do, beside KVM_RUN. */
import { z } from 'zod';
import { SYSREGS } from '../../../events/os-lock/sysregs.ts';
import type { HostOp } from '../../../events/program.ts';
import { BITS64, integer, LIMITS, NAME, VCPU, vcpuNamed } from '../../scenario/fields.ts';
import { type Arguments, type Operation, operation } from '../../scenario/operation.ts';

const FLAG = z.boolean({ error: 'expected true or false' });
const REG = z.enum(SYSREGS);

export const OS_LOCK_GUEST_OPERATIONS = {
  msr: operation('msr', 'Writes a debug register; AArch32 names are written by MCR.', {
    reg: REG.describe('Of the control registers of breakpoint 0 and watchpoint 0 only E (bit 0) does something.'),
    value: BITS64,
  }),
  mrs: operation('mrs', 'Reads a debug register.', { reg: REG }),
  brk: operation('brk', 'A breakpoint instruction.', {}),
  execute: operation('execute', 'An instruction that an armed breakpoint, watchpoint or vector catch may stop, or a software step.', {
    breakpoint: FLAG.describe('It stands at the address of breakpoint 0.').exactOptional(),
    watchpoint: FLAG.describe('It touches the address of watchpoint 0.').exactOptional(),
    vector: FLAG.describe('It stands at the exception vector that DBGVCR names; AArch32 guests only.').exactOptional(),
  }),
  eret: operation('eret', 'Returns to an exception level with new masks.', {
    el: z.union([z.literal(0), z.literal(1)]),
    d: FLAG.describe('PSTATE.D: debug exceptions of the current level are masked.').exactOptional(),
    ss: FLAG.describe('PSTATE.SS: one instruction runs before the step exception.').exactOptional(),
  }),
  pause: operation('pause', 'The VMM stops the VM here, migrates it, and the guest goes on at the destination.', {}),
} as const;

/** An ioctl of a vCPU: written with its name, held as VM and index. */
const ofVcpu = <A extends Arguments>(op: HostOp['op'], summary: string, args: A): Operation<{ readonly vcpu: typeof VCPU } & A> => {
  const written = { vcpu: VCPU, ...args };
  return {
    summary,
    args: written,
    fields: { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1), ...args },
    compiled: z.strictObject(written).transform((values) => {
      const { vcpu, ...rest } = values as { readonly vcpu: string };
      return { op, ...vcpuNamed(vcpu), ...rest };
    }),
  };
};

export const OS_LOCK_HOST_OPERATIONS = {
  KVM_GET_REG_LIST: ofVcpu('KVM_GET_REG_LIST', 'Lists the registers that a VMM can save.', {}),
  KVM_GET_ONE_REG: ofVcpu('KVM_GET_ONE_REG', 'Reads a register of a vCPU.', { reg: REG }),
  KVM_SET_ONE_REG: ofVcpu('KVM_SET_ONE_REG', 'Writes a register of a vCPU.', { reg: REG, value: BITS64 }),
  migrate: ofVcpu('migrate', 'Waits until a vCPU is stopped, and copies the registers that its kernel lists to the destination.', {}),
  incoming: ofVcpu('incoming', 'Waits for the registers of a migrated vCPU; KVM_RUN then runs it at the destination.', {}),
  'user-work': operation('user-work', 'Computes in user mode.', {}),
} as const;

declare module '../../scenario/program.ts' {
  interface GuestTablesOf {
    'os-lock': typeof OS_LOCK_GUEST_OPERATIONS;
  }
  interface HostTablesOf {
    'os-lock': typeof OS_LOCK_HOST_OPERATIONS;
  }
}
