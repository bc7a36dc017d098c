/** The files that a command reads, so that it does not write over one of them. */
import { type BigIntStats, fstatSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { usageError } from './errors.ts';
import type { Io } from './io.ts';

/** By device and inode, which tell a file under each of its names. */
const READ = new WeakMap<Io, Map<string, string>>();

const keyOf = ({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string => `${dev}:${ino}`;

/**
 * Notes that a command reads this file; `-` is standard input.
 * @throws CliError if it has no name
 */
export function noteInput(file: string, io: Io): void {
  if (file === '') throw usageError('found "" as the name of a file to read; expected a name');
  let found: BigIntStats | undefined;
  try {
    found = file === '-' ? fstatSync(0, { bigint: true }) : statSync(resolve(io.cwd, file), { bigint: true, throwIfNoEntry: false });
  } catch {
    // What cannot be looked at cannot be read either, which the reader tells.
  }
  if (!found?.isFile()) return;
  const known = READ.get(io) ?? new Map<string, string>();
  READ.set(io, known.set(keyOf(found), file === '-' ? 'standard input' : file));
}

/** The name by which the command reads this file; undefined if it does not. */
export const inputNamed = (found: BigIntStats, io: Io): string | undefined => READ.get(io)?.get(keyOf(found));
