/**
 * Where `-o` points: a regular file appears whole under its name; a device or a pipe is written
 * into, and never replaced.
 */
import { closeSync, openSync, realpathSync, type Stats, statSync, writeSync } from 'node:fs';
import { resolve } from 'node:path';
import { realFiles } from '../replay/files.ts';
import { PartFile } from '../replay/part-file.ts';
import { fileError, usageError } from './errors.ts';

export interface Target {
  readonly path: string;
  readonly isFile: boolean;
}

/** @throws CliError if it is a folder, or cannot be looked at */
export function targetOf(output: string, cwd: string): Target {
  const path = resolve(cwd, output);
  let found: Stats | undefined;
  try {
    found = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw fileError(error, output, 'write');
  }
  if (found?.isDirectory()) throw usageError(`${output} is a folder; -o takes the name of a file`);
  if (found === undefined) return { path, isFile: true };
  // A link stays a link: what it points to is replaced.
  return found.isFile() ? { path: realpathSync(path), isFile: true } : { path, isFile: false };
}

/** Writes into what is no regular file. */
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
    throw fileError(error, path, 'write');
  }
  return size;
}

/** Writes a file that appears when it is whole. @returns its size @throws JournalWriteError */
export function writeWhole({ path, isFile }: Target, chunks: Iterable<Uint8Array>): number {
  if (!isFile) return writeStream(path, chunks);
  const file = PartFile.create({ path, files: realFiles }, 'replace');
  let size = 0;
  try {
    for (const chunk of chunks) {
      file.append(chunk);
      size += chunk.length;
    }
    file.commit(false);
  } catch (error) {
    file.discard();
    throw error;
  }
  return size;
}
