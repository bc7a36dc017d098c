/** KVM_SET_GUEST_DEBUG, which a mechanism of each architecture carries out. */
import { z } from 'zod';
import { BITS64, integer, LIMITS, NAME, VCPU, vcpuNamed } from './fields.ts';

const FLAG = z.boolean({ error: 'expected true or false' });
const ADDRESS = (what: string) => BITS64.describe(what).exactOptional();
const flag = (name: string) => FLAG.describe(`KVM_GUESTDBG_${name}.`).exactOptional();

/** What hosts of x86 alone take. */
const X86 = {
  injectDb: flag('INJECT_DB'),
  injectBp: flag('INJECT_BP'),
  blockirq: flag('BLOCKIRQ'),
  dr0: ADDRESS('DR0 of the debugger. Default 0.'),
  dr1: ADDRESS('DR1 of the debugger. Default 0.'),
  dr2: ADDRESS('DR2 of the debugger. Default 0.'),
  dr3: ADDRESS('DR3 of the debugger. Default 0.'),
  dr7: ADDRESS('DR7 of the debugger. Default 0.'),
};
export const X86_FIELDS: readonly string[] = Object.keys(X86);

const FIELDS = {
  enable: FLAG.describe('KVM_GUESTDBG_ENABLE: without it all flags are cleared; set with any other flag unless given.').exactOptional(),
  hw: FLAG.describe('KVM_GUESTDBG_USE_HW_BP; arm64: KVM_GUESTDBG_USE_HW, of breakpoint and watchpoint 0.').exactOptional(),
  step: flag('SINGLESTEP'),
  sw: flag('USE_SW_BP'),
  known: FLAG.describe('Whether the VMM recognizes hits as its own; true unless given.').exactOptional(),
  ...X86,
};
const ARGS = { vcpu: VCPU, ...FIELDS };

export const KVM_SET_GUEST_DEBUG = {
  summary: 'Debugs a vCPU from user space; without flags it ends that. What stands behind `known` is of x86.',
  args: ARGS,
  fields: { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1), ...FIELDS },
  compiled: z.strictObject(ARGS).transform(({ vcpu, ...rest }) => ({ op: 'KVM_SET_GUEST_DEBUG' as const, ...vcpuNamed(vcpu), ...rest })),
};
