/** Schedules as text: every index, or rows of equal ones by their number. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { dotted, indicesIn, inShort, ScheduleTextError } from '../../replay/schedule-text.ts';

const choices = (indices: readonly number[]) => indices.map((index) => ({ index }));

describe('a schedule as text', () => {
  it('is read as it was written, in full and in short', () => {
    const rows = fc.array(fc.tuple(fc.nat(12), fc.integer({ min: 1, max: 90 })));
    fc.assert(
      fc.property(rows, (given) => {
        const indices = given.flatMap(([index, times]) => Array<number>(times).fill(index));
        expect(indicesIn(dotted(choices(indices)))).toEqual(indices);
        expect(indicesIn(inShort(choices(indices)))).toEqual(indices);
      }),
    );
  });

  it('counts rows of four and more', () => {
    expect(inShort(choices([2, ...Array<number>(77).fill(0)]))).toBe('2.0*77');
    expect(inShort(choices([1, 1, 1, 0, 0, 0, 0]))).toBe('1.1.1.0*4');
    expect(inShort([])).toBe('');
  });

  it('of many steps is written whole', () => {
    const many = Array.from({ length: 40_000 }, (_, step) => step % 7);
    expect(dotted(choices(many))).toBe(many.join('.'));
    expect(dotted([])).toBe('');
  });

  it('takes commas for dots', () => {
    expect(indicesIn('2,0*3')).toEqual([2, 0, 0, 0]);
  });

  it.each(['x', '1..2', '1.', '-1', '1*0', '1*', '1.5*', '0x7', '1e3', '0*999999999', '0*9000000.0*9000000', '9'.repeat(20)])(
    'refuses %s',
    (text) => {
      expect(() => indicesIn(text)).toThrow(ScheduleTextError);
    },
  );
});
