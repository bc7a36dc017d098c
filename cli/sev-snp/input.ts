/** Small files that are read as bytes, whatever they hold. */
import { resolve } from 'node:path';
import { readBytes } from '../catalog.ts';
import { fileError } from '../errors.ts';
import { noteInput } from '../inputs.ts';
import type { Io } from '../io.ts';

/** How a message calls a file. */
export const shownName = (name: string): string => (name === '-' ? 'stdin' : name);

/** The bytes of a file, or somewhat more than `limit` of them. @throws CliError */
export function inputBytes(name: string, limit: number, io: Io): Uint8Array {
  noteInput(name, io);
  if (name === '-') return io.stdin();
  try {
    return readBytes(resolve(io.cwd, name), limit);
  } catch (error) {
    throw fileError(error, name, 'read');
  }
}
