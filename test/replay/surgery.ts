/**
 * Takes journals apart and puts them together wrongly, with every checksum right: what an attacker
 * or a broken writer could do.
 */
import { encodeFrame, type FrameFacts, SEAL } from '../../replay/frame.ts';
import { type Frame, walkFrames } from '../../replay/frames.ts';
import { HEADER_BYTES } from '../../replay/header.ts';
import { chainStart } from '../../replay/identity.ts';
import { decodeSeal, encodeSeal } from '../../replay/payloads.ts';
import { memorySource } from '../../replay/source.ts';

export const framesOf = (bytes: Uint8Array): Frame[] => [...walkFrames(memorySource(bytes))];

export const frameOfType = (bytes: Uint8Array, type: number): Frame => framesOf(bytes).find((frame) => frame.header.type === type)!;

export const joined = (...parts: readonly Uint8Array[]): Uint8Array => joinedAll(parts);

/** The same of a list that may be too long for arguments. */
const joinedAll = (parts: readonly Uint8Array[]): Uint8Array => {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
};

export const flipped = (bytes: Uint8Array, at: number, mask = 0x10): Uint8Array => {
  const copy = bytes.slice();
  copy[at]! ^= mask;
  return copy;
};

export interface Piece extends FrameFacts {
  readonly payload: Uint8Array;
}

/** A file under construction. */
class Assembly {
  chain: Uint8Array;
  readonly #parts: Uint8Array[];

  constructor(header: Uint8Array) {
    this.chain = chainStart(header);
    this.#parts = [header];
  }

  add(piece: Piece): void {
    const frame = encodeFrame(piece, piece.payload, this.chain);
    this.#parts.push(frame.head, piece.payload, frame.tail);
    this.chain = frame.chain;
  }

  get bytes(): Uint8Array {
    return joinedAll(this.#parts);
  }
}

/** The pieces as a file with new checksums and a new chain. */
export function assembled(header: Uint8Array, pieces: readonly Piece[]): Uint8Array {
  const assembly = new Assembly(header);
  for (const piece of pieces) assembly.add(piece);
  return assembly.bytes;
}

/**
 * The file with some of its frames changed, left out (null) or followed by others, and all
 * checksums made right; so is an unchanged seal. Another file header may be given.
 */
export function rewritten(
  bytes: Uint8Array,
  change: (piece: Piece) => Piece | readonly Piece[] | null,
  header: Uint8Array = bytes.slice(0, HEADER_BYTES),
): Uint8Array {
  const assembly = new Assembly(header);
  for (const { header, payload } of framesOf(bytes)) {
    const { type, firstSeq, firstStep, records, steps } = header;
    for (const piece of [change({ type, firstSeq, firstStep, records, steps, payload }) ?? []].flat()) {
      const sealed = type === SEAL && piece.payload === payload;
      assembly.add(sealed ? { ...piece, payload: encodeSeal({ ...decodeSeal(payload), chain: assembly.chain }).slice() } : piece);
    }
  }
  return assembly.bytes;
}
