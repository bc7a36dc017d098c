/** Journals by name: a file, or standard input. */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileSource } from '../replay/file-source.ts';
import { openJournal } from '../replay/open.ts';
import type { Journal } from '../replay/reader.ts';
import { type JournalSource, memorySource } from '../replay/source.ts';
import { readBytes } from './catalog.ts';
import { CliError, EXIT, failureOf, fileError } from './errors.ts';
import type { Io } from './io.ts';

export interface OpenSource {
  readonly source: JournalSource;
  close(): void;
}

/** The bytes of a journal; `-` is standard input. A file that is not regular is read whole. */
export function openSource(file: string, io: Io): OpenSource {
  if (file === '-') return { source: memorySource(io.stdin()), close: () => {} };
  const path = resolve(io.cwd, file);
  try {
    if (!statSync(path).isFile()) return { source: memorySource(readBytes(path)), close: () => {} };
    const source = fileSource(path);
    return { source, close: () => source.close() };
  } catch (error) {
    throw fileError(error, file, 'read');
  }
}

/** What is wrong with the bytes of a journal, with the name of the file. */
export function named(error: unknown, file: string): unknown {
  const failure = failureOf(error);
  const isAboutFile = (failure.exit === EXIT.damaged || failure.code === 'journal_modules') && !(error instanceof CliError);
  return isAboutFile ? new CliError({ ...failure, message: `${file === '-' ? 'stdin' : file}: ${failure.message}` }) : error;
}

/**
 * Opens a journal for as long as `use` needs it.
 * @throws CliError if it cannot be read, or is damaged wherever `use` looks
 */
export async function withJournal<T>(file: string, io: Io, use: (journal: Journal) => T | Promise<T>): Promise<T> {
  const { source, close } = openSource(file, io);
  try {
    return await use(openJournal(source));
  } catch (error) {
    throw named(error, file);
  } finally {
    close();
  }
}
