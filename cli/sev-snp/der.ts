/** What of DER the extensions of a certificate need: elements, and object identifiers. */

interface Element {
  readonly tag: number;
  readonly content: Uint8Array;
}

const SEQUENCE = 0x30;
const OBJECT_ID = 0x06;
export const OCTET_STRING = 0x04;
export const INTEGER = 0x02;

/** The elements that bytes hold, one behind the other; null if they hold anything else. */
export function elementsIn(bytes: Uint8Array): readonly Element[] | null {
  const found: Element[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at]!;
    const first = bytes[at + 1];
    if (first === undefined) return null;
    const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
    if (lengthBytes > 4 || (first >= 0x80 && lengthBytes === 0)) return null;
    const begin = at + 2 + lengthBytes;
    const length = lengthBytes === 0 ? first : bytes.subarray(at + 2, begin).reduce((sum, byte) => sum * 256 + byte, 0);
    if (begin + length > bytes.length) return null;
    found.push({ tag, content: bytes.subarray(begin, begin + length) });
    at = begin + length;
  }
  return found;
}

/** An object identifier with dots. */
export function objectIdOf(content: Uint8Array): string {
  const numbers: number[] = [];
  let number = 0;
  for (const byte of content) {
    number = number * 128 + (byte & 0x7f);
    if (byte >= 0x80) continue;
    numbers.push(number);
    number = 0;
  }
  const [head = 0, ...rest] = numbers;
  const first = Math.min(2, Math.floor(head / 40));
  return [first, head - 40 * first, ...rest].join('.');
}

const isConstructed = (tag: number): boolean => (tag & 0x20) !== 0;
/** A certificate is not as deep; a file that is made to be must not take the stack. */
const DEPTH_MAX = 16;

/**
 * The values of extensions by object identifier: what stands in the octet string of each sequence
 * that begins with an object identifier and ends with an octet string.
 */
export function extensionsIn(bytes: Uint8Array, depth = 0): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>();
  if (depth > DEPTH_MAX) return found;
  for (const { tag, content } of elementsIn(bytes) ?? []) {
    if (!isConstructed(tag)) continue;
    const inner = elementsIn(content) ?? [];
    const [head, last] = [inner[0], inner.at(-1)];
    if (tag === SEQUENCE && head?.tag === OBJECT_ID && last?.tag === OCTET_STRING) found.set(objectIdOf(head.content), last.content);
    else for (const [id, value] of extensionsIn(content, depth + 1)) found.set(id, value);
  }
  return found;
}
