/** A violation as a vitest file to paste: it fails as long as the recorded schedule breaks the property. */
import { isAbsolute } from 'node:path';
import type { Journal } from '../replay/reader.ts';
import { progress } from '../sim/properties/liveness.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { modelFiles } from './model-files.ts';
import { shippedFile } from './shipped.ts';

const quoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

/** As an import names a file: it begins with a dot or a slash. */
const specifier = (file: string): string => (isAbsolute(file) || file.startsWith('.') ? file : `./${file}`);

const imported = (names: string, from: string): string => `import ${names} from ${quoted(from)};`;

function importsOf(isShipped: boolean, files: readonly string[]): string[] {
  return [
    imported('{ readFileSync }', 'node:fs'),
    ...(isShipped ? [imported('{ createRequire }', 'node:module')] : []),
    imported('{ expect, it }', 'vitest'),
    imported('{ knownProperties }', 'worldswitch/sim/properties/index'),
    ...(files.length > 0 ? [imported('{ register }', 'worldswitch/sim/host/registry')] : []),
    imported('{ loadScenario }', 'worldswitch/sim/scenario/load'),
    imported('{ resolveScenario }', 'worldswitch/sim/scenario/resolve'),
    imported('{ openSession }', 'worldswitch/sim/session'),
    ...files.map((file, i) => imported(`* as module${i}`, specifier(file))),
  ];
}

/** What the scenario was resolved with, as options of `resolveScenario()`. */
function choicesOf({ variant, mutant, params }: ResolvedScenario): string[] {
  const set = Object.entries(params).map(([name, value]) => `${quoted(name)}: ${quoted(String(value))}`);
  return [
    `variant: ${quoted(variant)},`,
    ...(mutant === undefined ? [] : [`mutant: ${quoted(mutant)},`]),
    ...(set.length === 0 ? [] : [`set: { ${set.join(', ')} },`]),
    'knownProperties: known,',
  ];
}

/** A search with `--liveness` asks for this one besides what the file asks for. */
const ASK_PROGRESS = [
  '  const { properties } = resolved;',
  `  const eventually = [...new Set([...properties.eventually, ${quoted(progress.id)}])];`,
  '  const scenario = { ...resolved, properties: { ...properties, eventually } };',
];

/** `isShipped`: the scenario comes with the package; else its file is named after it. */
export function pastedTest(journal: Journal, scenario: ResolvedScenario, property: string, isShipped: boolean): string {
  const files = modelFiles().map(({ file }) => file);
  const path = isShipped
    ? `createRequire(import.meta.url).resolve(${quoted(`worldswitch/scenarios/${shippedFile(scenario.name)}`)})`
    : quoted(`${scenario.name}.yaml`);
  const schedule = [...journal.choices()].map(({ index }) => index).join('.');
  const asksProgress = property === progress.id;
  const registers = files.map(
    (_, i) => `for (const mechanism of [module${i}.mechanism ?? module${i}.mechanisms].flat()) register(mechanism);`,
  );
  return [
    ...importsOf(isShipped, files),
    '',
    ...registers,
    ...(registers.length > 0 ? [''] : []),
    `it(${quoted(`does not break ${property} under the recorded schedule`)}, () => {`,
    '  const known = knownProperties();',
    `  const file = ${path};`,
    `  const ${asksProgress ? 'resolved' : 'scenario'} = resolveScenario(loadScenario(readFileSync(file, 'utf8'), file, known), {`,
    ...choicesOf(scenario).map((line) => `    ${line}`),
    '  });',
    ...(asksProgress ? ASK_PROGRESS : []),
    `  const choices = '${schedule}'.split('.').map((index) => ({ index: Number(index) }));`,
    `  const { run } = openSession({ scenario, engine: 'memo', chooser: { name: 'replay', choices, match: 'index', after: { name: 'fifo' } } });`,
    '  run.start();',
    `  expect(run.toEnd()?.violation?.property).not.toBe(${quoted(property)});`,
    '});',
  ].join('\n');
}
