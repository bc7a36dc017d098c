/** Scenarios by reference: a shipped name, a path, or standard input. */
import { closeSync, openSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { shippedNames, shippedPath, shippedRegressions } from '../api/shipped-scenarios.ts';
import { resolveLookedAt } from '../sim/looked-at.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { unknownName } from '../sim/scenario/issues.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import type { ResolvedScenario, Scenario } from '../sim/scenario/types.ts';
import { CliError, EXIT, fileError } from './errors.ts';
import { noteInput } from './inputs.ts';
import { type Io, readUpTo } from './io.ts';

/** The most bytes of a scenario file: the parser refuses more. */
const SCENARIO_BYTES_MAX = 1 << 20;

export interface ScenarioText {
  /** Its name in messages. */
  readonly file: string;
  readonly text: string;
  /** Its path; null for standard input. */
  readonly path: string | null;
}

export interface LoadedScenario extends ScenarioText {
  readonly scenario: Scenario;
  /** Its name on a command line. */
  readonly reference: string;
}

export const looksLikePath = (reference: string): boolean => reference.includes('/') || /\.ya?ml$/.test(reference);

/** Reads a file of any kind, also a pipe, up to a little more than `limit`. */
export function readBytes(path: string, limit: number): Uint8Array {
  const fd = openSync(path, 'r');
  try {
    return readUpTo(fd, limit);
  } finally {
    closeSync(fd);
  }
}

/** @throws CliError if the bytes are not UTF-8 */
function utf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new CliError({ code: 'not_text', exit: EXIT.usage, message: `${file} is not UTF-8 text` });
  }
}

function bytesOf(path: string, file: string, limit: number): Uint8Array {
  try {
    return readBytes(path, limit);
  } catch (error) {
    throw fileError(error, file, 'read');
  }
}

/** How messages name a file that the user has named. */
export const shownFile = (file: string): string => (file === '-' ? 'stdin' : file);

/** A file as the user names it, up to a little more than `limit`; `-` is standard input. */
export function readFileBytes(file: string, io: Io, limit: number): Uint8Array {
  noteInput(file, io);
  return file === '-' ? io.stdin() : bytesOf(resolve(io.cwd, file), file, limit);
}

/** The text of a file as the user names it; `-` is standard input. */
export function readText(file: string, io: Io, limit = SCENARIO_BYTES_MAX): ScenarioText {
  const shown = shownFile(file);
  return { file: shown, text: utf8(readFileBytes(file, io, limit), shown), path: file === '-' ? null : resolve(io.cwd, file) };
}

/** The text of a scenario. @throws CliError if there is none of that name */
function scenarioText(reference: string, io: Io): ScenarioText {
  if (reference === '-' || looksLikePath(reference)) return readText(reference, io);
  const names = shippedNames();
  if (names.includes(reference)) return { ...readText(shippedPath(reference), io), file: `${reference}.yaml` };
  const isFile = statSync(resolve(io.cwd, reference), { throwIfNoEntry: false })?.isFile() === true;
  throw new CliError({
    code: 'unknown_scenario',
    exit: EXIT.usage,
    message: unknownName(reference, 'the name of a shipped scenario', names),
    attempt: isFile ? `./${reference}, if the file is meant` : 'worldswitch scenarios; or a path with a / or the ending .yaml',
  });
}

/** @throws ScenarioError, CliError */
export function loadReference(reference: string, io: Io): LoadedScenario {
  const text = scenarioText(reference, io);
  return { ...text, scenario: loadScenario(text.text, text.file, knownProperties()), reference };
}

export interface Selection {
  readonly variant?: string | undefined;
  /** A change of the model that a test must notice. */
  readonly mutant?: string | undefined;
  readonly set?: Readonly<Record<string, string>> | undefined;
}

/** A scenario as it will run. @throws ScenarioError, MechanismError */
export const resolved = (scenario: Scenario, { variant, set, mutant }: Selection): ResolvedScenario =>
  resolveLookedAt(scenario, {
    ...(variant !== undefined && { variant }),
    ...(set && { set }),
    ...(mutant !== undefined && { mutant }),
    knownProperties: knownProperties(),
  });

/**
 * Where the committed schedules of a scenario lie: those of shipped ones in one folder for all,
 * others beside its file.
 */
export function regressionsPath(scenarioPath: string): string {
  const name = basename(scenarioPath).replace(/\.ya?ml$/, '');
  return shippedRegressions(scenarioPath, name) ?? join(dirname(scenarioPath), 'regressions', `${name}.json`);
}
