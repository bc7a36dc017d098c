/** Opens a journal: by its index where it is sealed, by reading all of it where it is not. */
import { decodedAt, JournalDamagedError, type Place } from './errors.ts';
import {
  chainAfter,
  decodeFrameHeader,
  decodeTrailer,
  FRAME_HEADER_BYTES,
  frameBytes,
  INDEX,
  linksTo,
  SEAL,
  START,
  TRAILER_BYTES,
} from './frame.ts';
import { readFrameAt, readHeader } from './frames.ts';
import { HEADER_BYTES } from './header.ts';
import { toHex } from './identity.ts';
import { decodeIndex, decodeSeal, type Index, type Seal } from './payloads.ts';
import { Journal } from './reader.ts';
import { type Scan, scanJournal, startOf } from './scan.ts';
import type { JournalSource } from './source.ts';

/** Frames of a file that is read from behind have no number yet. */
const UNCOUNTED = -1;

/**
 * Opens a journal. A torn one opens too, and says so. Of a sealed one only header, start, index and
 * seal are read and verified; every other frame is when it is needed.
 * @throws NotAJournalError, JournalTooNewError, JournalDamagedError; JournalTornError if nothing
 * was recorded before the tear
 */
export function openJournal(source: JournalSource): Journal {
  try {
    return openSealed(source) ?? journalOf(source, scanJournal(source));
  } catch (error) {
    throw error instanceof JournalDamagedError && error.frame === UNCOUNTED ? counted(source, error) : error;
  }
}

/** A file that was read whole, as an open journal. */
export function journalOf(source: JournalSource, { header, start, seal, torn, records, steps, chain, index }: Scan): Journal {
  return new Journal(source, {
    header,
    start,
    end: seal?.end ?? null,
    sealed: seal !== null,
    torn,
    records,
    steps,
    root: toHex(chain),
    index,
    unchecked: null,
  });
}

/** The same damage with the number of its frame; or the damage that the way there meets first. */
function counted(source: JournalSource, { offset, reason }: JournalDamagedError): JournalDamagedError {
  let frame = 0;
  scanJournal(source, (seen) => {
    if (seen.offset === offset) frame = seen.frame;
  });
  return new JournalDamagedError({ offset, frame }, reason);
}

/**
 * The frame that ends at `end`, found through its trailer; null where there is none of that type.
 */
function frameBefore(source: JournalSource, end: number, type: number): Place | null {
  if (end < HEADER_BYTES + frameBytes(0)) return null;
  const offset = end - frameBytes(decodeTrailer(source.read(end - TRAILER_BYTES, TRAILER_BYTES)));
  if (offset < HEADER_BYTES) return null;
  const header = decodeFrameHeader(source.read(offset, FRAME_HEADER_BYTES));
  return header?.type === type ? { offset, frame: UNCOUNTED } : null;
}

function openSealed(source: JournalSource): Journal | null {
  const { header, chain } = readHeader(source);
  const sealPlace = frameBefore(source, source.size, SEAL);
  const indexPlace = sealPlace && frameBefore(source, sealPlace.offset, INDEX);
  if (!sealPlace || !indexPlace) return null;
  const sealFrame = readFrameAt(source, sealPlace);
  const seal = decodedAt(sealPlace, () => decodeSeal(sealFrame.payload));
  const index = decodedAt(indexPlace, () => decodeIndex(readFrameAt(source, indexPlace).payload, indexPlace.offset));
  checkTotals(index, seal, sealPlace);
  if (!linksTo(sealFrame.header.link, seal.chain)) throw new JournalDamagedError(sealPlace, 'the seal has another chain than its link');
  const startPlace = { offset: HEADER_BYTES, frame: 1 };
  const first = readFrameAt(source, startPlace);
  if (first.header.type !== START || !linksTo(first.header.link, chain))
    throw new JournalDamagedError(startPlace, 'it is not the start frame of this file');
  const { records, steps, end } = seal;
  const root = toHex(chainAfter(sealFrame.head, sealFrame.payload, seal.chain));
  const facts = { header, start: startOf(first.payload, header), end, sealed: true, torn: null, records, steps, root, index };
  return new Journal(source, { ...facts, unchecked: indexPlace.offset });
}

/** @throws JournalDamagedError unless index and seal are about the same records */
function checkTotals({ blocks }: Index, { records, steps }: Seal, place: Place): void {
  const last = blocks[blocks.length - 1];
  const indexed = last ? { records: last.firstSeq + last.records - 1, steps: last.firstStep + last.steps - 1 } : { records: 0, steps: 0 };
  if (indexed.records !== records || indexed.steps !== steps) {
    throw new JournalDamagedError(
      place,
      `the seal counts ${records} records and ${steps} steps, the index ${indexed.records} and ${indexed.steps}`,
    );
  }
}
