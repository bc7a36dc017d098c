/**
 * `check`: checks scenario files against the schema and the known names, and lists every mistake.
 */

import { knownProperties } from '../sim/properties/index.ts';
import { ScenarioError, type ScenarioIssue } from '../sim/scenario/issues.ts';
import { parseScenario } from '../sim/scenario/load.ts';
import { readText, resolved } from './catalog.ts';
import type { Call, Command } from './command.ts';
import { CliError, EXIT } from './errors.ts';
import type { Io } from './io.ts';
import { styled } from './output.ts';

/** All mistakes of a file; a file that cannot be read is one. */
function mistakesIn(file: string, io: Io): readonly ScenarioIssue[] {
  try {
    const { text, file: shown } = readText(file, io);
    const parsed = parseScenario(text, shown, knownProperties());
    if (!parsed.ok) return parsed.issues;
    resolved(parsed.scenario, {});
    return [];
  } catch (error) {
    if (error instanceof ScenarioError) return error.issues.map((issue) => ({ ...issue, file }));
    if (error instanceof CliError) return [{ file, line: 0, path: '', message: error.message }];
    throw error;
  }
}

function run({ io, out, json, args }: Call): number {
  const found = args.map((file) => ({ file, mistakes: mistakesIn(file, io) }));
  const errors = found.flatMap(({ mistakes }) => mistakes);
  const ok = errors.length === 0;
  if (json) out.json({ ok, errors });
  else {
    for (const { file, mistakes } of found) {
      if (mistakes.length === 0) out.line(styled('green', 'ok'), `  ${file}`);
      for (const { line, path, message } of mistakes) {
        const place = `${file}${line > 0 ? `:${line}` : ''}: `;
        out.line(styled('red', place), path === '' ? '' : `${path}: `, message);
      }
    }
  }
  return ok ? EXIT.ok : EXIT.usage;
}

export const COMMAND: Command = {
  operands: '<file.yaml...>',
  details: ['Exit code 2 if a file has a mistake. `-` is standard input. docs/scenarios.md explains the keys.'],
  options: [],
  examples: [
    ['check mine.yaml', 'every mistake with line, path, and what was expected'],
    ['check scenarios/*.yaml --json', 'for programs: {ok, errors}'],
  ],
  run,
};
