/**
 * Where things stand in a JSON text. The messages of JSON.parse() differ from engine to engine, and
 * some name no place.
 */

export interface JsonPlaces {
  /** Where the text stops being JSON; null if all of it is. */
  readonly errorAt: number | null;
  /** Where the elements of the outermost list begin. */
  readonly elements: readonly number[];
  /** Where a key of one of them stands again, which programs read differently. */
  readonly repeatedAt: number | null;
}

const SPACE = /[ \t\n\r]*/y;
const TOKEN = /[[\]{},:"]|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;
/** A piece of a string; a pattern for all of it would not take a long one. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: a string of JSON holds none of them
const PIECE = /[^"\\\x00-\x1f]{1,4096}|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})|"/y;

/** Where a string ends, behind its quote; null if it does not. `at` is behind its first quote. */
function stringEnd(text: string, at: number): number | null {
  PIECE.lastIndex = at;
  for (let piece = PIECE.exec(text); piece !== null; piece = PIECE.exec(text)) if (piece[0] === '"') return PIECE.lastIndex;
  return null;
}

/** What may come next; a word for each place of the grammar. */
type Expected = 'value' | 'value or ]' | 'key' | 'key or }' | 'colon' | 'comma or end' | 'nothing';

const after = (depth: number): Expected => (depth === 0 ? 'nothing' : 'comma or end');

/** What comes behind a token; null if it has no place here. `stack` has the open brackets. */
function next(expected: Expected, token: string, stack: string[]): Expected | null {
  const isKey = token === '"';
  const closes = (token === ']' || token === '}') && stack.at(-1) === (token === ']' ? '[' : '{');
  if (closes && (expected === 'comma or end' || expected === `value or ${token}` || expected === `key or ${token}`)) {
    stack.pop();
    return after(stack.length);
  }
  if (expected === 'colon') return token === ':' ? 'value' : null;
  if (expected === 'comma or end') return token === ',' ? (stack.at(-1) === '[' ? 'value' : 'key') : null;
  if (expected === 'key' || expected === 'key or }') return isKey ? 'colon' : null;
  if (expected === 'nothing' || ',:]}'.includes(token)) return null;
  if (token !== '[' && token !== '{') return after(stack.length);
  stack.push(token);
  return token === '[' ? 'value or ]' : 'key or }';
}

export function jsonPlaces(text: string): JsonPlaces {
  const elements: number[] = [];
  const stack: string[] = [];
  const keys = new Set<string>();
  let repeatedAt: number | null = null;
  let expected: Expected = 'value';
  for (let at = 0; ; ) {
    SPACE.lastIndex = at;
    SPACE.test(text);
    at = SPACE.lastIndex;
    if (at === text.length) return { errorAt: expected === 'nothing' ? null : at, elements, repeatedAt };
    TOKEN.lastIndex = at;
    const token = TOKEN.exec(text)?.[0];
    const isElement = stack.length === 1 && stack[0] === '[' && expected.startsWith('value') && token !== ']';
    const end = token === '"' ? stringEnd(text, TOKEN.lastIndex) : TOKEN.lastIndex;
    const found: Expected | null = token === undefined || end === null ? null : next(expected, token, stack);
    if (found === null || end === null) return { errorAt: at, elements, repeatedAt };
    if (isElement) {
      elements.push(at);
      keys.clear();
    }
    if (found === 'colon' && stack.length === 2 && stack[0] === '[') {
      // An escape is another way to write the same key.
      const key = JSON.parse(text.slice(at, end)) as string;
      if (keys.has(key)) repeatedAt ??= at;
      keys.add(key);
    }
    expected = found;
    at = end;
  }
}
