/** What programs can do on every host, and with mechanisms: the schema, the compiler, `schema` and the docs read it. */
import { z } from 'zod';
import type { CoreGuestOp, CoreHostOp } from '../../events/program.ts';
import { amongMechanisms, mechanisms, perRegistry } from '../host/registry.ts';
import { integer, LIMITS, NAME, VCPU } from './fields.ts';
import { type Arguments, type Operation, operation } from './operation.ts';

type GuestTable = { readonly [K in CoreGuestOp['op']]: Operation<Arguments, CoreGuestOp> };
type HostTable = { readonly [K in CoreHostOp['op']]: Operation<Arguments, CoreHostOp> };

/** What the program of a vCPU can do. */
export const GUEST_OPERATIONS = {
  spin: operation('spin', 'Computes and never exits by itself: only an interrupt of the pCPU ends it.', {}),
  compute: operation('compute', 'Computes for ever: an interrupt takes the vCPU out of the guest, and it goes on when it is back.', {}),
  hlt: operation('hlt', 'Halts until a request arrives, or an interrupt where the scenario allows them.', {}),
} satisfies GuestTable;

const KVM_RUN_ARGS = { vcpu: VCPU };
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
} satisfies HostTable;

/** All operations of guests and of host threads, those of mechanisms too. */
export const guestOperations = perRegistry(
  (): Readonly<Record<string, Operation>> =>
    Object.assign({}, ...amongMechanisms<object>(GUEST_OPERATIONS, (one) => one.guestOperations ?? {})),
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
