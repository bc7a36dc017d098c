/**
 * What to do with a journal that was not sealed: write on, or copy what is good. Nothing is
 * repaired in place.
 */
import { BlockEncoder } from './block-encoder.ts';
import { JournalDamagedError, type Torn } from './errors.ts';
import { INDEX, RECORDS, SEAL } from './frame.ts';
import type { JournalTarget } from './part-file.ts';
import { scanJournal } from './scan.ts';
import { chunksOf, type JournalSource } from './source.ts';
import { JournalWriter, type WriterOptions } from './writer.ts';

export interface Reopened {
  readonly writer: JournalWriter;
  /** What the killed writer left behind its last whole frame, and is dropped. */
  readonly torn: Torn | null;
  readonly records: number;
  /** Number of the last step. */
  readonly steps: number;
}

/**
 * Goes on writing the unfinished file of `target`, behind its last whole frame. `source` is that
 * file, opened for reading.
 * @throws as openJournal: a damaged file is not written on
 * @throws RangeError if the file is sealed
 */
export function reopenJournal(
  target: JournalTarget,
  source: JournalSource,
  options: WriterOptions & { readonly mode: 'buffered' | 'sync' },
): Reopened {
  const scan = scanJournal(source);
  if (scan.seal) throw new RangeError(`${target.path} is sealed: nothing can be added to it`);
  const { records, steps, torn, state, dictionary, index } = scan;
  const encoder = new BlockEncoder(scan.start.actors.length);
  encoder.dictionary.resume(dictionary);
  encoder.resume(records + 1, records === 0 ? 0 : steps + 1, state);
  const written = { bytes: scan.goodEnd, chain: scan.goodChain, blocks: [...index.blocks], checkpoints: [...index.checkpoints], encoder };
  return { writer: JournalWriter.resume(target, written, options), torn, records, steps };
}

export interface Salvaged {
  /** What the copy holds. */
  readonly records: number;
  readonly steps: number;
  readonly bytes: number;
  /**
   * Where the good part of the original ends, and why; null if only index and seal were left
   * behind.
   */
  readonly lost: Torn | null;
  /** Its bytes, which are read when they are asked for. */
  readonly content: Iterable<Uint8Array>;
}

/**
 * The frames before the first damage, as a journal without a seal. What follows the damage is left
 * behind: records without the ones before them can be neither folded nor replayed.
 * @throws as openJournal if not even the start frame is good
 */
export function salvage(source: JournalSource): Salvaged {
  let good = { end: 0, records: 0, steps: 0 };
  let lost: Torn | null;
  try {
    lost = scanJournal(source, ({ header, end }) => {
      if (header.type === INDEX || header.type === SEAL) return;
      const holds = header.type === RECORDS;
      good = { end, records: header.firstSeq + header.records - 1, steps: holds ? header.firstStep + header.steps - 1 : good.steps };
    }).torn;
  } catch (error) {
    if (!(error instanceof JournalDamagedError) || good.end === 0) throw error;
    lost = { offset: error.offset, lostBytes: source.size - error.offset, reason: error.reason };
  }
  return { records: good.records, steps: good.steps, bytes: good.end, lost, content: bytesTo(source, good.end) };
}

function* bytesTo(source: JournalSource, end: number): Generator<Uint8Array> {
  for (const { bytes } of chunksOf(source, 0, end)) yield bytes;
}
