/** Makes folders with all that is above them. */
import { accessSync, constants, existsSync, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from '../replay/errors.ts';
import { CliError, EXIT, fileError, usageError } from './errors.ts';

/** Makes a folder; `shown` is its name as the user may give it. @throws CliError */
export function makeFolder(path: string, shown: string): void {
  try {
    make(path);
  } catch (error) {
    throw fileError(error, shown, 'write');
  }
}

/**
 * Like `mkdir -p`. Node's own recursive mkdir never returns where the parent exists and the file
 * system refuses children with ENOENT, as below /proc; this goes down one folder at a time and
 * fails.
 */
function make(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  const parent = dirname(path);
  if (parent !== path) make(parent);
  try {
    mkdirSync(path);
  } catch (error) {
    // Another process may have made it at the same time.
    if (codeOf(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}

/**
 * Checks whether a folder can be made, before long work begins. Errors that only the file system
 * finds come when it is made.
 * @throws CliError
 */
export function checkFolder(path: string, shown: string): void {
  if (shown === '-') throw usageError('-o takes a folder here, which standard output is not');
  let nearest = path;
  while (!existsSync(nearest) && dirname(nearest) !== nearest) nearest = dirname(nearest);
  if (!statSync(nearest).isDirectory()) {
    const message = `cannot write ${shown}: ${nearest === path ? 'it is a file' : `${nearest} is a file`}; expected a folder, or nothing`;
    throw new CliError({ code: 'cannot_write', exit: EXIT.usage, message });
  }
  try {
    accessSync(nearest, constants.W_OK);
  } catch (error) {
    throw fileError(error, shown, 'write');
  }
}
