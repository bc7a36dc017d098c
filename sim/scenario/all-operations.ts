/**
 * All operations of programs, those of mechanisms too: the schema, the compiler, `schema` and the
 * docs read them here.
 */
import { z } from 'zod';
import { amongMechanisms, mechanisms, perRegistry } from '../host/registry.ts';
import type { Operation } from './operation.ts';
import { CHOOSE_SUMMARY, GUEST_OPERATIONS, HOST_OPERATIONS, REPEAT_SUMMARY } from './operations.ts';

/** By name: what a guest can do, and what a host thread can do. */
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
