/** DR6 and DR7, bit by bit: which breakpoints are enabled, and which of them an address meets. */
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  codeBreakpointsAt,
  DR_TRAP_BITS,
  DR6_ACTIVE_LOW,
  DR6_BD,
  DR6_BS,
  DR6_FIXED_1,
  DR6_VOLATILE,
  DR7_BP_EN_MASK,
  DR7_FIXED_1,
  DR7_GD,
  DR7_VOLATILE,
  dataBreakpointsOf,
  dr6After,
  dr6Written,
  dr7Written,
  enabledBreakpoints,
  isUpperHalfClear,
} from '../../../actors/guest-debug/debug-bits.ts';
import type { DataAccess, DebugRegisters } from '../../../events/guest-debug/x86-debug.ts';
import { type U64, u64 } from '../../../events/u64.ts';

const registers = (dr7: number, ...db: readonly U64[]): DebugRegisters => ({
  db: [db[0] ?? 0, db[1] ?? 0, db[2] ?? 0, db[3] ?? 0],
  dr6: DR6_ACTIVE_LOW,
  dr7,
});

it('has the masks as they follow from the bits', () => {
  const not = (value: number) => ~value >>> 0;
  expect((DR6_ACTIVE_LOW & not(DR6_VOLATILE)) >>> 0).toBe(DR6_FIXED_1);
  expect(DR6_VOLATILE).toBe(DR_TRAP_BITS | DR6_BD | DR6_BS | (1 << 15) | (1 << 16) | (1 << 11));
  // All of DR7 but bits 10, 12, 14 and 15.
  expect(DR7_VOLATILE).toBe(not((1 << 10) | (1 << 12) | (1 << 14) | (1 << 15)));
  expect([DR7_VOLATILE & DR7_GD, DR7_VOLATILE & DR7_BP_EN_MASK, DR7_VOLATILE & DR7_FIXED_1]).toEqual([DR7_GD, DR7_BP_EN_MASK, 0]);
});

describe('the breakpoints that DR7 enables', () => {
  it.each([
    [0x400, []],
    [0x401, [{ index: 0, kind: 'execute', length: 1 }]],
    [0x402, [{ index: 0, kind: 'execute', length: 1 }]],
    [
      0x00d0_040a,
      [
        { index: 0, kind: 'execute', length: 1 },
        { index: 1, kind: 'write', length: 4 },
      ],
    ],
    [0x0005_0401, [{ index: 0, kind: 'write', length: 2 }]],
    [0x000b_0401, [{ index: 0, kind: 'access', length: 8 }]],
    [0x0f00_0420, [{ index: 2, kind: 'access', length: 4 }]],
    [0xb000_0480, [{ index: 3, kind: 'access', length: 8 }]],
    [0x0002_0401, [{ index: 0, kind: 'io', length: 1 }]],
    // R/W and LEN of a breakpoint that is not enabled say nothing, nor do LE, GE and GD.
    [0xffff_2700, []],
  ] as const)('are those with Ln or Gn set: 0x%x', (dr7, expected) => {
    expect(enabledBreakpoints(dr7)).toEqual(expected);
  });
});

describe('an instruction breakpoint', () => {
  it('is met at its address alone', () => {
    const set = registers(0x403, 0x1000);
    expect([0xfff, 0x1000, 0x1001].map((rip) => codeBreakpointsAt(set, rip))).toEqual([0, 1, 0]);
  });

  it('is told for each of those with the same address', () => {
    expect(codeBreakpointsAt(registers(0x4c3, 0x1000, 0x2000, 0x1000, 0x1000), 0x1000)).toBe(0b1001);
  });

  it('is met at an address of 64 bits, compared in all of them', () => {
    const set = registers(0x401, u64(0xffff_ffff_8100_0000n));
    expect(codeBreakpointsAt(set, u64(0xffff_ffff_8100_0000n))).toBe(1);
    expect(codeBreakpointsAt(set, u64(0xffff_fffe_8100_0000n))).toBe(0);
  });

  it('needs LEN 0', () => {
    expect([0x0, 0x4, 0x8, 0xc].map((len) => codeBreakpointsAt(registers(0x401 | (len << 16), 0x1000), 0x1000))).toEqual([1, 0, 0, 0]);
  });
});

/**
 * SDM vol. 3, "Breakpoint Examples": the set-up of its four registers, and which accesses trap. All
 * with R/W and LEN as the table has them.
 */
