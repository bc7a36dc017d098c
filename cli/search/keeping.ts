/**
 * `--checkpoint` and `--resume`: a search of all schedules that is kept in a file as it goes, and
 * goes on from one.
 */

import { resolve } from 'node:path';
import { canonical } from '../../sim/canonical.ts';
import type { ExploreOptions } from '../../sim/explore/breadth/options.ts';
import type { Call } from '../command.ts';
import { CliError, failureOf, fileError, usageError } from '../errors.ts';
import type { Io } from '../io.ts';
import { named } from '../journal-file.ts';
import { targetOf } from '../target.ts';
import { readSearch, type SearchSubject, type StoredSearch, writeSearch } from './image-file.ts';
import { ForeignSearchError } from './image-format.ts';

/** New states between two checkpoints. */
export const CHECKPOINT_STATES = 1_000_000;

/** Reads the search in a file. @throws CliError if it is none that can go on here */
export function resumed(file: string, io: Io): StoredSearch {
  try {
    return readSearch(resolve(io.cwd, file));
  } catch (error) {
    throw named(fileError(error, file, 'read'), file);
  }
}

/** A search that goes on is of the scenario that was asked for, if one was. @throws CliError */
export function expectSame(file: string, stored: SearchSubject, asked: SearchSubject): void {
  const { name, variant } = stored.scenario;
  const identity = ({ scenario, from, prefix }: SearchSubject) => canonical({ scenario, prefix, step: from?.step ?? 0 });
  if (identity(stored) !== identity(asked))
    throw named(
      new ForeignSearchError(
        `it is a search of ${name}, variant ${variant}, or of other parameters than those asked for; leave the scenario out`,
      ),
      file,
    );
}

/**
 * Writes the search into the file every so many states and when it is over. Where that fails later
 * on, the search goes on: what was found is worth more than the file.
 * @throws CliError if the first one cannot be written
 */
export function keeper(
  file: string,
  every: number,
  subject: SearchSubject,
  { io, err }: Pick<Call, 'io' | 'err'>,
): NonNullable<ExploreOptions['onTurn']> {
  const { path, isFile } = targetOf(file, io.cwd);
  if (!isFile) throw usageError(`${file} is no regular file; --checkpoint takes the name of one`);
  let kept: number | null = null;
  return (explorer, isOver) => {
    const { count } = explorer.space;
    if (!isOver && count - (kept ?? 0) < every) return;
    try {
      writeSearch(path, subject, explorer.image());
    } catch (error) {
      if (kept === null) throw error;
      err.line(`worldswitch: ${failureOf(error).message.replace(/; nothing was left.*/, '')}; ${file} keeps the checkpoint before`);
    }
    kept = count;
  };
}

/** What is wrong with a file only shows when the search is set up from it. */
export function unlessDamaged(file: string | undefined): (error: unknown) => never {
  return (error) => {
    const isAboutFile = error instanceof Error && ['DictionaryError', 'SearchImageError', 'RestoreError'].includes(error.name);
    if (file === undefined || !isAboutFile) throw error;
    throw new CliError({
      ...failureOf(Object.assign(new Error(error.message), { name: 'SearchFileError' })),
      message: `${file}: ${error.message}`,
    });
  };
}
