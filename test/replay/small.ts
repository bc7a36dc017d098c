/**
 * A small journal with every type of frame, in blocks that were closed early, its frames, and how
 * it is refused after an injury.
 */
import type { RunEnd } from '../../events/journal.ts';
import { JournalDamagedError, type JournalError } from '../../replay/errors.ts';
import { INDEX, RECORDS } from '../../replay/frame.ts';
import { verifyJournal } from '../../replay/integrity.ts';
import { openJournal } from '../../replay/open.ts';
import type { Journal } from '../../replay/reader.ts';
import { memorySource } from '../../replay/source.ts';
import { JournalWriter } from '../../replay/writer.ts';
import { MemoryFiles } from './memory-files.ts';
import { frameOfType, framesOf } from './surgery.ts';
import { END, SyntheticRun } from './synthetic.ts';

export function smallJournal(seed = 1, end: RunEnd = END): Uint8Array {
  const run = new SyntheticRun({ seed, actors: 2, variety: 3, events: 2, fields: 1 });
  const files = new MemoryFiles();
  const writer = JournalWriter.open({ path: 'small.wsj', files }, run.start, { mode: 'sync', checkpointEvery: 10 });
  run.steps(
    14,
    (block) => {
      writer.block(block, run.names);
      writer.acknowledge();
    },
    12,
  );
  writer.seal(end);
  return files.contents.get('small.wsj')!;
}

export const sealed = smallJournal();
export const frames = framesOf(sealed);
export const indexFrame = frameOfType(sealed, INDEX);
export const unsealed = sealed.subarray(0, indexFrame.offset);
export const recordFrames = frames.filter(({ header }) => header.type === RECORDS);
export const lastFrame = framesOf(unsealed).at(-1)!;

export const open = (bytes: Uint8Array): Journal => openJournal(memorySource(bytes));
export const verify = (bytes: Uint8Array): ReturnType<typeof verifyJournal> => verifyJournal(memorySource(bytes));

/** What verifying says about a file that is not good. */
export function refusal(bytes: Uint8Array): JournalError {
  const { problem } = verify(bytes);
  if (!problem) throw new Error('verify found nothing wrong');
  return problem;
}

export function damage(bytes: Uint8Array): JournalDamagedError {
  const error = refusal(bytes);
  if (!(error instanceof JournalDamagedError)) throw error;
  return error;
}
