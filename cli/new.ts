/** `new race`: a folder with a module, a scenario and a test that run, to start a race from. */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { packageRoot, shippedNames } from '../api/shipped-scenarios.ts';
import { hostOwn } from '../sim/host/own-mechanism.ts';
import { mechanisms, register } from '../sim/host/registry.ts';
import { scenarioJsonSchema } from '../sim/scenario/json-schema.ts';
import { operation } from '../sim/scenario/operation.ts';
import { ARCHES } from '../sim/scenario/schema.ts';
import type { Arch } from '../sim/scenario/types.ts';
import type { Call, Command } from './command.ts';
import { CliError, EXIT, fileError, usageError } from './errors.ts';
import { makeFolder } from './folder.ts';
import { quoted, styled } from './output.ts';
import { type RaceSpec, raceFiles } from './race-template.ts';
import { versionText } from './version.ts';

/** Option, operation and property are named after the race. */
const NAME_MAX = 40;
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;

/** @throws CliError if no race may have the name */
function checkName(name: string): void {
  const expected = `a kebab-case name of at most ${NAME_MAX} characters, such as lost-kick`;
  if (!NAME.test(name) || name.length > NAME_MAX) throw usageError(`found ${JSON.stringify(name)}`, { expected });
  const isMechanism = [hostOwn(), ...mechanisms()].some((one) => one.name === name);
  const taken = shippedNames().includes(name) ? 'scenario' : isMechanism ? 'mechanism' : null;
  if (taken !== null) throw usageError(`${name} is the name of a shipped ${taken}`, { expected: 'another name', attempt: `my-${name}` });
}

/**
 * The schema of scenarios with what the module of the race brings.
 * @throws MechanismError if a name is taken
 */
function schemaOf({ name, arch }: RaceSpec): string {
  const undo = register({
    name,
    arches: [arch],
    options: { [`${name}.way`]: ['broken', 'fixed'] },
    hostOperations: { [`${name}-add`]: operation(`${name}-add`, 'Adds one to the counter, in an ioctl.', {}) },
  });
  try {
    return `${JSON.stringify(scenarioJsonSchema())}\n`;
  } finally {
    undo();
  }
}

/**
 * What a folder asks npm for: the version of a package that is installed; a checkout itself, whose
 * version may not be published.
 */
export const dependencyOn = (root: string, folder: string): string =>
  basename(dirname(root)) === 'node_modules' ? versionText() : `file:${relative(folder, root).split(sep).join('/')}`;

/** Writes all files beside the folder, which then appears whole. @throws CliError */
function writeWhole(folder: string, shown: string, files: Readonly<Record<string, string>>): void {
  if (existsSync(folder))
    throw new CliError({
      code: 'folder_exists',
      exit: EXIT.usage,
      message: `${shown} is there already, and nothing in it was changed`,
      expected: 'a folder that is not there yet',
      attempt: '--dir with another name',
    });
  makeFolder(dirname(folder), dirname(shown));
  const part = join(dirname(folder), `.${basename(folder)}.${process.pid}`);
  try {
    mkdirSync(part);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(part, name), text);
    renameSync(part, folder);
  } catch (error) {
    rmSync(part, { recursive: true, force: true });
    throw fileError(error, shown, 'write');
  }
}

function run({ io, out, json, args, options }: Call): number {
  const [what, name] = args as [string, string];
  const { arch, dir = name } = options as { readonly arch?: Arch; readonly dir?: string };
  if (what !== 'race')
    throw usageError(`found ${JSON.stringify(what)}`, { expected: 'race', attempt: 'worldswitch new race NAME --arch amd' });
  checkName(name);
  if (arch === undefined) throw usageError('--arch is missing', { expected: `one of ${ARCHES.options.join(', ')}` });
  const folder = resolve(io.cwd, dir);
  const spec: RaceSpec = { name, arch, dependency: dependencyOn(packageRoot(), folder) };
  const files = { ...raceFiles(spec), 'scenario.schema.json': schemaOf(spec) };
  writeWhole(folder, dir, files);
  if (json) {
    out.json({ folder: dir, files: Object.keys(files).sort() });
    return EXIT.ok;
  }
  out.line(styled('bold', dir), `: ${Object.keys(files).sort().join(', ')}`);
  const compare = ['npx', 'worldswitch', 'compare', `./${name}.yaml`, '--models', `${name}.js`].map(quoted).join(' ');
  out.command([styled('bold', 'Next: ')], `cd ${quoted(dir)} && ${compare}`);
  out.line('      README.md there says what to replace; npm install brings types and tests.');
  return EXIT.ok;
}

export const COMMAND: Command = {
  operands: '<what> <name>',
  details: [
    'Makes a folder NAME: a module with a race of two threads, a broken and a fixed variant, a scenario, a test, types for an editor. All of it runs at once; the race is to be replaced.',
    'A folder that is there already is refused.',
  ],
  options: [
    { flags: '--arch <arch>', description: 'the host that the race is on', choices: ARCHES.options, isRequired: true },
    { flags: '--dir <folder>', description: 'the folder to make (default: ./NAME)' },
  ],
  isFixed: true,
  examples: [['new race lost-flag --arch intel', 'then: npx worldswitch compare ./lost-flag.yaml --models lost-flag.js, in the folder']],
  run,
};
