/** The schema of programs as written, from the operations that are registered. */
import { z } from 'zod';
import { perRegistry } from '../host/registry.ts';
import { guestOperations, hostOperations } from './all-operations.ts';
import { REFERENCE, strict } from './fields.ts';
import type { Operation } from './operation.ts';
import { CHOOSE_SUMMARY, REPEAT_SUMMARY } from './operations.ts';
import { type GuestStep, type HostStep, OPTIONS_MAX, type Operations, TIMES } from './program.ts';

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
