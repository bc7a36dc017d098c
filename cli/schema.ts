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
  details: [
    'Draft 2020-12. An editor that knows it completes keys and marks mistakes; `worldswitch check` also compares values.',
    'The package has it as dist/scenario.schema.json. With --models it also knows what a module brings: operations, options, sections, settings.',
  ],
  options: [],
  examples: [
    ['schema > scenario.schema.json', 'a scenario begins: # yaml-language-server: $schema=scenario.schema.json'],
    ['schema --models race.js > scenario.schema.json', 'with the operations and options of race.js'],
  ],
  run,
};
