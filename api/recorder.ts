/** The journal of a run that its caller drives. */
import { targetAt } from '../replay/files.ts';
import { JournalWriter } from '../replay/writer.ts';
import { type OpenJournal, openJournal } from './journal-file.ts';
import type { OpenRun } from './open-run.ts';

/**
 * Where the journal of a run goes.
 * @public
 */
export interface RecordOptions {
  /** A file, which appears when it is complete; in memory unless given. */
  readonly file?: string;
}

/**
 * The journal of a run that goes on.
 * @public
 */
export interface RunRecorder {
  /** Ends the run, as stopped if it has not ended, and opens its journal. */
  seal(): OpenJournal;
  /** Removes the journal. */
  discard(): void;
  /**
   * Keeps what was written as an unsealed file under its partial name; it can be read as far as it
   * goes.
   */
  release(): void;
}

/**
 * Writes the journal of a run, from its first step on. The run must not have been used yet.
 * @throws JournalWriteError if the file cannot be created
 * @public
 */
export function recordRun(run: OpenRun, { file }: RecordOptions = {}): RunRecorder {
  const target = file === undefined ? null : targetAt(file);
  const writer = JournalWriter.open(target, run.start, { mode: target === null ? 'memory' : 'buffered' });
  const { run: driven, begin } = connected(run, writer);
  return {
    seal() {
      begin();
      const end = driven.stop();
      const { content } = writer.seal(end);
      return openJournal(content ?? target!.path);
    },
    discard: () => writer.discard(),
    release: () => writer.release(),
  };
}

function connected(run: OpenRun, writer: JournalWriter) {
  try {
    return run.connect((block, names) => writer.block(block, names));
  } catch (error) {
    writer.discard();
    throw error;
  }
}
