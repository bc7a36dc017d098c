/** Columns of integers: round trip, limits, and bytes that are no column. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UndecodableError } from '../../replay/errors.ts';
import { Column, ColumnReader, readColumn } from '../../replay/varint.ts';

const natural = fc.oneof(
  fc.nat(300),
  fc.maxSafeNat(),
  fc.constantFrom(127, 128, 16_383, 16_384, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
);

const columnOf = (values: readonly number[]) => {
  const column = new Column();
  for (const value of values) column.push(value);
  return column.view();
};

describe('varint', () => {
  it('takes seven bits a byte, least significant first', () => {
    expect([...columnOf([0, 1, 127, 128, 300, 2 ** 53 - 1])]).toEqual([0, 1, 127, 128, 1, 172, 2, 255, 255, 255, 255, 255, 255, 255, 15]);
  });

  it('reads what was written', () => {
    fc.assert(
      fc.property(fc.array(natural), (values) => {
        const bytes = columnOf(values);
        expect([...readColumn(bytes, new Float64Array(values.length), values.length, Number.MAX_SAFE_INTEGER, 'x')]).toEqual(values);
        const reader = new ColumnReader(bytes, 'x');
        expect(values.map(() => reader.next(Number.MAX_SAFE_INTEGER))).toEqual(values);
        reader.end();
      }),
    );
  });

  it.each([
    ['too few integers', [1, 2], 3, /ends after 2 of 3/],
    ['too many', [1, 2, 3], 2, /1 bytes too many/],
    ['an integer over the limit', [5, 1000], 2, /integer 1 is 1000, over 999/],
  ])('refuses %s', (_name, values, count, message) => {
    expect(() => readColumn(columnOf(values), new Int32Array(count), count, 999, 'ids')).toThrow(message);
  });

  it('refuses an integer that never ends, or ends with the column', () => {
    const endless = new Uint8Array(20).fill(0x80);
    expect(() => readColumn(endless, new Int32Array(1), 1, 999, 'ids')).toThrow(UndecodableError);
    expect(() => readColumn(endless.subarray(0, 3), new Int32Array(1), 1, 999, 'ids')).toThrow(/ends after 0 of 1/);
    expect(() => new ColumnReader(endless, 'ids').next(999)).toThrow(UndecodableError);
    expect(() => new ColumnReader(endless.subarray(0, 3), 'ids').next(999)).toThrow(/ends within/);
  });
});
