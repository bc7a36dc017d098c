/** Programs as written: lists of one-key maps, each an operation with its arguments. */
import { z } from 'zod';
import { perRegistry } from '../host/registry.ts';
import { integer, REFERENCE, strict } from './fields.ts';
import type { Operation } from './operation.ts';
import {
  CHOOSE_SUMMARY,
  type GUEST_OPERATIONS,
  guestOperations,
  type HOST_OPERATIONS,
  hostOperations,
  REPEAT_SUMMARY,
} from './operations.ts';

/** A value, or `$NAME` of a parameter. @public */
export type Arg<T> = T | `$${string}`;

type Concrete<O> = O extends Operation<infer A, unknown> ? z.output<z.ZodObject<A, z.core.$strict>> : never;
type Args<O> = { readonly [K in keyof Concrete<O>]: Arg<Concrete<O>[K]> };
/** Of each table of a union: mechanisms share no names. */
type OneOf<T> = T extends unknown ? { [K in keyof T]: { readonly [N in K]: Args<T[K]> } }[keyof T] : never;

/** A part of a program, several times. @public */
export interface Repeat<Step> {
  readonly repeat: { readonly times: Arg<number>; readonly do: readonly Step[] };
}

/** One of several programs, which no rule decides. @public */
export interface Choose<Step> {
  readonly choose: { readonly of: readonly (readonly Step[])[] };
}

/** Tables of operations that mechanisms add, by the name of the mechanism: each declares the type of its own here. @public */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface GuestTablesOf {}
/** Tables of operations of host threads that mechanisms add, by the name of the mechanism. @public */
// biome-ignore lint/suspicious/noEmptyInterface: as above
export interface HostTablesOf {}

/** A step of a guest program, as it is written. @public */
export type GuestStep = OneOf<typeof GUEST_OPERATIONS> | OneOf<GuestTablesOf[keyof GuestTablesOf]> | Repeat<GuestStep> | Choose<GuestStep>;
/** A step of a host thread's program, as it is written. @public */
export type HostStep = OneOf<typeof HOST_OPERATIONS> | OneOf<HostTablesOf[keyof HostTablesOf]> | Repeat<HostStep> | Choose<HostStep>;

/** Operations by name. @public */
export type Operations = Readonly<Record<string, Operation>>;

export const TIMES = integer(1, 65_536).describe('How often.');
export const OPTIONS_MAX = 64;
const OPERATIONS_MAX = 4096;
const ONE_OPERATION = 'expected a map with exactly one operation, such as { hlt: {} }';

const orReference = (schema: z.ZodType): z.ZodType =>
  schema instanceof z.ZodExactOptional ? orReference(schema.unwrap() as z.ZodType).exactOptional() : z.union([schema, REFERENCE]);

const argsSchema = ({ args, summary }: Operation) =>
  strict(Object.fromEntries(Object.entries(args).map(([name, schema]) => [name, orReference(schema)]))).describe(summary);

/** A program of operations from one table. */
function programSchema<Step>(operations: Operations, side: 'guest' | 'host'): z.ZodType<readonly Step[]> {
  const fields = Object.fromEntries(Object.entries(operations).map(([name, operation]) => [name, argsSchema(operation).exactOptional()]));
  const shape = {
    ...fields,
    get repeat() {
      return strict({ times: orReference(TIMES), do: steps })
        .describe(REPEAT_SUMMARY)
        .exactOptional();
    },
    get choose() {
      return strict({ of: z.array(z.array(step).max(OPERATIONS_MAX)).min(2).max(OPTIONS_MAX) })
        .describe(CHOOSE_SUMMARY)
        .exactOptional();
    },
  };
  const step: z.ZodType = strict(shape, ONE_OPERATION)
    .refine((map) => Object.keys(map).length === 1, { error: ONE_OPERATION, when: ({ issues }) => issues.length === 0 })
    .meta({ id: `${side}-step`, minProperties: 1, maxProperties: 1 });
  const steps = z
    .array(step)
    .min(1)
    .max(OPERATIONS_MAX)
    .meta({ id: `${side}-program` });
  // The table decides the shape at run time as GuestStep and HostStep do for the compiler.
  return steps as z.ZodType<unknown> as z.ZodType<readonly Step[]>;
}

export const guestProgram = perRegistry(() => programSchema<GuestStep>(guestOperations(), 'guest'));
export const hostProgram = perRegistry(() => programSchema<HostStep>(hostOperations(), 'host'));
