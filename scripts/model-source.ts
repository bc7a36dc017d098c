/** What decides behaviour, as source files, and its digest. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Folders and files whose text is the model. The id itself is not. */
const MODEL = [
  'actors',
  'events',
  'sim/canonical.ts',
  'sim/channels.ts',
  'sim/host/mechanism.ts',
  'sim/mechanisms',
  'sim/models',
  'sim/models.ts',
  'sim/declared-offers.ts',
  'sim/offers.ts',
  'sim/host/own-topology.ts',
  'sim/host/patches.ts',
  'sim/host/registry.ts',
  'sim/sequencer.ts',
  'sim/store.ts',
  'sim/host/topology.ts',
];

/** Paths below the root, sorted, `/` as separator. */
export function modelFiles(root: string): string[] {
  const below = (path: string): string[] =>
    path.endsWith('.ts')
      ? [path]
      : readdirSync(join(root, path), { withFileTypes: true }).flatMap((entry) =>
          entry.isDirectory() || entry.name.endsWith('.ts') ? below(`${path}/${entry.name}`) : [],
        );
  return MODEL.flatMap(below).sort();
}

/** SHA-256, hex, over each file's path, length and text with line ends normalized. */
export function modelIdOf(root: string): string {
  const hash = createHash('sha256');
  for (const file of modelFiles(root)) {
    const text = readFileSync(join(root, file), 'utf8').replaceAll('\r\n', '\n');
    hash.update(`${file}\n${text.length}\n${text}`);
  }
  return hash.digest('hex');
}
