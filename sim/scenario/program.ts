/** Programs as written: lists of one-key maps, each an operation with its arguments. */
import type { z } from 'zod';
import { integer } from './fields.ts';
import type { Operation } from './operation.ts';
import type { GUEST_OPERATIONS, HOST_OPERATIONS } from './operations.ts';

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

/**
 * Tables of operations that mechanisms add, by the name of the mechanism: each declares the type of
 * its own here.
 * @public
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface GuestTablesOf {}
/**
 * Tables of operations of host threads that mechanisms add, by the name of the mechanism.
 * @public
 */
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
