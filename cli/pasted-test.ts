/**
 * A violation as a vitest file to paste: it fails as long as the recorded schedule breaks the
 * property.
 */
import { isAbsolute } from 'node:path';
import type { RunEnd } from '../events/journal.ts';
import type { Journal } from '../replay/reader.ts';
import { inShort } from '../replay/schedule-text.ts';
import { progress } from '../sim/properties/liveness.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { linesOf } from './layout.ts';
import { modelFiles } from './model-files.ts';

/** Characters of a schedule on one line. */
const LINE = 64;

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** As an import names a file: it begins with a dot or a slash. */
const specifier = (file: string): string => (isAbsolute(file) || file.startsWith('.') ? file : `./${file}`);

/** The file's URL beside the test, whatever folder the test is run from. */
const beside = (file: string): string => {
  const url = encodeURI(specifier(file)).replaceAll(/[?#]/g, encodeURIComponent);
  return `new URL(${quoted(url)}, import.meta.url)`;
};

const imported = (names: string, from: string): string => `import ${names} from ${quoted(from)};`;

function importsOf(isShipped: boolean, files: readonly string[]): string[] {
  return [
    ...(isShipped ? [] : [imported('{ readFileSync }', 'node:fs')]),
    imported('{ expect, it }', 'vitest'),
    imported('{ run }', 'worldswitch'),
    ...(files.length > 0 ? [imported('{ register }', 'worldswitch/extend')] : []),
    ...files.map((file, i) => imported(`* as module${i}`, specifier(file))),
  ];
}

/** What the scenario was resolved with, as options of `run()`. */
function choicesOf({ variant, mutant, params }: ResolvedScenario): string[] {
  const set = Object.entries(params).map(([name, value]) => `${quoted(name)}: ${quoted(String(value))}`);
  return [
    `variant: ${quoted(variant)},`,
    ...(mutant === undefined ? [] : [`mutant: ${quoted(mutant)},`]),
    ...(set.length === 0 ? [] : [`set: { ${set.join(', ')} },`]),
  ];
}

/** A schedule that is longer than a line is a list of lines. */
function scheduleLines(schedule: string): string {
  if (schedule.length <= LINE) return quoted(schedule);
  const lines = linesOf(schedule, LINE).map(([from, to]) => quoted(schedule.slice(from, to).replace(/\.$/, '')));
  return `[\n${lines.map((line) => `      ${line},\n`).join('')}    ].join('.')`;
}

/** `file`: the scenario's, as the folder of the test names it; null: it comes with the package. */
export function pastedTest(
  journal: Journal,
  scenario: ResolvedScenario,
  { property, also }: NonNullable<RunEnd['violation']>,
  file: string | null,
): string {
  const files = modelFiles().map((one) => one.file);
  const source = file === null ? quoted(scenario.name) : `readFileSync(${beside(file)}, 'utf8')`;
  const schedule = inShort(journal.choices());
  const registers = files.map(
    (_, i) => `for (const mechanism of [module${i}.mechanism ?? module${i}.mechanisms].flat()) register(mechanism);`,
  );
  return [
    ...importsOf(file === null, files),
    '',
    ...registers,
    ...(registers.length > 0 ? [''] : []),
    `it(${quoted(`keeps ${property} under the recorded schedule`)}, () => {`,
    `  const { violation } = run(${source}, {`,
    ...choicesOf(scenario).map((line) => `    ${line}`),
    // A search with `--liveness` asks for it besides what the file asks for.
    ...(property === progress.id ? ['    liveness: true,'] : []),
    `    schedule: ${scheduleLines(schedule)},`,
    '  });',
    // A run tells one of several that break at once first.
    ...(also === undefined
      ? [`  expect(violation?.property).not.toBe(${quoted(property)});`]
      : [`  expect([violation, ...(violation?.also ?? [])].map((one) => one?.property)).not.toContain(${quoted(property)});`]),
    '});',
  ].join('\n');
}
