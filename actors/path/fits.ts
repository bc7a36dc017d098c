/** Values that an author gives under keys: which fit, and what is said of one that does not. */
import { didYouMean, likest } from '../../events/nearest.ts';

/** What a key may hold, in words and as a test. */
export type Fits = readonly [expected: string, fits: (value: unknown) => boolean];

/** One that gives a promise, or an iterator, is not called as the others are. */
const ODD_FUNCTION = /^(?:Async|Generator|AsyncGenerator)Function$/;
const isFunction = (value: unknown): boolean =>
  typeof value === 'function' && !ODD_FUNCTION.test(Object.prototype.toString.call(value).slice('[object '.length, -1));
export const fn: Fits = ['a function, and no async one', isFunction];
export const yes: Fits = ['true', (value) => typeof value === 'boolean'];
export const flag: Fits = ['true or false', (value) => typeof value === 'boolean'];
export const change: Fits = ['1 or -1', (value) => value === 1 || value === -1];
export const text: Fits = ['text', (value) => typeof value === 'string' && value !== ''];
export const name: Fits = ['a name without dots', (value) => typeof value === 'string' && /^[^.#]+$/.test(value)];
export const list: Fits = ['a list', Array.isArray];
export const names: Fits = ['a list of names', (value) => Array.isArray(value) && value.every(text[1])];
export const oneOf = (...values: readonly string[]): Fits => [
  values.map((value) => JSON.stringify(value)).join(' or '),
  (value) => values.includes(value as string),
];
export const functions: Fits = [
  'a map from types of events to functions, not empty',
  (value) => typeof value === 'object' && value !== null && Object.values(value).length > 0 && Object.values(value).every(fn[1]),
];

const SHOWN_CHARS_MAX = 60;
const short = (text: string): string => (text.length > SHOWN_CHARS_MAX ? `${text.slice(0, SHOWN_CHARS_MAX)}…` : text);

/** A value in a message, on one line. */
export function shownValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (typeof value === 'function') return isFunction(value) ? 'a function' : 'an async function or a generator';
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'symbol') return String(value);
  if (value instanceof Promise) return 'a promise';
  try {
    return short(JSON.stringify(value) ?? String(value));
  } catch {
    return 'an object';
  }
}

/** More keys than these are not listed: the likest are. */
const KEYS_MAX = 30;
const LIKEST = 5;
const listOf = (key: string, known: readonly string[]): string =>
  known.length <= KEYS_MAX ? known.join(', ') : `one of ${known.length} keys, among them ${likest(key, known, LIKEST).join(', ')}`;

/** What is wrong with the keys of a map: null if nothing is. Keys that are undefined are absent. */
export function wrongKey(value: object, keys: Readonly<Record<string, Fits>>, at: string): string | null {
  for (const [key, given] of Object.entries(value)) {
    if (given === undefined) continue;
    if (!Object.hasOwn(keys, key)) {
      const known = Object.keys(keys);
      return `${at} has a key ${JSON.stringify(key)}; expected ${listOf(key, known)}${didYouMean(key, known)}`;
    }
    const [expected, fits] = keys[key]!;
    if (!fits(given)) return `${at}: ${key} is ${shownValue(given)}; expected ${expected}`;
  }
  return null;
}
