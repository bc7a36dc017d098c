/** Where the file of a recorded scenario lies: a journal has its name alone. */
import { readdirSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { readText } from './catalog.ts';
import type { Io } from './io.ts';
import { modelFiles } from './model-files.ts';

const isScenario = (file: string): boolean => /\.ya?ml$/.test(file);

/** Whether the text of a scenario file has this name. */
const isNamed = (text: string, name: string): boolean =>
  text.split('\n').some((line) => /^name:\s*["']?(.*?)["']?\s*(?:#.*)?$/.exec(line)?.[1] === name);

function holds(file: string, name: string, io: Io): boolean {
  try {
    return statSync(resolve(io.cwd, file)).isFile() && isNamed(readText(file, io).text, name);
  } catch {
    return false;
  }
}

function filesIn(folder: string, io: Io): readonly string[] {
  try {
    return readdirSync(resolve(io.cwd, folder)).filter(isScenario).sort();
  } catch {
    return [];
  }
}

/**
 * The file of the scenario of this name, as the present folder names it: there, or beside a module
 * that is loaded. Where none is found, it is named after the scenario, beside the first module.
 */
export function scenarioFile(name: string, io: Io): string {
  const beside = modelFiles().map(({ file }) => dirname(file));
  for (const folder of new Set(['.', ...beside])) {
    const files = [`${name}.yaml`, ...filesIn(folder, io)];
    const found = files.find((file) => holds(join(folder, file), name, io));
    if (found !== undefined) return join(folder, found);
  }
  return join(beside[0] ?? '.', `${name}.yaml`);
}
