/**
 * The shipped scenarios: a file each, in the folder of the mechanism that it is about. Their names
 * are told without the folder.
 */
import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ENDING = '.yaml';

/** The folder of package.json: the same from the sources and from `dist`. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('package.json of worldswitch is missing; install the package again');
    folder = parent;
  }
  return folder;
}

const shippedFolder = (): string => join(packageRoot(), 'scenarios');

/**
 * Files by the name of the scenario, relative to the folder of all, with forward slashes:
 * `sev-snp/rmp-lock.yaml`.
 */
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

/**
 * The file of a shipped scenario, relative to the folder of all, with forward slashes.
 * @throws Error if none has the name
 */
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
