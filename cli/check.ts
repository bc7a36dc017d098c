/**
 * `check`: checks scenario files against the schema and the known names, and lists every mistake.
 */

import { basename } from 'node:path';
import { mechanisms, originOf } from '../sim/host/registry.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { ScenarioError, type ScenarioIssue } from '../sim/scenario/issues.ts';
import { parseScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { Scenario } from '../sim/scenario/types.ts';
import { built, type Refused } from './built.ts';
import { readText } from './catalog.ts';
import type { Call, Command } from './command.ts';
import { CliError, EXIT } from './errors.ts';
import type { Io } from './io.ts';
import { lacksModels, MODELS_HINT } from './lacks-models.ts';
import { styled } from './output.ts';

interface Checked {
  readonly mistakes: readonly ScenarioIssue[];
  /** What runs of it are called, where that is not the file's name: a copy keeps the old one. */
  readonly otherName: string | null;
  /** Variants that `compare` refuses: contexts of their paths do not fit. */
  readonly refused: readonly Refused[];
}

/** Which variants have the mistake: nothing where all of them have. */
const variantsText = ({ variants = {} }: Scenario, wrong: readonly string[]): string =>
  wrong.length >= Object.keys(variants).length ? '' : `variants ${wrong.join(', ')}`;

/** All mistakes of a file; a file that cannot be read is one. */
function checked(file: string, io: Io): Checked {
  const wrong = (mistakes: readonly ScenarioIssue[]): Checked => ({ mistakes, otherName: null, refused: [] });
  try {
    const { text, file: shown, path } = readText(file, io);
    const parsed = parseScenario(text, shown, knownProperties());
    if (!parsed.ok) return wrong(parsed.issues);
    resolveScenario(parsed.scenario, { knownProperties: knownProperties() });
    const { name } = parsed.scenario;
    const { mistakes, refused } = built(parsed.scenario, io.cwd);
    if (mistakes.length > 0)
      return wrong(
        mistakes.map(({ variants, message }) => ({ file: shown, line: 0, path: variantsText(parsed.scenario, variants), message })),
      );
    return { mistakes: [], refused, otherName: path === null || basename(path).replace(/\.ya?ml$/, '') === name ? null : name };
  } catch (error) {
    if (error instanceof ScenarioError) return wrong(error.issues.map((issue) => ({ ...issue, file })));
    if (error instanceof CliError) return wrong([{ file, line: 0, path: '', message: error.message }]);
    throw error;
  }
}

function run({ io, out, json, args }: Call): number {
  const found = args.map((file) => ({ file, ...checked(file, io) }));
  const errors = found.flatMap(({ mistakes }) => mistakes);
  const ok = errors.length === 0;
  if (json) out.json({ ok, errors, refused: found.flatMap(({ file, refused }) => refused.map((one) => ({ file, ...one }))) });
  else {
    for (const { file, mistakes, otherName, refused } of found) {
      if (mistakes.length === 0)
        out.line(styled('green', 'ok'), `  ${file}`, otherName === null ? '' : styled('dim', `  its runs are called ${otherName}`));
      for (const { variant, rule, step, hint } of refused)
        out.line(`    compare refuses variant ${variant}: ${rule}, at ${step}${hint === null ? '' : `: ${hint}`}`);
      for (const { line, path, message } of mistakes) {
        const place = `${file}${line > 0 ? `:${line}` : ''}: `;
        out.line(styled('red', place), path === '' ? '' : `${path}: `, message);
      }
    }
    if (mechanisms().every((one) => originOf(one) === null) && lacksModels(errors)) out.line(`  try: ${MODELS_HINT}`);
  }
  return ok ? EXIT.ok : EXIT.usage;
}

export const COMMAND: Command = {
  operands: '<file.yaml...>',
  details: [
    'Exit code 2 if a file has a mistake. With --models every variant is set up as a run of it begins. `-` is standard input. docs/scenarios.md explains the keys.',
  ],
  options: [],
  examples: [
    ['check mine.yaml', 'every mistake with line, path, and what was expected'],
    ['check scenarios/*.yaml --json', 'for programs: {ok, errors, refused}'],
  ],
  run,
};
