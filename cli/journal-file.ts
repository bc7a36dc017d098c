/** Journals by name: a file, or standard input. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { type JournalFacts, stepsText } from '../replay/facts.ts';
import { fileSource } from '../replay/file-source.ts';
import { decodeHeader, HEADER_BYTES } from '../replay/header.ts';
import { openJournal } from '../replay/open.ts';
import type { Journal } from '../replay/reader.ts';
import { type JournalSource, memorySource } from '../replay/source.ts';
import { lossText } from '../replay/torn.ts';
import { readBytes } from './catalog.ts';
import { CliError, EXIT, failureOf, fileError, usageError } from './errors.ts';
import { type Io, STREAM_BYTES_MAX } from './io.ts';
import { hasColours, Printer } from './output.ts';

export interface OpenSource {
  readonly source: JournalSource;
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
  return { source: memorySource(bytes), close: () => {} };
}

/** The bytes of a journal; `-` is standard input. A file that is not regular is read whole. */
export function openSource(file: string, io: Io): OpenSource {
  if (file === '-') return streamed(io.stdin(), file);
  const path = resolve(io.cwd, file);
  try {
    if (!statSync(path).isFile()) return streamed(readBytes(path, STREAM_BYTES_MAX), file);
    const source = fileSource(path);
    return { source, close: () => source.close() };
  } catch (error) {
    throw named(fileError(error, file, 'read'), file);
  }
}

const shown = (file: string): string => (file === '-' ? 'stdin' : file);

/** What is wrong with the bytes of a journal, with the name of the file. */
export function named(error: unknown, file: string): unknown {
  const failure = failureOf(error);
  const isAboutFile = (failure.exit === EXIT.damaged || failure.code === 'journal_modules') && !(error instanceof CliError);
  return isAboutFile ? new CliError({ ...failure, message: `${shown(file)}: ${failure.message}` }) : error;
}

/** Says on standard error what a journal has lost, whatever is done with the rest of it. */
export function noteLoss(file: string, { sealed, torn }: Pick<JournalFacts, 'sealed' | 'torn'>, { err, env }: Io): void {
  if (!sealed) new Printer(err, hasColours(err, env)).line(`note: ${shown(file)} is not sealed: ${lossText(torn)}`);
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
 * Opens a journal for as long as `use` needs it.
 * @throws CliError if it cannot be read, or is damaged wherever `use` looks
 */
export async function withJournal<T>(file: string, io: Io, use: (journal: Journal) => T | Promise<T>): Promise<T> {
  const { source, close } = openSource(file, io);
  try {
    const journal = openJournal(source);
    noteLoss(file, journal, io);
    return await use(journal);
  } catch (error) {
    throw named(error, file);
  } finally {
    close();
  }
}
