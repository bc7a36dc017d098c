/**
 * Operations of programs on Intel hosts: accesses to MSR_TEST_CTRL, and accesses that split a lock.
 */
import { z } from 'zod';
import { BITS64, integer, LIMITS, NAME, VCPU, vcpuNamed } from '../../scenario/fields.ts';
import { type Operation, operation } from '../../scenario/operation.ts';

const FLAG = z.boolean({ error: 'expected true or false' });
const VALUE = BITS64.describe('What is written to MSR_TEST_CTRL; bit 29 is 0x20000000.');
const CPL = z.union([z.literal(0), z.literal(3)], { error: 'expected 0 or 3' }).describe('The privilege level of the access.');
const MSR_CPL = CPL.describe('The privilege level of the access. Default 0.').exactOptional();

const CONTEXT_ARGS = {
  cpl: CPL,
  am: FLAG.describe('CR0.AM. Default false.').exactOptional(),
  ac: FLAG.describe('EFLAGS.AC. Default false.').exactOptional(),
};
const CONTEXT_FIELDS = { cpl: CPL, am: FLAG, ac: FLAG };

/** An access in a context of alignment checking. */
const access = <N extends string>(op: N, summary: string) => ({
  summary,
  args: CONTEXT_ARGS,
  fields: CONTEXT_FIELDS,
  compiled: z.strictObject(CONTEXT_ARGS).transform(({ cpl, am = false, ac = false }) => ({ op, cpl, am, ac })),
});

const VCPU_FIELDS = { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1) };

export const GUEST_OPERATIONS = {
  'wrmsr-test-ctrl': operation('wrmsr-test-ctrl', 'WRMSR of MSR_TEST_CTRL, which exits, or is #GP at CPL 3.', {
    value: VALUE,
    cpl: MSR_CPL,
  }),
  'rdmsr-test-ctrl': operation('rdmsr-test-ctrl', 'RDMSR of MSR_TEST_CTRL, which exits, or is #GP at CPL 3.', { cpl: MSR_CPL }),
  'emulated-increment': operation('emulated-increment', 'A locked increment across two cache lines, which KVM has to emulate.', {}),
  'split-lock': access('split-lock', 'A locked access across two cache lines.'),
  misaligned: access('misaligned', 'A misaligned access without a lock.'),
} satisfies Readonly<Record<string, Operation>>;

const SPLIT_ARGS = {
  mode: z.enum(['user', 'kernel']).describe('Who does it. Default user.').exactOptional(),
  ac: FLAG.describe('EFLAGS.AC of the task. Default false.').exactOptional(),
};
const SET_ARGS = { vcpu: VCPU, value: VALUE };
const GET_ARGS = { vcpu: VCPU };

export const HOST_OPERATIONS = {
  'cpu-offline': operation('cpu-offline', 'Takes a CPU offline once it is idle.', {
    cpu: integer(0, LIMITS.cpus - 1).describe('Its number.'),
  }),
  pin: operation('pin', 'Binds itself to the CPU on which it runs, by sched_setaffinity().', {}),
  resume: operation('resume', 'Brings up the CPUs after a suspend, and thaws the tasks; only where the run begins with one.', {}),
  frozen: operation('frozen', 'Waits until tasks are thawed.', {}),
  sysctl: operation('sysctl', 'Writes kernel.split_lock_mitigate.', {
    splitLockMitigate: FLAG.describe('Whether a task that splits a lock is slowed down.'),
  }),
  'split-lock': {
    summary: 'A locked access across two cache lines, by user code or by the kernel in a system call.',
    args: SPLIT_ARGS,
    fields: { mode: z.enum(['user', 'kernel']), ac: FLAG },
    compiled: z.strictObject(SPLIT_ARGS).transform(({ mode = 'user', ac = false }) => ({ op: 'split-lock' as const, mode, ac })),
  },
  KVM_SET_MSRS: {
    summary: "Writes a vCPU's MSR_TEST_CTRL.",
    args: SET_ARGS,
    fields: { ...VCPU_FIELDS, value: VALUE },
    compiled: z.strictObject(SET_ARGS).transform(({ vcpu, value }) => ({ op: 'KVM_SET_MSRS' as const, ...vcpuNamed(vcpu), value })),
  },
  KVM_GET_MSRS: {
    summary: "Reads a vCPU's MSR_TEST_CTRL.",
    args: GET_ARGS,
    fields: VCPU_FIELDS,
    compiled: z.strictObject(GET_ARGS).transform(({ vcpu }) => ({ op: 'KVM_GET_MSRS' as const, ...vcpuNamed(vcpu) })),
  },
} satisfies Readonly<Record<string, Operation>>;

declare module '../../scenario/program.ts' {
  interface GuestTablesOf {
    'split-lock': typeof GUEST_OPERATIONS;
  }
  interface HostTablesOf {
    'split-lock': typeof HOST_OPERATIONS;
  }
}