describe('the breakpoint examples of the SDM', () => {
  const ACCESS = 0b11;
  const WRITE = 0b01;
  const [LEN1, LEN2, LEN4] = [0b00, 0b01, 0b11];
  const field = (index: number, rw: number, len: number) => (((len << 2) | rw) << (16 + 4 * index)) >>> 0;
  const dr7 = (0x4ff | field(0, ACCESS, LEN1) | field(1, WRITE, LEN1) | field(2, ACCESS, LEN2) | field(3, WRITE, LEN4)) >>> 0;
  const set = registers(dr7, 0xa0001, 0xa0002, 0xb0002, 0xc0000);

  it.each([
    ['read', 0xa0001, 1, 0b0001],
    ['write', 0xa0001, 1, 0b0001],
    ['read', 0xa0001, 2, 0b0001],
    ['write', 0xa0001, 2, 0b0011],
    ['write', 0xa0002, 1, 0b0010],
    ['write', 0xa0002, 2, 0b0010],
    ['read', 0xb0001, 4, 0b0100],
    ['write', 0xb0001, 4, 0b0100],
    ['read', 0xb0002, 1, 0b0100],
    ['write', 0xb0002, 2, 0b0100],
    ['write', 0xc0000, 4, 0b1000],
    ['write', 0xc0001, 2, 0b1000],
    ['write', 0xc0003, 1, 0b1000],
    ['read', 0xa0000, 1, 0],
    ['write', 0xa0000, 1, 0],
    ['read', 0xa0002, 1, 0],
    ['read', 0xa0003, 4, 0],
    ['write', 0xa0003, 4, 0],
    ['read', 0xb0000, 2, 0],
    ['write', 0xb0000, 2, 0],
    ['read', 0xc0000, 2, 0],
    ['read', 0xc0004, 4, 0],
    ['write', 0xc0004, 4, 0],
  ] as const)('a %s at 0x%x of %i bytes meets 0b%s', (how, gva, length, bits) => {
    expect(dataBreakpointsOf(set, { gva, length: length as DataAccess['length'], write: how === 'write' })).toBe(bits);
  });
});

describe('a data breakpoint', () => {
  const LENGTHS = [1, 2, 8, 4];
  const KINDS = ['execute', 'write', 'io', 'access'];

  it('is met if any of its bytes is accessed, with its address aligned to its length', () => {
    const windows = fc.constantFrom(0n, 0x7fff_f000n, 0xffff_fff0n, 0x1f_ffff_ffff_fff0n, 0xffff_8880_0000_0000n);
    const offset = fc.bigInt({ min: 0n, max: 31n });
    const field = fc.integer({ min: 0, max: 15 });
    const length = fc.constantFrom<DataAccess['length']>(1, 2, 4, 8);
    fc.assert(
      fc.property(
        windows,
        fc.array(offset, { minLength: 4, maxLength: 4 }),
        fc.array(field, { minLength: 4, maxLength: 4 }),
        fc.integer({ min: 0, max: 255 }),
        offset,
        length,
        fc.boolean(),
        (window, at, fields, enables, from, bytes, write) => {
          const dr7 = fields.reduce((all, value, index) => all + value * 2 ** (16 + 4 * index), enables + DR7_FIXED_1);
          const set = registers(dr7, ...at.map((value) => u64(window + value)));
          const touched = Array.from({ length: bytes }, (_, i) => window + from + BigInt(i));
          const met = at.map((value, index) => {
            if (((enables >> (2 * index)) & 3) === 0) return false;
            const kind = KINDS[fields[index]! % 4];
            if (kind !== 'access' && !(kind === 'write' && write)) return false;
            const size = BigInt(LENGTHS[fields[index]! >> 2]!);
            const first = ((window + value) / size) * size;
            const watched = Array.from({ length: Number(size) }, (_, i) => first + BigInt(i));
            return watched.some((byte) => touched.includes(byte));
          });
          const bits = met.reduce((all, yes, index) => all + (yes ? 2 ** index : 0), 0);
          expect(dataBreakpointsOf(set, { gva: u64(window + from), length: bytes, write })).toBe(bits);
        },
      ),
      { numRuns: 2000 },
    );
  });
});

describe('DR6', () => {
  /** kvm-unit-tests x86/debug.c, main(). */
  it.each([
    ['a match on DR2', DR6_ACTIVE_LOW, 0x4, 0xffff_0ff4],
    ['a match on DR2, where software had set BS and B1', 0xffff_4ff2, 0x4, 0xffff_4ff4],
    ['a step', DR6_ACTIVE_LOW, DR6_BS, 0xffff_4ff0],
    ['general detect', DR6_ACTIVE_LOW, DR6_BD, 0xffff_2ff0],
    ['ICEBP', DR6_ACTIVE_LOW, 0, 0xffff_0ff0],
    ['a step, where BD and B0 were left', 0xffff_2ff1, DR6_BS, 0xffff_6ff0],
  ])('has after %s B0 to B3 of this exception, and of all others what was ever set', (_what, before, bits, after) => {
    expect(dr6After(before, bits)).toBe(after);
  });

  it.each([
    [0, 0xffff_0ff0],
    [0xffff_ffff, 0xffff_efff],
    [0x4002, 0xffff_4ff2],
    [0xffff_0ff0, 0xffff_0ff0],
  ])('reads back what 0x%x leaves of its writable bits', (value, left) => {
    expect(dr6Written(value)).toBe(left);
  });
});

it('DR7 reads back its writable bits, with bit 10 set', () => {
  expect([0, 0xffff_ffff, 0x401, DR7_GD].map(dr7Written)).toEqual([0x400, 0xffff_2fff, 0x401, 0x2400]);
});

it('knows a value that MOV to DR6 or DR7 refuses by its upper half', () => {
  expect([0, 0xffff_ffff, 0x1_0000_0000, u64(1n << 63n)].map(isUpperHalfClear)).toEqual([true, true, false, false]);
});
