/** What this program is, and where its package lies: the same from the sources and from `dist`. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FORMAT_VERSION } from '../events/journal.ts';
import { MODEL_ID } from '../sim/model-id.ts';
import { MODEL_VERSION } from '../sim/model-version.ts';

export const VERSION_FLAGS: readonly string[] = ['--version', '-V'];

/** The folder of package.json. */
export function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error('package.json of worldswitch is missing; install the package again');
    folder = parent;
  }
  return folder;
}

export const versionText = (): string =>
  (JSON.parse(readFileSync(join(packageRoot(), 'package.json'), 'utf8')) as { readonly version: string }).version;

export const versionDocument = () => ({
  version: versionText(),
  modelVersion: MODEL_VERSION,
  modelId: MODEL_ID,
  journalFormat: FORMAT_VERSION,
  node: process.versions.node,
});
