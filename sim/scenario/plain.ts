/**
 * Plain data that came from a caller or a journal: copied, bounded in depth, free of prototypes and
 * cycles.
 */
import { type Path, type PathIssue, shown } from './issues.ts';

/** How deep maps and lists may stand in each other. */
export const DEPTH_MAX = 32;
/** How many keys a map may have. */
const KEYS_MAX = 1 << 12;
/** The most mistakes that are told. */
const ISSUES_MAX = 100;

/** Of all control characters, text may hold tabs and line ends. */
const UNPRINTABLE = /[^\P{Cc}\t\n]|\p{Cs}/u;

/** What is wrong with a text; null if nothing is. */
export const textMistake = (text: string): string | null =>
  UNPRINTABLE.test(text) ? `found ${shown(text)}; expected text without control characters and halves of surrogate pairs` : null;

/** The one key that does not behave as a key on every object. */
export const FORBIDDEN_KEY = '__proto__';

export interface PlainCopy {
  readonly value: unknown;
  readonly issues: readonly PathIssue[];
}

const isPlain = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
};

function copyOf(value: unknown, path: Path, issues: PathIssue[]): unknown {
  const refuse = (message: string): null => {
    if (issues.length < ISSUES_MAX) issues.push({ path, message });
    return null;
  };
  if (value === null || typeof value === 'boolean') return value;
  if (typeof value === 'string') {
    const mistake = textMistake(value);
    return mistake === null ? value : refuse(mistake);
  }
  if (typeof value === 'number') return Number.isFinite(value) ? value + 0 : refuse(`found ${value}; expected a finite number`);
  if (typeof value !== 'object') return refuse(`found a ${typeof value}; expected plain data`);
  // A cycle is deeper than any bound.
  if (path.length >= DEPTH_MAX) return refuse(`found values nested too deep; expected at most ${DEPTH_MAX} levels`);
  if (Array.isArray(value)) return Array.from(value, (item, index) => copyOf(item, [...path, index], issues));
  if (!isPlain(value)) return refuse('found an instance of a class; expected a map');
  const entries = Object.entries(value);
  if (entries.length > KEYS_MAX) return refuse(`found a map of ${entries.length} keys; expected at most ${KEYS_MAX}`);
  const map: Record<string, unknown> = {};
  for (const [key, item] of entries) {
    if (key === FORBIDDEN_KEY) refuse(`found the key "${FORBIDDEN_KEY}"; expected another name`);
    else if (textMistake(key) !== null) refuse('found a key with control characters; expected a name');
    else if (item !== undefined) map[key] = copyOf(item, [...path, key], issues);
  }
  return map;
}

/** A copy that shares nothing with `value`; keys that are `undefined` are left out, and -0 is 0. */
export function plainCopy(value: unknown): PlainCopy {
  const issues: PathIssue[] = [];
  return { value: copyOf(value, [], issues), issues };
}
