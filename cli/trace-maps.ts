/** Maps of recorded kernels: those that are shipped, and the user's own on top of them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../api/shipped-scenarios.ts';
import { type MapFile, mapOf, readMap, type TraceMap } from '../trace/conform/map.ts';
import { notNewer } from '../trace/told.ts';
import { readText } from './catalog.ts';
import { usageError } from './errors.ts';
import type { Io } from './io.ts';

const ENDING = '.yaml';
/** `svm-6.12`; a file without a version is a part of others. */
const NAMED = /^(\w{1,20})-(\d{1,3}\.\d{1,3})$/;

const folder = (): string => join(packageRoot(), 'trace', 'maps');

/** A shipped map with those that it extends, the most general first. */
function shippedMap(name: string): readonly MapFile[] {
  const map = readMap(readFileSync(join(folder(), `${name}${ENDING}`), 'utf8'), `${name}${ENDING}`);
  return [...(map.extends === undefined ? [] : shippedMap(map.extends)), map];
}

/** Names of the shipped maps that are whole. */
export const shippedMaps = (): readonly string[] =>
  readdirSync(folder())
    .filter((file) => file.endsWith(ENDING) && NAMED.test(file.slice(0, -ENDING.length)))
    .map((file) => file.slice(0, -ENDING.length))
    .sort();

/** The user's own files of a map. @throws CliError, MapError */
export function ownMaps(files: readonly string[], io: Io): readonly MapFile[] {
  return files.map((name) => {
    const { file, text } = readText(name, io);
    const map = readMap(text, file);
    if (map.extends !== undefined)
      throw usageError(`${file}: extends: found ${map.extends}; expected none: --map adds to the shipped map of the kernel`);
    return map;
  });
}

/**
 * The map for a kernel: the newest shipped one of its vendor that is no newer, with the user's own.
 * @throws CliError if there is none
 */
export function mapFor(vendor: string, release: string, own: readonly MapFile[]): TraceMap {
  const names = shippedMaps();
  const ofVendor = names.filter((name) => NAMED.exec(name)![1] === vendor);
  const version = notNewer(
    release,
    ofVendor.map((name) => NAMED.exec(name)![2]!),
  );
  if (version !== null) return mapOf([...shippedMap(`${vendor}-${version}`), ...own]);
  if (own.some((map) => map.vendor === vendor)) return mapOf(own);
  throw usageError(`no map for ${vendor} and kernel ${release}; shipped are ${names.join(', ')}`, {
    expected: `a map with vendor: ${vendor}`,
    attempt: '--map FILE; docs/real-kernels.md has the format',
  });
}
