/** The schema of scenario files as JSON Schema, for editors and for tools in other languages. */
import { z } from 'zod';
import { U64_MAX } from '../../events/u64.ts';
import { scenarioSchema } from './schema.ts';

/** A name, not an address. The number changes when a file that was valid no longer is. */
const SCENARIO_SCHEMA_ID = 'urn:worldswitch:scenario:1';

/**
 * JSON Schema, draft 2020-12. It holds what one value can say by itself; `worldswitch check` also
 * compares values.
 */
export function scenarioJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(scenarioSchema(null), {
    target: 'draft-2020-12',
    io: 'input',
    unrepresentable: 'any',
    override: ({ zodSchema, jsonSchema }) => {
      // JSON Schema has integers of any size; zod has none beyond 2^53 but as bigint.
      if (zodSchema instanceof z.ZodBigInt) Object.assign(jsonSchema, { type: 'integer', minimum: 0, maximum: Number(U64_MAX) });
    },
  });
  return { $schema, $id: SCENARIO_SCHEMA_ID, title: 'Worldswitch scenario', ...schema };
}
