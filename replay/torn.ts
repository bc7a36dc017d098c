/**
 * Tells a torn end from damage: what a crash of the writer or of the machine leaves behind, and
 * nothing else, is torn.
 */
import type { Torn } from './errors.ts';
import { decodeTrailer, FRAME_HEADER_BYTES, type FrameHeader, findHeader, frameBytes, isStartOfHeader, TRAILER_BYTES } from './frame.ts';
import { chunksOf, type JournalSource } from './source.ts';

/** What a disk writes as a whole. */
const SECTOR_BYTES = 512;

/** What the next frame has to say of itself. */
export interface Expected {
  readonly offset: number;
  readonly firstSeq: number;
  readonly firstStep: number;
  readonly chain: Uint8Array;
}

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

const onlyZeros = (source: JournalSource, from: number): boolean => {
  for (const { bytes } of chunksOf(source, from, source.size)) if (!isZero(bytes)) return false;
  return true;
};

/**
 * Whether a part of the frame that one sector holds is zero, although it cannot be in a frame. A
 * header starts with its magic, and the last four bytes are a length that is not 0; of a payload,
 * only a sector that lies within it whole is taken as evidence.
 */
function hasZeroSector(source: JournalSource, from: number, end: number): boolean {
  for (let at = from; at < end; ) {
    const next = Math.min((Math.floor(at / SECTOR_BYTES) + 1) * SECTOR_BYTES, end);
    const conclusive = at === from || next - at === SECTOR_BYTES || (next === end && next - at >= TRAILER_BYTES);
    if (conclusive && isZero(source.read(at, next - at))) return true;
    at = next;
  }
  return false;
}

function hasLaterFrame(source: JournalSource, from: number): boolean {
  for (const { bytes } of chunksOf(source, from, source.size, FRAME_HEADER_BYTES - 1)) if (findHeader(bytes, 0) >= 0) return true;
  return false;
}

const torn = (source: JournalSource, offset: number, reason: string): Torn => ({ offset, lostBytes: source.size - offset, reason });

/**
 * What is there where the header of the next frame should be, and is none: torn, or null for
 * damage.
 */
export function tornHeader(source: JournalSource, expected: Expected): Torn | null {
  const { offset } = expected;
  if (onlyZeros(source, offset)) return torn(source, offset, 'only zeros follow');
  const left = source.size - offset;
  if (left < FRAME_HEADER_BYTES && isStartOfHeader(source.read(offset, left), expected)) {
    return torn(source, offset, 'the file ends within the header of a frame');
  }
  if (hasZeroSector(source, offset, source.size) && !hasLaterFrame(source, offset + 1)) {
    return torn(source, offset, 'whole sectors of the last frame are zero');
  }
  return null;
}

/** A frame whose header is good reaches past the end of the file. */
export const tornByLength = (source: JournalSource, offset: number, length: number): Torn =>
  torn(source, offset, `the file ends ${offset + frameBytes(length) - source.size} bytes before the end of its last frame`);

/** A frame whose header is good and whose payload or trailer is not: torn, or null for damage. */
export function tornPayload(source: JournalSource, offset: number, { length }: FrameHeader): Torn | null {
  const end = offset + frameBytes(length);
  const last = end === source.size || onlyZeros(source, end);
  return last && hasZeroSector(source, offset, end) ? torn(source, offset, 'whole sectors of the last frame are zero') : null;
}

/** What a journal without a seal has lost, in the words of every command. */
export const lossText = (loss: Torn | null): string =>
  loss === null
    ? 'it ends with a whole frame; what came after it is not known'
    : `${loss.reason}; ${loss.lostBytes} bytes from byte ${loss.offset} on are lost`;

/** Whether the trailer repeats the length. */
export const trailerFits = (bytes: Uint8Array, at: number, length: number): boolean => decodeTrailer(bytes, at) === length;
