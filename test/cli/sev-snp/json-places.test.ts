/** Places in JSON texts, against JSON.parse(). */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonPlaces } from '../../../cli/sev-snp/json-places.ts';

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

const document = fc
  .tuple(fc.json({ maxDepth: 3 }), fc.constantFrom(undefined, 1, '\t'))
  .map(([text, space]) => JSON.stringify(JSON.parse(text), null, space));
const PIECES = [
  '[',
  ']',
  '{',
  '}',
  ',',
  ':',
  '"',
  '\\',
  '0',
  '01',
  '-',
  '1e',
  '1.5',
  'true',
  'null',
  'nul',
  ' ',
  '\n',
  '\u00a0',
  '\u0001',
  '"a"',
  '\\u12',
  '',
];

describe('places in JSON', () => {
  it('find a mistake just where JSON.parse() finds one', () => {
    fc.assert(
      fc.property(document, fc.nat(), fc.nat(3), fc.constantFrom(...PIECES), (text, place, count, piece) => {
        const at = place % (text.length + 1);
        const changed = text.slice(0, at) + piece + text.slice(at + count);
        expect(jsonPlaces(changed).errorAt === null).toBe(isJson(changed));
      }),
      { numRuns: 2000 },
    );
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 8 }), (pieces) => {
        expect(jsonPlaces(pieces.join('')).errorAt === null).toBe(isJson(pieces.join('')));
      }),
      { numRuns: 2000 },
    );
  });

  it('have every element of the outermost list, and no other', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue({ maxDepth: 2 }), { maxLength: 6 }), fc.constantFrom(undefined, 2), (list, space) => {
        const text = JSON.stringify(list, null, space);
        const { errorAt, elements } = jsonPlaces(text);
        expect([errorAt, elements.length]).toEqual([null, list.length]);
        // From each of them to the next is the element and a comma.
        const pieces = elements.map((at, i) =>
          text
            .slice(at, elements[i + 1] ?? text.length - 1)
            .trim()
            .replace(/,$/, ''),
        );
        expect(pieces.map((piece) => JSON.stringify(JSON.parse(piece)))).toEqual(list.map((one) => JSON.stringify(one)));
      }),
    );
  });

  it.each([
    ['', 0],
    ['[1,]', 3],
    ['[1 2]', 3],
    ['{"a" 1}', 5],
    ['{"a": }', 6],
    ['[1]]', 3],
    ['[1}', 2],
    ['["a\n"]', 1],
  ])('of %j have the mistake at %s', (text, at) => {
    expect(jsonPlaces(text).errorAt).toBe(at);
  });

  it.each([
    ['[{"a": 1, "b": {"a": 2}}, {"a": 3}]', null],
    ['{"x": {"a": 1}, "y": {"a": 1}}', null],
    ['["a", "a", ["a", "a"]]', null],
    ['[{"a": 1, "a": 2}]', 10],
    ['[0, {"a": {"b": 0}, "\\u0061": 2}]', 20],
    ['[{"__proto__": 1, "__proto__": 2, "__proto__": 3}]', 18],
  ])('of %j have a key of an element again at %s', (text, at) => {
    expect(jsonPlaces(text)).toMatchObject({ errorAt: null, repeatedAt: at });
  });

  it('are found in a text that is nested deeply, and behind a long string', () => {
    const deep = '['.repeat(1_000_000);
    expect(jsonPlaces(deep).errorAt).toBe(deep.length);
    const long = JSON.stringify(['x'.repeat(1 << 24), 1]);
    expect(jsonPlaces(long)).toEqual({ errorAt: null, elements: [1, long.length - 2], repeatedAt: null });
    expect(jsonPlaces(long.slice(0, -4)).errorAt).toBe(1);
  });
});
