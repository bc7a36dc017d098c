/** Recordings of real kernels by name: a file, or standard input. */
import { beginsAsJournal, HEADER_BYTES } from '../replay/header.ts';
import type { Journal } from '../replay/reader.ts';
import { chunksOf } from '../replay/source.ts';
import { readRecording } from '../trace/read.ts';
import { NoRecordingError, type Recording, TraceError } from '../trace/recording.ts';
import { CliError, EXIT, fileError } from './errors.ts';
import type { Io } from './io.ts';
import { type OpenSource, openSource, withJournalIn } from './journal-file.ts';

/**
 * The recording in a file; `-` is standard input.
 * @throws CliError if it is none, or cannot be read
 */
export async function openTrace(file: string, io: Io): Promise<Recording> {
  const opened = openSource(file, io);
  try {
    return await recordingIn(opened, file);
  } finally {
    opened.close();
  }
}

async function recordingIn({ source }: OpenSource, file: string): Promise<Recording> {
  try {
    return await readRecording(file === '-' ? 'stdin' : file, pieces(source));
  } catch (error) {
    if (!(error instanceof TraceError)) throw fileError(error, file, 'read');
    const { message, expected, attempt } = error;
    const code = error instanceof NoRecordingError ? 'no_recording' : 'recording_unreadable';
    throw new CliError({ code, exit: EXIT.usage, message, expected, attempt }, { cause: error });
  }
}

function* pieces(source: OpenSource['source']): Generator<Uint8Array> {
  for (const { bytes } of chunksOf(source, 0, source.size)) yield bytes;
}

/**
 * The recording in a file that is no journal, unless it is a pipe: what a journal is looked for in
 * is opened again.
 * @throws CliError for a recording that is damaged or too large
 */
export async function traceUnlessJournal(file: string, io: Io): Promise<Recording | null> {
  const opened = openSource(file, io);
  try {
    return beginsAsJournal(opened.source.read(0, Math.min(opened.source.size, HEADER_BYTES))) ? null : await recordingIn(opened, file);
  } catch (error) {
    if (!isText(opened) && error instanceof CliError && error.failure.code === 'no_recording') return null;
    throw error;
  } finally {
    opened.close();
  }
}

/** What is done with a file that is a journal or a recording. */
export interface ByKind<T> {
  readonly journal: (journal: Journal) => T | Promise<T>;
  readonly recording: (recording: Recording) => T | Promise<T>;
}

/** A journal does not begin as text does, and has zeros in its header. */
const isText = ({ source }: OpenSource): boolean => {
  const head = source.read(0, Math.min(source.size, HEADER_BYTES));
  return head.length > 0 && head[0]! < 0x80 && !head.includes(0);
};

/**
 * Opens a file that is a journal or a recording.
 * @throws what opening a journal throws; CliError for text that is no recording, or one that is
 * damaged or too large
 */
export async function withJournalOrTrace<T>(file: string, io: Io, use: ByKind<T>): Promise<T> {
  const opened = openSource(file, io);
  const { source, close } = opened;
  let recording: Recording | null = null;
  try {
    if (!beginsAsJournal(source.read(0, Math.min(source.size, HEADER_BYTES)))) recording = await recordingIn(opened, file);
  } catch (error) {
    const isNone = error instanceof CliError && error.failure.code === 'no_recording';
    if (!isNone || isText(opened)) {
      close();
      // What is no recording either is refused as every command refuses what is no journal.
      const message = `${error instanceof Error ? error.message : ''}; and it does not start with the magic bytes of a Worldswitch journal`;
      throw isNone ? new CliError({ ...error.failure, message, exit: EXIT.damaged }, { cause: error }) : error;
    }
  }
  if (!recording) return withJournalIn(opened, file, io, use.journal);
  close();
  return use.recording(recording);
}
