/** Error codes of #PF and #NPF: the bits of the manual, and the codes of what the RMP refuses. */
import { describe, expect, it } from 'vitest';
import { ERROR_BITS, errorBitsOf, errorCode, hasErrorBit, hostFaultCode, nestedFaultCode } from '../../../events/sev-snp/error-code.ts';
import { TEXTS } from '../../../timeline/mechanisms/shipped.ts';

describe('an error code', () => {
  it('has the bits of the manual', () => {
    expect(ERROR_BITS).toEqual({
      ...{ PRESENT: 0, WRITE: 1, USER: 2, RSVD: 3, FETCH: 4, PK: 5, SS: 6, SGX: 15, RMP: 31 },
      ...{ FINAL: 32, WALK: 33, ENC: 34, SIZEM: 35, VMPL: 36 },
    });
  });

  it('gives back the bits that it was made of, above 32 bits too', () => {
    for (const bits of [[], ['RMP'], ['PRESENT', 'VMPL'], ['WRITE', 'RMP', 'WALK', 'SIZEM']] as const) {
      expect(errorBitsOf(errorCode(...bits))).toEqual(bits);
    }
    expect(errorCode('ENC', 'ENC')).toBe(2 ** 34);
    expect([hasErrorBit(0x4_0000_0000, 'ENC'), hasErrorBit(0x4_0000_0000, 'USER')]).toEqual([true, false]);
  });

  it('of a host store is what the oops of a real host prints, and USER for a process', () => {
    expect(hostFaultCode(false)).toBe(0x8000_0003);
    expect(hostFaultCode(true)).toBe(0x8000_0007);
  });

  it.each([
    [{ private: true, write: true, sizem: false, vmpl: false }, 0x5_8000_0007],
    [{ private: true, write: false, sizem: false, vmpl: false }, 0x5_8000_0005],
    [{ private: false, write: true, sizem: false, vmpl: false }, 0x1_8000_0007],
    [{ private: true, write: false, sizem: true, vmpl: false }, 0xd_8000_0005],
    [{ private: true, write: false, sizem: false, vmpl: true }, 0x15_8000_0005],
  ])('of a nested fault by %o is %i', (access, code) => {
    expect(nestedFaultCode(access)).toBe(code);
  });

  it('reads as the number and the names of its bits', () => {
    expect(TEXTS.errorCode?.(0x5_8000_0007)).toBe('0x580000007(PRESENT|WRITE|USER|RMP|FINAL|ENC)');
    expect(TEXTS.errorCode?.('RMP')).toBeNull();
  });
});
