/** Journals by name: a file, or standard input. */
import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { isBeingWritten } from '../replay/being-written.ts';
import { codeOf } from '../replay/errors.ts';
import { type JournalFacts, stepsText } from '../replay/facts.ts';
import { fileSource } from '../replay/file-source.ts';
import { growingFile } from '../replay/growing-file.ts';
import { decodeHeader, HEADER_BYTES } from '../replay/header.ts';
import { foreignModel } from '../replay/model.ts';
import { openJournal } from '../replay/open.ts';
import { isPart, partPathOf } from '../replay/part-file.ts';
import type { Journal } from '../replay/reader.ts';
import { type JournalSource, memorySource } from '../replay/source.ts';
import { lossText } from '../replay/torn.ts';
import { readBytes } from './catalog.ts';
import { CliError, EXIT, failureOf, fileError, usageError } from './errors.ts';
import { noteInput } from './inputs.ts';
import { type Io, STREAM_BYTES_MAX } from './io.ts';
import { hasColours, Printer } from './output.ts';

export interface OpenSource {
  readonly source: JournalSource;
  /** Another process is still writing it: more may come. */
  readonly live: boolean;
  close(): void;
}

/**
 * A journal that was read whole.
 * @throws NotAJournalError, CliError if more came than is kept
 */
function streamed(bytes: Uint8Array, file: string): OpenSource {
  if (bytes.length > STREAM_BYTES_MAX) {
    decodeHeader(bytes.subarray(0, HEADER_BYTES));
    throw new CliError({
      code: 'stream_too_long',
      exit: EXIT.usage,
      message: `${shown(file)} gives more than ${STREAM_BYTES_MAX >> 20} MiB`,
      expected: 'the name of a regular file, for a journal of that size',
    });
  }
  return { source: memorySource(bytes), live: false, close: () => {} };
}

/** Whether a path is the unfinished file of a writer that goes on. @throws the system's error */
export const isInProgress = (path: string): boolean => isPart(path) && isBeingWritten(statSync(path, { bigint: true }));

/** The bytes of a journal; `-` is standard input. A file that is not regular is read whole. */
export function openSource(file: string, io: Io): OpenSource {
  noteInput(file, io);
  if (file === '-') return streamed(io.stdin(), file);
  const path = resolve(io.cwd, file);
  try {
    if (!statSync(path).isFile()) return streamed(readBytes(path, STREAM_BYTES_MAX), file);
    if (isInProgress(path)) {
      const growing = growingFile(path);
      return { source: growing.look(), live: true, close: () => growing.close() };
    }
    const source = fileSource(path);
    return { source, live: false, close: () => source.close() };
  } catch (error) {
    const failure = failureOf(named(fileError(error, file, 'read'), file));
    const isUnfinished = codeOf(error) === 'ENOENT' && existsSync(partPathOf(path));
    throw new CliError(isUnfinished ? { ...failure, attempt: `${partPathOf(file)}, which has what was recorded so far` } : failure, {
      cause: error,
    });
  }
}

const shown = (file: string): string => (file === '-' ? 'stdin' : file);

/** What is wrong with the bytes of a journal, with the name of the file. */
export function named(error: unknown, file: string): unknown {
  const failure = failureOf(error);
  const isAboutFile = (failure.exit === EXIT.damaged || failure.code === 'journal_modules') && !(error instanceof CliError);
  return isAboutFile ? new CliError({ ...failure, message: `${shown(file)}: ${failure.message}` }) : error;
}

/** What of a journal without a seal is told. */
export type Unsealed = Pick<JournalFacts, 'torn' | 'records' | 'steps'> & { readonly live: boolean };

/** Why a journal has no seal, in the words of every command. */
export const unsealedText = ({ torn, records, steps, live }: Unsealed): string =>
  live ? `its run is in progress, with ${records} records in ${steps} steps so far` : lossText(torn);

/**
 * Says on standard error what a journal has lost, or that more of it may come, whatever is done
 * with the rest of it.
 */
export const noteUnsealed = (file: string, facts: Unsealed, { err, env }: Io): void =>
  new Printer(err, hasColours(err, env)).line(`note: ${shown(file)} is not sealed: ${unsealedText(facts)}`);

/** Says on standard error that what goes on from a journal is the work of another model. */
export function noteForeign(journal: Journal, { err, env }: Io): void {
  const foreign = foreignModel(journal);
  if (foreign !== null) new Printer(err, hasColours(err, env)).line(`note: ${foreign}`);
}

/**
 * Step 0 is where a run starts, also one of which no step was recorded.
 * @throws CliError if the journal has no such step
 */
export function checkStep(journal: Journal, step: number | undefined): void {
  if (step === undefined || step <= journal.steps) return;
  throw usageError(`there is no step ${step}: the journal ${stepsText(journal)}`);
}

/**
 * Opens a journal for as long as `use` needs it, which is told whether its run is in progress.
 * @throws CliError if it cannot be read, or is damaged wherever `use` looks
 */
export const withJournal = <T>(file: string, io: Io, use: (journal: Journal, live: boolean) => T | Promise<T>): Promise<T> =>
  withJournalIn(openSource(file, io), file, io, use);

/** The same for bytes that are open already. */
export async function withJournalIn<T>(
  { source, live: isWritten, close }: OpenSource,
  file: string,
  io: Io,
  use: (journal: Journal, live: boolean) => T | Promise<T>,
): Promise<T> {
  try {
    const journal = openJournal(source);
    const { sealed, torn, records, steps } = journal;
    const live = isWritten && !sealed;
    if (!sealed) noteUnsealed(file, { torn, records, steps, live }, io);
    return await use(journal, live);
  } catch (error) {
    throw named(error, file);
  } finally {
    close();
  }
}
