/** The shipped scenarios: a file each, in the folder of the mechanism that it is about. Their names are told without the folder. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './version.ts';

const ENDING = '.yaml';

const shippedFolder = (): string => join(packageRoot(), 'scenarios');

/** Files by the name of the scenario, relative to the folder of all, with forward slashes: `sev-snp/rmp-lock.yaml`. */
function shippedFiles(): ReadonlyMap<string, string> {
  const folders = readdirSync(shippedFolder(), { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const files = folders.flatMap(({ name: folder }) =>
    readdirSync(join(shippedFolder(), folder)).flatMap((file) =>
      file.endsWith(ENDING) ? [[file.slice(0, -ENDING.length), `${folder}/${file}`] as const] : [],
    ),
  );
  return new Map(files);
}

/** The names of the shipped scenarios, sorted. */
export const shippedNames = (): string[] => [...shippedFiles().keys()].sort();

/** The file of a shipped scenario, relative to the folder of all, with forward slashes. @throws Error if none has the name */
export function shippedFile(name: string): string {
  const file = shippedFiles().get(name);
  if (file === undefined) throw new Error(`no shipped scenario is called ${name}`);
  return file;
}

/** The same as an absolute path. */
export const shippedPath = (name: string): string => join(shippedFolder(), shippedFile(name));

/** Where the committed schedules of a shipped scenario lie; null for any other file. */
export function shippedRegressions(scenarioPath: string, name: string): string | null {
  const file = shippedFiles().get(name);
  if (file === undefined || scenarioPath !== join(shippedFolder(), file)) return null;
  return join(shippedFolder(), 'regressions', `${name}.json`);
}
