/**
 * Where an output option points, for every command alike: a regular file appears whole under its
 * name; a device or a pipe is written into, and never replaced; `-` is standard output.
 */
import {
  accessSync,
  type BigIntStats,
  closeSync,
  constants,
  fstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statSync,
  writeSync,
} from 'node:fs';
import { dirname, resolve } from 'node:path';
import { codeOf } from '../replay/errors.ts';
import { PartFile } from '../replay/part-file.ts';
import { fileError, usageError } from './errors.ts';
import { inputNamed } from './inputs.ts';
import type { Io } from './io.ts';

export interface Target {
  readonly path: string;
  readonly isFile: boolean;
}

const STDOUT = 1;

/** @throws CliError if the command reads what it would write */
function expectOther(output: string, found: BigIntStats, io: Io): void {
  const input = found.isFile() ? inputNamed(found, io) : undefined;
  if (input !== undefined) throw usageError(`${output} is the file that is read as ${input}; expected another one to write`);
}

/** What stands at a path; undefined if nothing does. */
function foundAt(path: string, output: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch (error) {
    throw fileError(error, output, 'write');
  }
}

/** Where a new file goes; a link whose target is gone leads to where that was. */
function placeOf(path: string, output: string): string {
  try {
    const folder = realpathSync(dirname(path));
    if (!statSync(folder).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    accessSync(folder, constants.W_OK);
  } catch (error) {
    throw fileError(error, output, 'write');
  }
  let to: string;
  try {
    to = readlinkSync(path);
  } catch {
    return path;
  }
  return placeOf(resolve(dirname(path), to), output);
}

/**
 * Where a file goes, before anything is done for it; `option` is how the user gives its name.
 * @throws CliError if it is a folder or a socket, one of the files that are read, or cannot be
 * written
 */
export function targetOf(output: string, io: Io, option = '-o'): Target {
  if (output === '') throw usageError(`found "" for ${option}; expected the name of a file`);
  const path = resolve(io.cwd, output);
  const found = foundAt(path, output);
  if (found === undefined) return { path: placeOf(path, output), isFile: true };
  if (found.isDirectory()) throw usageError(`${output} is a folder; ${option} takes the name of a file`);
  if (found.isSocket()) throw usageError(`${output} is a socket; ${option} takes the name of a file, a device or a pipe`);
  expectOther(output, found, io);
  // A link stays a link: what it points to is replaced.
  return found.isFile() ? { path: placeOf(realpathSync(path), output), isFile: true } : { path, isFile: false };
}

/** The same for a file that must be a regular one, as it is read while the command goes on. */
export function fileTargetOf(output: string, io: Io, option: string): string {
  const { path, isFile } = output === '-' ? { path: output, isFile: false } : targetOf(output, io, option);
  if (!isFile) throw usageError(`${output} is no regular file; ${option} takes the name of one, as it is read while the command goes on`);
  return path;
}

/**
 * Looks at an output option before any work is done for it.
 * @throws CliError as targetOf; if standard output is asked for twice
 */
export function checkOutput(output: string, io: Io, { json, option = '-o' }: { readonly json: boolean; readonly option?: string }): void {
  if (output !== '-') targetOf(output, io, option);
  else if (json) throw usageError(`--json and ${option} - both want standard output`);
  else expectOther('standard output', fstatSync(STDOUT, { bigint: true }), io);
}

/** Writes into what is no regular file. Once the reader of a pipe is gone, the rest is dropped. */
export function writeStream(path: string, chunks: Iterable<Uint8Array>): number {
  let size = 0;
  try {
    const fd = openSync(path, 'w');
    try {
      for (const chunk of chunks) {
        for (let at = 0; at < chunk.length; ) at += writeSync(fd, chunk, at);
        size += chunk.length;
      }
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (codeOf(error) !== 'EPIPE') throw fileError(error, path, 'write');
  }
  return size;
}

/**
 * Writes a file that appears when it is whole and on the disk.
 * @returns its size @throws JournalWriteError
 */
export function writeWhole(path: string, chunks: Iterable<Uint8Array>, { files }: Pick<Io, 'files'>): number {
  const file = PartFile.create({ path, files, part: 'own' }, true);
  let size = 0;
  try {
    for (const chunk of chunks) {
      file.append(chunk);
      size += chunk.length;
    }
    file.commit();
  } catch (error) {
    file.discard();
    throw error;
  }
  return size;
}

/**
 * Writes what an output option asks for.
 * @returns its size @throws CliError as targetOf; JournalWriteError
 */
export function writeOutput(output: string, chunks: Iterable<Uint8Array>, io: Io, option = '-o'): number {
  if (output !== '-') {
    const { path, isFile } = targetOf(output, io, option);
    return isFile ? writeWhole(path, chunks, io) : writeStream(path, chunks);
  }
  let size = 0;
  for (const chunk of chunks) {
    if (io.out.closed) break;
    io.out.write(chunk);
    size += chunk.length;
  }
  return size;
}
