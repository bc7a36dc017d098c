/** Who may import whom. Imports go downward only; each layer names the packages it may use. */
import { describe, expect, it } from 'vitest';
import { type Import, importsOf, isScript, projectFiles, textOf } from './source.ts';

const ACTORS = ['events/', 'actors/', 'xstate'];
const SIM = [...ACTORS, 'sim/', 'rxjs', 'zod'];
const REPLAY = ['events/', 'actors/', 'sim/', 'replay/', '@noble/hashes', 'rxjs'];
const TIMELINE = ['events/', 'actors/', 'sim/', 'replay/', 'timeline/', 'rxjs'];

/**
 * What the files under a path may import: folders end in a slash, all else names a package. The
 * longest path that fits decides.
 */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  'events/': ['events/'],
  'actors/': ACTORS,
  'actors/sev-snp/firmware/': ['actors/sev-snp/firmware/', '@noble/ciphers', '@noble/curves', '@noble/hashes'],
  'sim/': SIM,
  'sim/prng.ts': [...SIM, 'nanoid'],
  'sim/scenario/': [...SIM, 'yaml'],
  'replay/': [...REPLAY, 'node:fs', 'node:path'],
  'replay/codec': [...REPLAY, '@msgpack/msgpack'],
  'replay/fold': REPLAY,
  'timeline/': TIMELINE,
  'timeline/serve/': [...TIMELINE, 'hono', '@hono/node-server', 'node:fs', 'node:http', 'node:net', 'node:path', 'node:stream'],
  'trace/': [...TIMELINE, 'trace/'],
  'trace/read.ts': [...TIMELINE, 'trace/', 'node:fs', 'node:stream', 'node:zlib'],
  'timeline/dashboard/': ['events/', 'timeline/dashboard/'],
  'api/': [...TIMELINE, 'api/', 'node:fs', 'node:path', 'node:url'],
  // A front end of its own: what it prints is what the command line prints.
  'api/vitest': [...TIMELINE, 'api/', 'cli/', 'vitest', 'node:fs', 'node:path'],
  'cli/': [
    ...TIMELINE,
    'trace/',
    'api/',
    'cli/',
    'node:',
    '@hono/node-server',
    '@noble/hashes',
    'commander',
    'hono',
    'xstate',
    'yaml',
    'zod',
  ],
};

/**
 * Readers of a journal run where there is no Node, so neither they nor what they stand on may
 * import from it.
 */
const WITHOUT_NODE = /^replay\/(?:codec|fold)[^/]*\.ts$/;

/**
 * A scan that sees fewer files or imports than this is broken, and would pass whatever they say.
 */
const SEEN_MIN = 20;

function layerOf(file: string): string | undefined {
  const fitting = Object.keys(ALLOWED).filter((path) => file.startsWith(path));
  return fitting.sort((a, b) => b.length - a.length)[0];
}

const reaches = (allowed: string, to: string): boolean =>
  /[/:]$/.test(allowed) ? to.startsWith(allowed) : to === allowed || to.startsWith(`${allowed}/`);

function wrongImports(file: string, text: string): string[] {
  const layer = layerOf(file);
  if (layer === undefined) return [];
  const wrong = importsOf(file, text).filter(({ to }) => !ALLOWED[layer]!.some((allowed) => reaches(allowed, to)));
  return wrong.map(({ line, to }) => `${file}:${line} imports ${to}; ${layer} may import ${ALLOWED[layer]!.join(', ')}`);
}

/**
 * Follows imports inside the repository from `roots` and names each that ends in Node, with the way
 * there.
 */
function waysToNode(roots: readonly string[], importsIn: (file: string) => readonly Import[]): string[] {
  const ways = new Map(roots.map((root) => [root, root]));
  const found: string[] = [];
  for (const [file, way] of ways) {
    for (const { line, to } of importsIn(file)) {
      if (to.startsWith('node:')) found.push(`${way}:${line} -> ${to}; ${roots.join(', ')} must run without Node`);
      else if (to.endsWith('.ts') && !ways.has(to)) ways.set(to, `${way}:${line} -> ${to}`);
    }
  }
  return found;
}

