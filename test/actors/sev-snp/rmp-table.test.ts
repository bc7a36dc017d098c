/**
 * What instructions of the RMP keep besides: permissions of VMPLs, the count of the head, what a
 * half done PSMASH shows.
 * @see domain snp a.2, b.3; h, I11
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ADJUST_CHECKS,
  checkAdjust,
  checkValidate,
  SMASH_CHECKS,
  UPDATE_CHECKS,
  VALIDATE_CHECKS,
} from '../../../actors/sev-snp/rmp-rules.ts';
import { permsOf, smashHead, smashTails, writePerms, writeUpdate } from '../../../actors/sev-snp/rmp-table.ts';
import { ASID, assignedAs4K, FRAMES, GFN, HEAD, INSNS, LEND, owner, regionIn, SHARE, TAIL, TAKE, update } from './rmp-insns.ts';

describe('VMPLs', () => {
  const valid = regionIn('Guest-Valid', '4K');
  const adjust = (current: number, vmpl: number, mask: number, region = valid) =>
    checkAdjust(region, { ...owner(HEAD, '4K'), current, vmpl, mask });

  it('PVALIDATE is of VMPL 0 alone', () => {
    expect(checkValidate(valid, { ...owner(HEAD, '4K'), current: 1, validated: false })).toBe('#GP');
  });

  it.each([
    [0, 1, 'SUCCESS'],
    [0, 3, 'SUCCESS'],
    [0, 0, 'FAIL_PERMISSION'],
    [1, 1, 'FAIL_PERMISSION'],
    [2, 1, 'FAIL_PERMISSION'],
    [0, 4, 'FAIL_INPUT'],
  ])('RMPADJUST from VMPL %i of VMPL %i ends with %s', (current, vmpl, verdict) => {
    expect(adjust(current, vmpl, 0)).toBe(verdict);
  });

  it('RMPADJUST gives no permission that the caller lacks', () => {
    const granted = writePerms(valid, HEAD, { current: 0, adjust: { vmpl: 1, perms: 0b11 }, vmsa: false });
    expect(permsOf(granted.entries[HEAD]!)).toEqual([0xf, 0b11, 0, 0]);
    expect([adjust(1, 2, 0b11, granted), adjust(1, 2, 0b111, granted), adjust(1, 2, 0b1, valid)]).toEqual([
      'SUCCESS',
      'FAIL_PERMISSION',
      'FAIL_PERMISSION',
    ]);
  });

  it('RMPADJUST writes the VMSA bit from VMPL 0 alone, and silently not from others', () => {
    const change = { adjust: { vmpl: 2, perms: 0 }, vmsa: true };
    expect(writePerms(valid, HEAD, { ...change, current: 0 }).entries[HEAD]!.vmsa).toBe(true);
    expect(writePerms(valid, HEAD, { ...change, current: 1 }).entries[HEAD]!.vmsa).toBe(false);
  });

  it('RMPUPDATE resets permissions', () => {
    const granted = writePerms(valid, HEAD, { current: 0, adjust: { vmpl: 1, perms: 0xf }, vmsa: true });
    expect(permsOf(writeUpdate(granted, HEAD, TAKE).entries[HEAD]!)).toEqual([0xf, 0, 0, 0]);
  });
});

describe('PSMASH, half done', () => {
  it('still shows a 2M entry, so that 4K RMPUPDATE overlaps', () => {
    const half = smashTails(regionIn('Guest-Valid', 'head'), HEAD);
    expect(update(SHARE)(half, TAIL).verdict).toBe('FAIL_OVERLAP');
    expect(update(SHARE)(smashHead(half, HEAD), TAIL).verdict).toBe('SUCCESS');
  });
});

describe('the sub-entry count', () => {
  const operand = fc
    .constantFrom(SHARE, TAKE, LEND, { ...TAKE, asid: ASID, gfn: GFN })
    .chain((one) => fc.constantFrom('4K' as const, '2M' as const).map((pageSize) => update({ ...one, pageSize })));
  const insn = fc.oneof({ weight: 3, arbitrary: operand }, fc.constantFrom(...Object.values(INSNS)));
  const sequence = fc.array(fc.tuple(insn, fc.constantFrom(...FRAMES)), { maxLength: 30 });

  it('equals the number of frames assigned as 4K after any instructions (I11)', () => {
    const met = new Set<number>();
    fc.assert(
      fc.property(sequence, (steps) => {
        let region = regionIn('Hypervisor', '4K');
        for (const [one, pfn] of steps) {
          region = one(region, pfn).region;
          expect(region.subCount).toBe(assignedAs4K(region));
          met.add(region.subCount);
        }
      }),
      { seed: 14, numRuns: 500 },
    );
    expect([...met].sort()).toEqual([0, 1, 2, 3]);
  });
});

describe('the checks', () => {
  it.each([
    ['RMPUPDATE', UPDATE_CHECKS],
    ['PSMASH', SMASH_CHECKS],
    ['PVALIDATE', VALIDATE_CHECKS],
    ['RMPADJUST', ADJUST_CHECKS],
  ])('of %s have a name of their own each, and a grade that the notes can give', (_insn, checks) => {
    expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
    expect(checks.filter(({ grade }) => !['read', 'memory', 'decision'].includes(grade))).toEqual([]);
  });
});
