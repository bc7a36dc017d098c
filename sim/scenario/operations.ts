/**
 * What programs can do on every host. What mechanisms add, and all of it in one table, is in
 * `all-operations.ts`.
 */
import { z } from 'zod';
import type { CoreGuestOp, CoreHostOp } from '../../events/program.ts';
import { integer, LIMITS, NAME, VCPU, vcpuNamed } from './fields.ts';
import { type Arguments, type Operation, operation } from './operation.ts';

type GuestTable = { readonly [K in CoreGuestOp['op']]: Operation<Arguments, CoreGuestOp> };
type HostTable = { readonly [K in CoreHostOp['op']]: Operation<Arguments, CoreHostOp> };

/** What the program of a vCPU can do. */
export const GUEST_OPERATIONS = {
  spin: operation('spin', 'Computes and never exits by itself: only an interrupt of the pCPU ends it.', {}),
  compute: operation('compute', 'Computes without end: an interrupt takes the vCPU out of the guest, and it goes on when it is back.', {}),
  hlt: operation('hlt', 'Halts until an interrupt, where the scenario allows them, or KVM_REQ_UNBLOCK.', {}),
} satisfies GuestTable;

/** Each step is a state of its own to a search. */
const COMPUTE_MAX = 65_536;
const KVM_RUN_ARGS = { vcpu: VCPU };
/** What the thread of a host process can do. Upper case: an ioctl by its own name. */
export const HOST_OPERATIONS = {
  KVM_RUN: {
    summary: 'Runs a vCPU until it stops for user space.',
    args: KVM_RUN_ARGS,
    fields: { vm: NAME, vcpu: integer(0, LIMITS.vcpus - 1) },
    compiled: z.strictObject(KVM_RUN_ARGS).transform(({ vcpu }): CoreHostOp => ({ op: 'KVM_RUN', ...vcpuNamed(vcpu) })),
  },
  madvise: operation('madvise', 'Gives memory of a guest back: KVM unmaps it and has the TLBs flushed.', { vm: NAME }),
  compute: operation('compute', 'Computes in user mode, without end or for so many steps: others wait for the CPU.', {
    steps: integer(1, COMPUTE_MAX).exactOptional(),
  }),
} satisfies HostTable;

export const CHOOSE_SUMMARY = 'Runs one of several lists of operations, the first unless it is chosen otherwise; a list may be empty.';
export const REPEAT_SUMMARY = 'Runs a list of operations several times; may stand inside another.';
