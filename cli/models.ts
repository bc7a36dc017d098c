/**
 * `--models FILE.js`: imports modules of the user's own and registers the mechanisms that they
 * export. Their code runs with the user's rights.
 */
import { createHash } from 'node:crypto';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { shippedNames } from '../api/shipped-scenarios.ts';
import { didYouMean } from '../events/nearest.ts';
import { registerOwn } from '../sim/host/own-mechanism.ts';
import { listed } from '../sim/scenario/issues.ts';
import { readBytes } from './catalog.ts';
import { CliError, EXIT, fileError } from './errors.ts';
import { type ModelFile, noteModelFile } from './model-files.ts';
import { placeOf, withPlace } from './module-place.ts';
import { ENTRIES, resolveOwnImports, unpromisedIn } from './own-imports.ts';

const FILE_BYTES_MAX = 1 << 24;

const invalid = (
  message: string,
  rest: { readonly expected?: string; readonly attempt?: string } = {},
  options: ErrorOptions = {},
): CliError => new CliError({ code: 'models_invalid', exit: EXIT.usage, message, ...rest }, options);

/** The SHA-256 of a module's file, hex. @throws CliError if it cannot be read */
export function hashOf(path: string, file: string): string {
  let bytes: Uint8Array;
  try {
    bytes = readBytes(path, FILE_BYTES_MAX);
  } catch (error) {
    throw fileError(error, file, 'read');
  }
  if (bytes.length > FILE_BYTES_MAX) throw invalid(`${file} is larger than ${FILE_BYTES_MAX >> 20} MiB`, { expected: 'a module' });
  return createHash('sha256').update(bytes).digest('hex');
}

/** How V8 says that a module imports a name which the other one does not export. */
const NO_EXPORT = /module '(?<from>[^']*)' does not provide an export named '(?<name>[^']*)'/;

/** What to import in the place of a name that is not exported. */
async function exportedFor({ from, name }: Readonly<Record<string, string>>): Promise<string> {
  const entry = ENTRIES[from!];
  if (entry === undefined) return 'a name that the other module exports';
  const meant = didYouMean(name!, Object.keys((await import(entry)) as object))
    .replace('; did you mean ', '')
    .replace('?', '');
  return meant === '' ? `a name that is exported; docs/api-report.md lists those of ${from}` : `${meant}, which ${from} exports`;
}

const SHOWS = 'WORLDSWITCH_DEBUG=1, which shows where';
/** Errors that say what is wrong with what an author has given, and what was expected. */
const SENTENCES: readonly string[] = ['MechanismError', 'KitError', 'PathError', 'PatchError'];
const OF_SENTENCES = 'docs/kit.md has the kit, docs/extend.md what a module exports';

/** What to do about each way in which an import fails. */
async function attemptFor(error: unknown, file: string): Promise<string> {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ERR_MODULE_NOT_FOUND') return 'npm install what it imports, in the folder of the module';
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION') return 'a JavaScript file (.js, .mjs): compile it first';
  if (code === 'ERR_PACKAGE_PATH_NOT_EXPORTED') return 'docs/extend.md names what the package exports';
  if (!(error instanceof SyntaxError)) return SHOWS;
  const lacks = NO_EXPORT.exec(error.message)?.groups;
  return lacks ? exportedFor(lacks as Record<string, string>) : `node --check ${file} shows the place`;
}

/** What a module comes to. Once nothing is left to do, what it awaits will never come. */
async function settled<V>(imported: Promise<V>, file: string): Promise<V> {
  let giveUp = (): void => {};
  const never = new Promise<never>((_, reject) => {
    giveUp = () => reject(invalid(`${file} awaits something that never comes`, { attempt: 'no await at the top level of the module' }));
  });
  process.once('beforeExit', giveUp);
  try {
    return await Promise.race([imported, never]);
  } finally {
    process.off('beforeExit', giveUp);
  }
}

async function importFrom(path: string, { file, cwd }: ModelFile): Promise<Readonly<Record<string, unknown>>> {
  try {
    return await settled(import(pathToFileURL(path).href) as Promise<Readonly<Record<string, unknown>>>, file);
  } catch (error) {
    const unpromised = unpromisedIn(error);
    if (unpromised !== null)
      throw invalid(`${file}, or a module that it imports, imports ${unpromised}, which the package does not have`, {
        expected: 'worldswitch/extend, which has all that a module needs, under the same names',
        attempt: `replace '${unpromised}' by 'worldswitch/extend'; docs/extend.md lists what is there`,
      });
    if (error instanceof CliError) throw error;
    const place = placeOf(error, cwd);
    const sentence = error instanceof Error && SENTENCES.includes(error.name);
    if (sentence) throw invalid(withPlace(`${file}: ${error.message}`, place), { attempt: OF_SENTENCES }, { cause: error });
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    // It is a module, and its own code has thrown: the loader has no place in it.
    if (!(error instanceof Error) || (place !== null && !('code' in error) && !(error instanceof SyntaxError)))
      throw invalid(withPlace(`${file} throws while it is imported: ${message}`, place), { attempt: SHOWS }, { cause: error });
    const rest = { expected: 'an ES module', attempt: await attemptFor(error, file) };
    throw invalid(`${file} cannot be imported: ${message}`, rest, { cause: error });
  }
}

/** Each mechanism of a module, and how messages name it. @throws CliError if it exports none */
export function mechanismsIn(
  exports: Readonly<Record<string, unknown>>,
  file: string,
): readonly (readonly [value: unknown, where: string])[] {
  const { mechanism, mechanisms } = exports;
  if (mechanism !== undefined && mechanisms !== undefined)
    throw invalid(`${file} exports mechanism and mechanisms`, { expected: 'one of the two', attempt: 'mechanisms, a list of all' });
  if (mechanism !== undefined) return [[mechanism, `${file}: mechanism`]];
  if (Array.isArray(mechanisms) && mechanisms.length > 0) return mechanisms.map((one, i) => [one, `${file}: mechanisms[${i}]`] as const);
  const found =
    mechanisms === undefined ? `exports ${listed(Object.keys(exports))}` : 'exports mechanisms, which is no list with anything in it';
  throw invalid(`${file} ${found}`, {
    expected: 'the named export mechanism, or mechanisms: a list of them',
    attempt: 'export const mechanism = { name, arches, … }; docs/extend.md has one',
  });
}

/**
 * Loads modules in order.
 * @returns a function that unregisters all of them
 * @throws CliError, MechanismError
 */
export async function loadModels(files: readonly ModelFile[]): Promise<() => void> {
  if (files.length > 0) resolveOwnImports();
  const undos: (() => void)[] = [];
  const undo = (): void => {
    for (const one of undos.splice(0).reverse()) one();
  };
  try {
    for (const { file, cwd } of files) {
      const path = resolve(cwd, file);
      const sha256 = hashOf(path, file);
      const exports = await importFrom(path, { file, cwd });
      undos.push(noteModelFile({ file, cwd }));
      for (const [value, where] of mechanismsIn(exports, file)) undos.push(registerOwn(value, where, { file, sha256 }, shippedNames()));
    }
    return undo;
  } catch (error) {
    undo();
    throw error;
  }
}
