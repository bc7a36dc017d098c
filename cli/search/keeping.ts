/**
 * `--checkpoint` and `--resume`: a search of all schedules that is kept in a file as it goes, and
 * goes on from one.
 */

import { lstatSync } from 'node:fs';
import { resolve } from 'node:path';
import { isBeingWritten } from '../../replay/being-written.ts';
import { codeOf, JournalWriteError } from '../../replay/errors.ts';
import type { FileSystem } from '../../replay/part-file.ts';
import { canonical } from '../../sim/canonical.ts';
import type { ExploreOptions } from '../../sim/explore/breadth/options.ts';
import type { Call } from '../command.ts';
import { CliError, failureOf, fileError, usageError } from '../errors.ts';
import type { Io } from '../io.ts';
import { named } from '../journal-file.ts';
import { fileTargetOf, writeWhole } from '../target.ts';
import { encodeSearch, readSearch, type SearchSubject, type StoredSearch } from './image-file.ts';
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
 * Claims a checkpoint for one search: a file beside it that is open as long as the search goes on.
 * @returns what gives the claim up
 * @throws CliError if another search has it; JournalWriteError
 */
function claim(path: string, file: string, { files }: Io): () => void {
  const lock = `${path}.lock`;
  for (;;) {
    try {
      const fd = files.open(lock, 'wx');
      return () => released(lock, fd, files);
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw new JournalWriteError(lock, 'open', error);
    }
    const found = lstatSync(lock, { bigint: true, throwIfNoEntry: false });
    if (found && isBeingWritten(found))
      throw usageError(`${file} is the checkpoint of another search, which still goes on`, {
        attempt: 'another name, or the end of that search',
      });
    // That search has ended meanwhile, or was killed: what it kept last is whole.
    if (found) files.remove(lock);
  }
}

function released(lock: string, fd: number, files: FileSystem): void {
  try {
    // Closed first, it could be another search's by the time it is removed.
    files.remove(lock);
    files.close(fd);
  } catch {
    // The search is over, and a lock that is open nowhere keeps no other away.
  }
}

/** Keeps a search in a file. */
export interface Keeper {
  readonly onTurn: NonNullable<ExploreOptions['onTurn']>;
  /** Lets another search have the file. */
  close(): void;
}

/**
 * Writes the search into the file every so many states and when it is over. Where that fails later
 * on, the search goes on: what was found is worth more than the file.
 * @throws CliError if another search keeps itself there, or it is a file that is read; the first
 * call of `onTurn` throws if it cannot be written
 */
export function keeper(file: string, every: number, subject: SearchSubject, { io, err }: Pick<Call, 'io' | 'err'>): Keeper {
  const path = fileTargetOf(file, io, '--checkpoint');
  const close = claim(path, file, io);
  let kept: number | null = null;
  const onTurn: Keeper['onTurn'] = (explorer, isOver) => {
    const { count } = explorer.space;
    if (!isOver && count - (kept ?? 0) < every) return;
    try {
      writeWhole(path, encodeSearch(subject, explorer.image()), io);
    } catch (error) {
      if (kept === null) throw error;
      err.line(`worldswitch: ${failureOf(error).message}; ${file} keeps the checkpoint before`);
    }
    kept = count;
  };
  return { onTurn, close };
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
