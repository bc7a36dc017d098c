/** What an operation of a program is: its arguments as written, and what a program holds of it. */
import { z } from 'zod';

/** The schemas of an operation's arguments, without parameters. @public */
export type Arguments = Readonly<Record<string, z.ZodType<number | boolean | string | undefined>>>;

type Values<A extends Arguments> = z.output<z.ZodObject<A, z.core.$strict>>;

/** One operation: what it is, what it takes, and what a program holds of it. @public */
export interface Operation<A extends Arguments = Arguments, Op = unknown> {
  readonly summary: string;
  /** As written. */
  readonly args: A;
  /** As a program holds it, besides its name. */
  readonly fields: Arguments;
  /** From the one to the other. */
  readonly compiled: z.ZodType<Op>;
}

/** An operation that a program holds as it is written. @public */
export const operation = <N extends string, A extends Arguments>(op: N, summary: string, args: A): Operation<A, { op: N } & Values<A>> => ({
  summary,
  args,
  fields: args,
  compiled: z.strictObject(args).transform((values) => ({ op, ...values })),
});
