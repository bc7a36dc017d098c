/** `schema`: the JSON Schema of scenario files, for editors. */
import { scenarioJsonSchema } from '../sim/scenario/json-schema.ts';
import type { Call, Command } from './command.ts';
import { EXIT } from './errors.ts';

function run({ out }: Call): number {
  out.json(scenarioJsonSchema());
  return EXIT.ok;
}

export const COMMAND: Command = {
  operands: '',
  details: ['Draft 2020-12. An editor that knows it completes keys and marks mistakes; `worldswitch check` also compares values.'],
  options: [],
  examples: [['schema > scenario.schema.json', 'a scenario begins: # yaml-language-server: $schema=scenario.schema.json']],
  run,
};
