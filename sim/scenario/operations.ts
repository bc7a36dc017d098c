/**
 * What programs can do on every host. What mechanisms add, and all of it in one table, is in
 * `all-operations.ts`.
 */
import { z } from 'zod';
import type { CoreGuestOp, CoreHostOp, SignalOp } from '../../events/program.ts';
import { CREATION_OPERATIONS } from './creation.ts';
import { integer, LIMITS, NAME, VCPU, vcpuNamed } from './fields.ts';
import { type Arguments, type Operation, operation } from './operation.ts';
import { KVM_SET_GUEST_DEBUG } from './set-guest-debug.ts';

const INTERCEPTED = z
  .string({ error: 'expected the name of an exit such as "cpuid"' })
  .regex(/^[A-Za-z][\w ()-]{0,39}$/, { error: 'expected the name of an exit such as "cpuid"' })
  .describe('The exit, as recordings of KVM name it.');

type GuestTable = { readonly [K in CoreGuestOp['op']]: Operation<Arguments, CoreGuestOp> };
type HostTable = { readonly [K in CoreHostOp['op']]: Operation<Arguments, CoreHostOp> };

/** 64K ports, and 52 bits of physical address. */
const PORT = integer(0, 0xffff).describe('Number of the port.');
const GPA_MAX = 2 ** 52 - 1;

/** What the program of a vCPU can do. */
export const GUEST_OPERATIONS = {
  touch: operation('touch', 'Touches a page that the nested page tables lack: KVM maps it, and the guest goes on; not on arm64.', {}),
  intercept: operation('intercept', 'Leaves guest mode for what KVM does itself, such as CPUID or an MSR; not on arm64.', {
    name: INTERCEPTED,
  }),
  spin: operation('spin', 'Computes and never exits by itself: only an interrupt of the pCPU ends it.', {}),
  compute: operation('compute', 'Computes without end: an interrupt takes the vCPU out of the guest, and it goes on when it is back.', {}),
  hlt: operation('hlt', 'Halts until an interrupt, where the scenario allows them, or KVM_REQ_UNBLOCK.', {}),
  out: operation('out', 'Writes a port: KVM_RUN ends with KVM_EXIT_IO, and the next one completes the instruction; not on arm64.', {
    port: PORT,
  }),
  in: operation('in', 'Reads a port, as `out` writes one; not on arm64.', { port: PORT }),
  mmio: operation('mmio', 'Accesses an address that no memory slot has: KVM_EXIT_MMIO.', {
    gpa: integer(0, GPA_MAX).describe('Guest physical address.'),
    write: z.boolean({ error: 'expected true or false' }).describe('Whether it writes; a read unless given.').exactOptional(),
  }),
  'debug-exit': operation(
    'debug-exit',
    'One instruction that user space steps: #DB behind it ends KVM_RUN with KVM_EXIT_DEBUG; not on arm64.',
    {},
  ),
} satisfies GuestTable;

/** Each step is a state of its own to a search. */
const COMPUTE_MAX = 65_536;

const REENTER = z
  .boolean({ error: 'expected true or false' })
  .describe('Whether the VMM answers IO, MMIO, DEBUG, HLT and EINTR, and runs the vCPU again.');
const KVM_RUN_ARGS = { vcpu: VCPU, reenter: REENTER.exactOptional() };
const OF_VCPU = { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1) };
/** What the thread of a host process can do. Upper case: an ioctl by its own name. */
export const HOST_OPERATIONS = {
  KVM_RUN: {
    summary: 'Runs a vCPU until it stops for user space; with `reenter` as a VMM does, again and again until it shuts down.',
    args: KVM_RUN_ARGS,
    fields: { ...OF_VCPU, reenter: REENTER.exactOptional() },
    compiled: z.strictObject(KVM_RUN_ARGS).transform(({ vcpu, ...rest }): CoreHostOp => ({ op: 'KVM_RUN', ...vcpuNamed(vcpu), ...rest })),
  },
  ...CREATION_OPERATIONS,
  KVM_SET_GUEST_DEBUG,
  KVM_GET_MP_STATE: {
    summary: 'Asks whether a vCPU runs or is halted, by another thread too: an ioctl that waits for vcpu->mutex.',
    args: { vcpu: VCPU },
    fields: OF_VCPU,
    compiled: z.strictObject({ vcpu: VCPU }).transform(({ vcpu }): CoreHostOp => ({ op: 'KVM_GET_MP_STATE', ...vcpuNamed(vcpu) })),
  },
  KVM_SET_MP_STATE: {
    summary: 'Makes a vCPU runnable, whatever it waits for: an ioctl that waits for vcpu->mutex.',
    args: { vcpu: VCPU },
    fields: OF_VCPU,
    compiled: z.strictObject({ vcpu: VCPU }).transform(({ vcpu }): CoreHostOp => ({ op: 'KVM_SET_MP_STATE', ...vcpuNamed(vcpu) })),
  },
  madvise: operation('madvise', 'Gives memory of a guest back: KVM unmaps it and has the TLBs flushed.', { vm: NAME }),
  compute: operation('compute', 'Computes in user mode, one step, so many, or `endless`: others wait for the CPU.', {
    steps: z.union([integer(1, COMPUTE_MAX), z.literal('endless')]).exactOptional(),
  }),
  pthread_create: operation(
    'pthread_create',
    'Starts a thread of the same process, which is not there before: threads that no program starts are there from the start.',
    { thread: integer(0, LIMITS.threads - 1).describe('Its place in `threads` of the process, from 0 on.') },
  ),
  tgkill: {
    summary: 'Sends the thread that runs a vCPU a signal that it has a handler for: KVM_RUN ends with EINTR.',
    args: { vcpu: VCPU },
    fields: OF_VCPU,
    compiled: z.strictObject({ vcpu: VCPU }).transform(({ vcpu }): SignalOp => ({ op: 'tgkill', ...vcpuNamed(vcpu) })),
  },
} satisfies HostTable;

export const CHOOSE_SUMMARY = 'Runs one of several lists of operations, the first unless it is chosen otherwise; a list may be empty.';
export const REPEAT_SUMMARY = 'Runs a list of operations several times; may stand inside another.';
