/**
 * Canonical JSON and the 64-bit content digest: equal values, equal bytes, equal digests, on every
 * machine.
 */

/** A value that cannot stand in a context or an event: the model is wrong, not the input. */
export class NotPlainDataError extends Error {
  override readonly name = 'NotPlainDataError';
}

const ESCAPE = /[\u007f-\uffff]/g;
/** ASCII in which nothing is escaped: names, nearly always. */
const PLAIN = /^[ !#-[\]-~]*$/;

const escaped = (text: string): string =>
  PLAIN.test(text) ? `"${text}"` : JSON.stringify(text).replace(ESCAPE, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/**
 * JSON with object keys sorted by code unit, no spaces, fields that are `undefined` left out, and
 * everything outside ASCII escaped, so that characters are bytes. Total and injective on plain
 * data.
 * @throws NotPlainDataError on anything else: class instances, functions, bigint, NaN,
 * infinities, -0.
 */
export function canonical(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return escaped(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'number':
      if (!Number.isFinite(value) || Object.is(value, -0))
        throw new NotPlainDataError(`${value === 0 ? '-0' : value} has no canonical form; use ${value === 0 ? '0' : 'a finite number'}`);
      return String(value);
    case 'object':
      return value === null ? 'null' : Array.isArray(value) ? canonicalArray(value) : canonicalObject(value);
    default:
      throw new NotPlainDataError(`${typeof value} is not data; contexts and events hold JSON only`);
  }
}

function canonicalArray(values: readonly unknown[]): string {
  let text = '';
  for (let i = 0; i < values.length; i++) text += i === 0 ? canonical(values[i]) : `,${canonical(values[i])}`;
  return `[${text}]`;
}

/**
 * The fields of a plain object.
 * @throws NotPlainDataError if it is an instance of something
 */
export function fieldsOf(value: object): Readonly<Record<string, unknown>> {
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) {
    throw new NotPlainDataError(`an instance of ${value.constructor.name} is not plain data; use objects and arrays`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function canonicalObject(value: object): string {
  const fields = fieldsOf(value);
  let text = '';
  for (const key of sortedKeys(fields)) {
    const field = fields[key];
    if (field !== undefined) text += `${text ? ',' : ''}${escaped(key)}:${canonical(field)}`;
  }
  return `{${text}}`;
}

/** The names of all fields in canonical order. */
export function sortedKeys(fields: object): readonly string[] {
  const keys = Object.keys(fields);
  // Most stand in order, and to see that costs less than to sort.
  for (let i = 1; i < keys.length; i++) if (keys[i]! < keys[i - 1]!) return keys.sort();
  return keys;
}

/** Murmur3's 32-bit finalizer. */
const fmix = (hash: number): number => {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
};

/** Two 32-bit lanes of a 64-bit digest, as signed integers. */
export interface Lanes {
  readonly a: number;
  readonly b: number;
}

/**
 * The digest of a canonical text, one lane at a time, over its ASCII bytes.
 * `docs/journal-format.md` has test vectors.
 */
export function digestOf(text: string): Lanes {
  let a = 0x9e3779b9 | 0;
  let b = 0x7f4a7c15 | 0;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    a = Math.imul(a ^ c, 0x01000193);
    a ^= a >>> 15;
    b = Math.imul(b + c, 0xcc9e2d51) ^ (b >>> 13);
  }
  return { a: fmix(a ^ text.length), b: fmix(b + 0x27d4eb2f) };
}

/** A digest as 16 hexadecimal digits, lane a first. */
export const hexOf = (a: number, b: number): string => (a >>> 0).toString(16).padStart(8, '0') + (b >>> 0).toString(16).padStart(8, '0');

/**
 * What the local state with content digest (a, b) adds to the world's lane when it stands in
 * `slot`.
 */
export const slotLaneA = (a: number, slot: number): number => fmix(a ^ Math.imul(slot + 1, 0x9e3779b1));
export const slotLaneB = (b: number, slot: number): number => fmix(b + Math.imul(slot + 1, 0x85ebca77));

/** Adds the next message of a queue to its running lanes; a queue starts at 0, 0. */
export const queueLaneA = (lane: number, a: number): number => fmix(Math.imul(lane, 31) ^ a);
export const queueLaneB = (lane: number, b: number): number => fmix(Math.imul(lane, 37) + b);

/** What a queue that is not empty adds to the world's lanes: `from` and `to` are slots. */
export const channelLaneA = (lane: number, from: number, to: number): number =>
  fmix(lane ^ Math.imul(from + 1, 0x9e3779b1) ^ Math.imul(to + 1, 0xc2b2ae3d));
export const channelLaneB = (lane: number, from: number, to: number): number =>
  fmix(lane + Math.imul(from + 1, 0x85ebca77) + Math.imul(to + 1, 0x27d4eb2f));
