/** The schema of scenario files as JSON Schema, for editors and for tools in other languages. */
import { z } from 'zod';
import { scenarioSchema } from './schema.ts';

/** A name, not an address. The number changes when a file that was valid no longer is. */
const SCENARIO_SCHEMA_ID = 'urn:worldswitch:scenario:1';

/**
 * JSON Schema, draft 2020-12. It holds what one value can say by itself; `worldswitch check` also
 * compares values.
 */
export function scenarioJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(scenarioSchema(null), { target: 'draft-2020-12', io: 'input' });
  return { $schema, $id: SCENARIO_SCHEMA_ID, title: 'Worldswitch scenario', ...schema };
}
