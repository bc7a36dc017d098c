/** Canonical text: what content digests and the identity of local states rest on. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { canonical, NotPlainDataError } from '../../sim/canonical.ts';

/**
 * The same text by its rules, one after the other, as a reader in another language would write it.
 */
function textOf(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(textOf).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    const sorted = fields.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
    return `{${sorted.map(([key, field]) => `${textOf(key)}:${textOf(field)}`).join(',')}}`;
  }
  const escaped = (c: string) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value).replace(/[^ -~]/g, escaped);
}

const text = fc.string({ unit: 'binary' });
const scalar = fc.oneof(text, fc.boolean(), fc.integer(), fc.constant(null));
const data = fc.letrec((tie) => ({
  any: fc.oneof(scalar, fc.array(tie('any')), fc.dictionary(text, fc.oneof(tie('any'), fc.constant(undefined)))),
})).any;

describe('canonical text', () => {
  it('follows its rules for any data', () => {
    fc.assert(fc.property(data, (value) => canonical(value) === textOf(value)));
  });

  it('is ASCII and reads back as the same data', () => {
    fc.assert(
      fc.property(data, (value) => {
        expect(canonical(value)).toMatch(/^[ -~]*$/);
        expect(canonical(JSON.parse(canonical(value)))).toBe(canonical(value));
      }),
    );
  });

  it('does not hang on the order in which fields were given', () => {
    expect(canonical({ b: 1, a: { d: 2, c: 3 } })).toBe('{"a":{"c":3,"d":2},"b":1}');
    expect(canonical({ a: { c: 3, d: 2 }, b: 1 })).toBe('{"a":{"c":3,"d":2},"b":1}');
  });

  it('escapes quotes, backslashes, controls and what is not ASCII', () => {
    expect(canonical('a"b\\c\n\u007f\u00e9')).toBe('"a\\"b\\\\c\\n\\u007f\\u00e9"');
  });

  it.each([undefined, Number.NaN, -0, 1n, () => 0, new Date(0), new Map(), [undefined], new Array(1)])('refuses %o', (value) => {
    expect(() => canonical({ value: [value] })).toThrow(NotPlainDataError);
  });
});
