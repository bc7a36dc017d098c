/**
 * MessagePack as the journal uses it: plain data only, keys sorted, and bounded before anything is
 * built.
 */
import { Decoder, Encoder } from '@msgpack/msgpack';
import { UndecodableError } from './errors.ts';

/** How deep arrays and maps may nest. A scenario file is at most 32 deep. */
export const DEPTH_MAX = 64;
/** How many values one payload may hold; columns of integers count as one each. */
const VALUES_MAX = 1 << 20;
/** How many keys one map may have. */
const KEYS_MAX = 1 << 12;

const encoder = new Encoder({ sortKeys: true, ignoreUndefined: true, maxDepth: DEPTH_MAX });

/** The bytes are valid until the next call. */
export const encodeShared = (value: unknown): Uint8Array => encoder.encodeSharedRef(value);

/** @throws UndecodableError on anything that is not exactly one plain value within the limits */
export function decodePlain(bytes: Uint8Array): unknown {
  checkShape(bytes);
  try {
    return new Decoder().decode(bytes);
  } catch (error) {
    throw new UndecodableError(`its MessagePack does not decode: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/**
 * Bytes that follow the first byte of a value, for 0xc0 to 0xdf: plus what a length field there
 * says.
 */
const FIXED = [0, -1, 0, 0, 1, 2, 4, -1, -1, -1, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, -1, -1, -1, -1, -1, 1, 2, 4, 2, 4, 2, 4];

/**
 * Walks the bytes without building anything: an attacker's nesting or counts must not reach the
 * decoder. Extension types are refused: nothing in a journal is one.
 */
function checkShape(bytes: Uint8Array): void {
  const left: number[] = [1];
  let at = 0;
  for (let values = 0; ; values++) {
    while (left[left.length - 1] === 0) left.pop();
    if (left.length === 0) break;
    left[left.length - 1]!--;
    if (values >= VALUES_MAX) throw new UndecodableError(`its MessagePack holds more than ${VALUES_MAX} values`);
    const first = bytes[at++];
    if (first === undefined) throw new UndecodableError('its MessagePack ends early');
    let children = 0;
    if (first < 0x80 || first >= 0xe0) continue;
    if (first < 0x90) children = 2 * (first & 0x0f);
    else if (first < 0xa0) children = first & 0x0f;
    else if (first < 0xc0) at += first & 0x1f;
    else {
      const size = FIXED[first - 0xc0]!;
      if (size < 0)
        throw new UndecodableError(`its MessagePack has the type 0x${first.toString(16)} at byte ${at - 1}, which no journal uses`);
      const length = isCounted(first) ? bigEndian(bytes, at, size) : 0;
      at += size;
      if (first >= 0xdc) children = first >= 0xde ? 2 * length : length;
      else at += length;
    }
    if (isMap(first) && children > 2 * KEYS_MAX) throw new UndecodableError(`its MessagePack has a map of more than ${KEYS_MAX} keys`);
    if (at > bytes.length || children > bytes.length - at) throw new UndecodableError('its MessagePack ends early');
    if (children > 0) left.push(children);
    if (left.length > DEPTH_MAX + 1) throw new UndecodableError(`its MessagePack nests deeper than ${DEPTH_MAX}`);
  }
  if (at !== bytes.length) throw new UndecodableError(`its MessagePack ends at byte ${at} of ${bytes.length}`);
}

const isMap = (first: number) => first >= 0xde || (first >= 0x80 && first < 0x90);

/** bin, str, array and map with a length field. */
const isCounted = (first: number) => (first >= 0xc4 && first <= 0xc6) || first >= 0xd9;

const bigEndian = (bytes: Uint8Array, at: number, size: number): number => {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
};