const files = projectFiles().filter((file) => isScript(file) && layerOf(file) !== undefined);
const importsIn = (file: string): Import[] => importsOf(file, textOf(file));

describe('layers', () => {
  it('sees the sources and their imports', () => {
    expect(files.length).toBeGreaterThanOrEqual(SEEN_MIN);
    expect(files.flatMap(importsIn).length).toBeGreaterThanOrEqual(SEEN_MIN);
  });

  it('lets imports go downward only', () => {
    expect(files.flatMap((file) => wrongImports(file, textOf(file)))).toEqual([]);
  });

  it('keeps Node out of whatever reads a journal', () => {
    const readers = files.filter((file) => WITHOUT_NODE.test(file));
    if (files.some((file) => file.startsWith('replay/'))) expect(readers).not.toEqual([]);
    expect(waysToNode(readers, importsIn)).toEqual([]);
  });
});

describe('the check of the layers', () => {
  it.each([
    ['actors/host/pcpu.ts', "import { step } from '../../sim/step.ts';"],
    ['actors/host/pcpu.ts', "export type { Step } from '../../sim/step.ts';"],
    ['events/sev-snp/rmp.ts', "import { z } from 'zod';"],
    ['sim/world.ts', "const { parse } = await import('yaml');"],
    ['sim/world.ts', "import 'fs';"],
    ['sim/world.ts', "import {\n  a,\n} from '../replay/reader.ts';"],
    ['sim/engine/memo.ts', "import { customRandom } from 'nanoid';"],
    ['replay/writer.ts', "import { encode } from '@msgpack/msgpack';"],
    ['replay/codec-records.ts', "import { openSync } from 'node:fs';"],
    ['timeline/project.ts', "import { Hono } from 'hono';"],
    ['timeline/dashboard/page.ts', "import { read } from '../../replay/reader.ts';"],
    ['api/run.ts', "import { shippedNames } from '../cli/catalog.ts';"],
    ['replay/open.ts', "import { run } from '../api/run.ts';"],
    ['cli/main.ts', "import { world } from '../test/sim/worlds.ts';"],
    ['actors/host/pcpu.ts', "import { graph } from 'xstate-graph';"],
    ['actors/sev-snp/psp.ts', "import { p384 } from '@noble/curves/nist.js';"],
    ['actors/sev-snp/firmware/launch-digest.ts', "import { assign } from 'xstate';"],
  ])('refuses in %s: %s', (file, text) => {
    expect(wrongImports(file, text)).toHaveLength(1);
  });

  it.each([
    ['actors/sev-snp/rmpupdate.ts', "import { setup } from 'xstate';\nimport type { Pfn } from '../../events/address.ts';"],
    ['sim/scenario/load.ts', "import { parse } from 'yaml';"],
    ['sim/prng.ts', "import { customRandom } from 'nanoid';"],
    ['replay/writer.ts', "import { open } from 'node:fs/promises';\nimport { sha256 } from '@noble/hashes/sha2.js';"],
    ['actors/host/pcpu.ts', "// import { step } from '../../sim/step.ts';"],
    ['cli/main.ts', "import { parseArgs } from 'node:util';"],
    ['actors/sev-snp/firmware/p384.ts', "import { p384 } from '@noble/curves/nist.js';"],
  ])('accepts in %s: %s', (file, text) => {
    expect(wrongImports(file, text)).toEqual([]);
  });

  it('names the way from a reader of journals to Node', () => {
    const texts: Record<string, string> = {
      'replay/codec.ts': "import { crc } from './crc.ts';",
      'replay/crc.ts': "\nimport { crc32 } from 'node:zlib';",
    };
    const ways = waysToNode(['replay/codec.ts'], (file) => importsOf(file, texts[file]!));
    expect(ways).toEqual(['replay/codec.ts:1 -> replay/crc.ts:2 -> node:zlib; replay/codec.ts must run without Node']);
  });
});
