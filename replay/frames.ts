/**
 * Walks a journal frame by frame, and checks every one against its checksums, its place and the
 * chain.
 */
import { crc32c } from './crc32c.ts';
import { JournalDamagedError, JournalTooNewError, JournalTornError, type Place, type Torn } from './errors.ts';
import {
  chainAfter,
  decodeFrameHeader,
  FLAG_COMPRESSED,
  FRAME_HEADER_BYTES,
  type FrameHeader,
  frameBytes,
  INDEX,
  linksTo,
  PAYLOAD_BYTES_MAX,
  RECORDS,
  SEAL,
  START,
  TRAILER_BYTES,
} from './frame.ts';
import { decodeHeader, HEADER_BYTES, type JournalHeader } from './header.ts';
import { chainStart } from './identity.ts';
import { BLOCK_RECORDS_MAX } from './limits.ts';
import type { JournalSource } from './source.ts';
import { tornByLength, tornHeader, tornPayload, trailerFits } from './torn.ts';

export interface Frame extends Place {
  readonly header: FrameHeader;
  readonly payload: Uint8Array;
  /** Offset of the first byte after the frame. */
  readonly end: number;
  /** The chain before the frame, and after it. */
  readonly chainBefore: Uint8Array;
  readonly chain: Uint8Array;
}

/** How a walk ended that met no damage. */
export interface Ending {
  readonly torn: Torn | null;
  readonly sealed: boolean;
}

export function readHeader(source: JournalSource): { header: JournalHeader; chain: Uint8Array } {
  const bytes = source.read(0, Math.min(HEADER_BYTES, source.size));
  return { header: decodeHeader(bytes), chain: chainStart(bytes) };
}

/** @throws JournalTooNewError on flags that this reader does not know */
function checkFlags(header: FrameHeader, { frame, offset }: Place): void {
  if (header.flags === 0) return;
  const what = header.flags & FLAG_COMPRESSED ? 'is compressed' : `has the flags 0x${header.flags.toString(16)}`;
  throw new JournalTooNewError(`frame ${frame} at byte ${offset} ${what}, which this reader does not know`);
}

/** What is wrong with a header whose checksum fits, apart from where it stands. */
function checkHeader(header: FrameHeader, place: Place): void {
  checkFlags(header, place);
  const { length, type, records, steps } = header;
  if (length === 0 || length > PAYLOAD_BYTES_MAX) {
    throw new JournalDamagedError(place, `its payload has ${length} bytes; 1 to ${PAYLOAD_BYTES_MAX} are allowed`);
  }
  if (type === RECORDS ? steps === 0 || records < steps : records !== 0 || steps !== 0) {
    throw new JournalDamagedError(place, `a frame of type ${type} cannot hold ${records} records in ${steps} steps`);
  }
  if (records > BLOCK_RECORDS_MAX)
    throw new JournalDamagedError(place, `it holds ${records} records; at most ${BLOCK_RECORDS_MAX} are allowed`);
}

/**
 * The frame at a place that is known, for example from the index: its checksums are verified, its
 * link is not.
 * @throws JournalDamagedError
 */
export function readFrameAt(
  source: JournalSource,
  place: Place,
): { header: FrameHeader; head: Uint8Array; payload: Uint8Array; end: number } {
  const damaged = (reason: string) => new JournalDamagedError(place, reason);
  const { offset } = place;
  if (offset < HEADER_BYTES || offset + frameBytes(0) > source.size) throw damaged('no frame fits there');
  const head = source.read(offset, FRAME_HEADER_BYTES);
  const header = decodeFrameHeader(head);
  if (!header) throw damaged('there is no valid frame header');
  checkHeader(header, place);
  const end = offset + frameBytes(header.length);
  if (end > source.size) throw damaged('it reaches past the end of the file');
  const rest = source.read(offset + FRAME_HEADER_BYTES, header.length + TRAILER_BYTES);
  if (crc32c(rest, 0, header.length) !== header.payloadCrc) throw damaged('the checksum of its payload does not fit');
  if (!trailerFits(rest, header.length, header.length)) throw damaged('the length behind its payload is another than in front of it');
  return { header, head, payload: rest.subarray(0, header.length), end };
}

interface Cursor extends Place {
  readonly chain: Uint8Array;
  readonly firstSeq: number;
  readonly firstStep: number;
  /** Type of the frame before; 0 at the start. */
  readonly after: number;
}

/** One file has one start, in front, and one seal, at the end; an index stands before the seal. */
function checkPlace(header: FrameHeader, at: Cursor): void {
  const { type, firstSeq, firstStep, link } = header;
  if (!linksTo(link, at.chain))
    throw new JournalDamagedError(at, 'it was not written after the frame before it: a frame is missing, foreign or out of place');
  if (firstSeq !== at.firstSeq || firstStep !== at.firstStep) {
    throw new JournalDamagedError(
      at,
      `it says that record ${firstSeq} of step ${firstStep} comes next; expected was record ${at.firstSeq} of step ${at.firstStep}`,
    );
  }
  if ((type === START) !== (at.after === 0))
    throw new JournalDamagedError(at, type === START ? 'a second start frame' : 'the first frame is no start frame');
  if (at.after === INDEX && type !== SEAL) throw new JournalDamagedError(at, 'an index is followed by the seal and by nothing else');
}

/** The frame at the cursor, or why the file is torn there. @throws JournalDamagedError */
function readNext(source: JournalSource, at: Cursor): Frame | Torn {
  const { offset } = at;
  const left = source.size - offset;
  const head = left >= FRAME_HEADER_BYTES ? source.read(offset, FRAME_HEADER_BYTES) : null;
  const header = head && decodeFrameHeader(head);
  if (!header || !head) {
    const torn = tornHeader(source, at);
    if (torn) return torn;
    throw new JournalDamagedError(at, 'there is no valid frame header');
  }
  checkHeader(header, at);
  checkPlace(header, at);
  if (frameBytes(header.length) > left) return tornByLength(source, offset, header.length);
  try {
    const { payload, end } = readFrameAt(source, at);
    return { frame: at.frame, offset, header, payload, end, chainBefore: at.chain, chain: chainAfter(head, payload, at.chain) };
  } catch (error) {
    const torn = error instanceof JournalDamagedError ? tornPayload(source, offset, header) : null;
    if (torn) return torn;
    throw error;
  }
}

/**
 * Every frame in order, each verified before it is handed out. The payloads are not decoded.
 * @throws NotAJournalError, JournalTooNewError, JournalDamagedError; JournalTornError if not even
 * the start frame is whole
 */
export function* walkFrames(source: JournalSource): Generator<Frame, Ending> {
  let at: Cursor = { frame: 1, offset: HEADER_BYTES, chain: readHeader(source).chain, firstSeq: 1, firstStep: 0, after: 0 };
  while (at.offset < source.size) {
    if (at.after === SEAL) throw new JournalDamagedError(at, `${source.size - at.offset} bytes follow the seal`);
    const next = readNext(source, at);
    if (!('header' in next)) {
      if (at.frame === 1) throw new JournalTornError(next);
      return { torn: next, sealed: false };
    }
    yield next;
    const { records, steps, type } = next.header;
    at = {
      frame: at.frame + 1,
      offset: next.end,
      chain: next.chain,
      firstSeq: at.firstSeq + records,
      firstStep: at.firstStep + steps,
      after: type,
    };
  }
  if (at.frame === 1) throw new JournalTornError({ offset: at.offset, lostBytes: 0, reason: 'the file ends before its start frame' });
  return { torn: null, sealed: at.after === SEAL };
}
