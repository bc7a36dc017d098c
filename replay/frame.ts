/**
 * The frame: a header under its own checksum, a payload under another, and the length again, so
 * that files read backwards too.
 */
import { crc32c } from './crc32c.ts';
import { chainNext } from './identity.ts';

/** Ids are never reused. Readers skip types that they do not know. */
export const START = 1;
export const RECORDS = 2;
export const CHECKPOINT = 3;
export const INDEX = 4;
export const SEAL = 5;

/** Reserved: the payload is compressed. Version 1 neither writes nor reads it. */
export const FLAG_COMPRESSED = 1;

export const FRAME_HEADER_BYTES = 64;
export const TRAILER_BYTES = 4;
export const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

const MAGIC = 0x464a5357; // WSJF
const LINK_BYTES = 20;
const AT = {
  magic: 0,
  type: 4,
  flags: 6,
  length: 8,
  records: 12,
  firstSeq: 16,
  firstStep: 24,
  steps: 32,
  payloadCrc: 36,
  link: 40,
  crc: 60,
} as const;

export interface FrameHeader {
  readonly type: number;
  readonly flags: number;
  /** Bytes of the payload. */
  readonly length: number;
  /**
   * In a record block: its first record, step, and how many. Elsewhere: the next record and step of
   * the file, and 0.
   */
  readonly firstSeq: number;
  readonly firstStep: number;
  readonly records: number;
  readonly steps: number;
  readonly payloadCrc: number;
  /**
   * The first bytes of the chain before this frame: a frame of another file, or out of its place,
   * does not fit.
   */
  readonly link: Uint8Array;
}

/** What a frame says besides its payload. */
export type FrameFacts = Pick<FrameHeader, 'type' | 'firstSeq' | 'firstStep' | 'records' | 'steps'>;

export const frameBytes = (length: number): number => FRAME_HEADER_BYTES + length + TRAILER_BYTES;

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

/** The header and trailer around a payload, and the chain after the frame. */
export function encodeFrame(
  facts: FrameFacts,
  payload: Uint8Array,
  chain: Uint8Array,
): { head: Uint8Array; tail: Uint8Array; chain: Uint8Array } {
  const head = new Uint8Array(FRAME_HEADER_BYTES);
  const view = viewOf(head);
  view.setUint32(AT.magic, MAGIC, true);
  view.setUint16(AT.type, facts.type, true);
  view.setUint32(AT.length, payload.length, true);
  view.setUint32(AT.records, facts.records, true);
  view.setBigUint64(AT.firstSeq, BigInt(facts.firstSeq), true);
  view.setBigUint64(AT.firstStep, BigInt(facts.firstStep), true);
  view.setUint32(AT.steps, facts.steps, true);
  view.setUint32(AT.payloadCrc, crc32c(payload), true);
  head.set(chain.subarray(0, LINK_BYTES), AT.link);
  view.setUint32(AT.crc, crc32c(head, 0, AT.crc), true);
  return { head, tail: head.slice(AT.length, AT.length + TRAILER_BYTES), chain: chainAfter(head, payload, chain) };
}

/**
 * The chain after a frame: over the chain before it, the header's bytes 4 to 36, and the payload.
 */
export const chainAfter = (head: Uint8Array, payload: Uint8Array, chain: Uint8Array): Uint8Array =>
  chainNext(chain, head.subarray(AT.type, AT.payloadCrc), payload);

/** The header that starts at `at`, or null where there is none whose checksum fits. */
export function decodeFrameHeader(bytes: Uint8Array, at = 0): FrameHeader | null {
  if (bytes.length - at < FRAME_HEADER_BYTES) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, FRAME_HEADER_BYTES);
  if (view.getUint32(AT.magic, true) !== MAGIC || view.getUint32(AT.crc, true) !== crc32c(bytes, at, at + AT.crc)) return null;
  return {
    type: view.getUint16(AT.type, true),
    flags: view.getUint16(AT.flags, true),
    length: view.getUint32(AT.length, true),
    records: view.getUint32(AT.records, true),
    firstSeq: Number(view.getBigUint64(AT.firstSeq, true)),
    firstStep: Number(view.getBigUint64(AT.firstStep, true)),
    steps: view.getUint32(AT.steps, true),
    payloadCrc: view.getUint32(AT.payloadCrc, true),
    link: bytes.slice(at + AT.link, at + AT.link + LINK_BYTES),
  };
}

/** The last bytes of a frame: the length of its payload. */
export const decodeTrailer = (bytes: Uint8Array, at = 0): number => viewOf(bytes).getUint32(at, true);

/** Whether the frame was written after `chain`. */
export const linksTo = (link: Uint8Array, chain: Uint8Array): boolean => link.every((byte, at) => byte === chain[at]);

/**
 * Whether the bytes can be the start of the frame that comes next: what a header says before its
 * contents are known. A file that ends within a header is torn only if the part that is there is
 * right.
 */
export function isStartOfHeader(bytes: Uint8Array, next: { firstSeq: number; firstStep: number; chain: Uint8Array }): boolean {
  const expected = encodeFrame(
    { type: START, firstSeq: next.firstSeq, firstStep: next.firstStep, records: 0, steps: 0 },
    new Uint8Array(0),
    next.chain,
  ).head;
  const known = [AT.magic, 4, AT.firstSeq, 8, AT.firstStep, 8, AT.link, LINK_BYTES];
  for (let i = 0; i < known.length; i += 2) {
    const from = known[i]!;
    const end = Math.min(from + known[i + 1]!, bytes.length);
    for (let at = from; at < end; at++) if (bytes[at] !== expected[at]) return false;
  }
  return true;
}

const MAGIC_BYTES = Uint8Array.of(0x57, 0x53, 0x4a, 0x46);

/**
 * The next place at or after `from` where a header stands whose checksum fits, or -1. Its length is
 * looked at first: a file can repeat the magic so often that checksums of all would take minutes.
 */
export function findHeader(bytes: Uint8Array, from: number): number {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = buffer.indexOf(MAGIC_BYTES, from); at >= 0; at = buffer.indexOf(MAGIC_BYTES, at + 1)) {
    if (buffer.length - at < FRAME_HEADER_BYTES) return -1;
    if (buffer.readUInt32LE(at + AT.length) <= PAYLOAD_BYTES_MAX && decodeFrameHeader(bytes, at)) return at;
  }
  return -1;
}
