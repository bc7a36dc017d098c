/** The initial VMSA: its fields, found by walking the structure as the kernel declares it. */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SEV_FEATURES } from '../../../../actors/sev-snp/firmware/sev-features.ts';
import { RESET_EIP, vmsaPage } from '../../../../actors/sev-snp/firmware/vmsa-page.ts';

const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs', 'gdtr', 'ldtr', 'idtr', 'tr'];
/** Fields of struct sev_es_save_area behind the segments: eight bytes each, or the size given. */
const FIELDS =
  'vmpl0_ssp vmpl1_ssp vmpl2_ssp vmpl3_ssp u_cet res:2 vmpl:1 cpl:1 res:4 efer res:104 xss cr4 cr3 cr0 dr7 dr6 rflags rip dr0 dr1 dr2 dr3 ' +
  'dr0_mask dr1_mask dr2_mask dr3_mask res:24 rsp s_cet ssp isst_addr rax star lstar cstar sfmask kernel_gs_base sysenter_cs sysenter_esp ' +
  'sysenter_eip cr2 res:32 g_pat dbgctl br_from br_to last_excp_from last_excp_to res:80 pkru:4 res:20 res rcx rdx rbx res rbp rsi rdi r8 r9 ' +
  'r10 r11 r12 r13 r14 r15 res:16 exit_info_1 exit_info_2 exit_int_info nrip sev_features vintr_ctrl exit_code virtual_tom tlb_id pcpu_id ' +
  'event_inj xcr0 res:16 x87_dp mxcsr:4 x87_ftw:2 x87_fsw:2 x87_fcw:2 x87_fop:2 x87_ds:2 x87_cs:2 x87_rip fpreg_x87:80 fpreg_xmm:256 fpreg_ymm:256';

/** What a page holds beside zeros, by field. */
function heldBy(page: Uint8Array): Record<string, bigint> {
  const held: Record<string, bigint> = {};
  let at = 0;
  const take = (name: string, size: number): void => {
    const value = BigInt(
      `0x${Buffer.from(page.slice(at, at + size))
        .reverse()
        .toString('hex')}`,
    );
    if (value !== 0n) held[name] = value;
    at += size;
  };
  for (const name of SEGMENTS)
    for (const [part, size] of [
      ['sel', 2],
      ['attr', 2],
      ['limit', 4],
      ['base', 8],
    ] as const)
      take(`${name}.${part}`, size);
  for (const field of FIELDS.split(' ')) {
    const [name, size = '8'] = field.split(':');
    take(name!, Number(size));
  }
  // EXPECTED_SEV_ES_SAVE_AREA_SIZE
  expect(at).toBe(1648);
  take('rest', 4096 - at);
  return held;
}

const EPYC = 0x0080_0f12;
const COMMON = {
  ...Object.fromEntries(SEGMENTS.map((name) => [`${name}.limit`, 0xffffn])),
  ...Object.fromEntries(['es', 'ss', 'ds', 'fs', 'gs'].map((name) => [`${name}.attr`, 0x93n])),
  'cs.sel': 0xf000n,
  'cs.attr': 0x9bn,
  'ldtr.attr': 0x82n,
  'tr.attr': 0x8bn,
  efer: 0x1000n,
  cr4: 0x40n,
  cr0: 0x10n,
  dr7: 0x400n,
  dr6: 0xffff0ff0n,
  rflags: 2n,
  g_pat: 0x0007_0406_0007_0406n,
  rdx: 0x0080_0f12n,
  sev_features: 1n,
  xcr0: 1n,
  mxcsr: 0x1f80n,
  x87_fcw: 0x37fn,
};
const features = (bits: number): bigint => BigInt(bits);

describe('the VMSA of a vCPU that has not run', () => {
  it('is 4096 bytes that hold the reset state of the boot processor, and nothing else', () => {
    const page = vmsaPage({ eip: RESET_EIP, sevFeatures: features(SEV_FEATURES.snpActive), signature: EPYC, x87: 'initial' });
    expect(page).toHaveLength(4096);
    expect(heldBy(page)).toEqual({ ...COMMON, 'cs.base': 0xffff_0000n, rip: 0xfff0n });
  });

  it('begins another processor where it is told, in CS and RIP', () => {
    const page = vmsaPage({ eip: 0x0080_b004, sevFeatures: features(SEV_FEATURES.snpActive), signature: EPYC, x87: 'initial' });
    expect(heldBy(page)).toEqual({ ...COMMON, 'cs.base': 0x0080_0000n, rip: 0xb004n });
  });

  it('has no x87 state where KVM has copied none', () => {
    const { mxcsr: _, x87_fcw: __, ...rest } = COMMON;
    const page = vmsaPage({ eip: 0x0080_b004, sevFeatures: 1n, signature: EPYC, x87: 'zero' });
    expect(heldBy(page)).toEqual({ ...rest, 'cs.base': 0x0080_0000n, rip: 0xb004n });
  });

  it('has every bit of SEV_FEATURES that is asked for, and no other', () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 2n ** 64n - 1n), fc.nat(0xffff_ffff), (sevFeatures, eip) => {
        const held = heldBy(vmsaPage({ eip, sevFeatures, signature: EPYC, x87: 'initial' }));
        expect(held.sev_features).toBe(sevFeatures);
        expect((held['cs.base'] ?? 0n) + (held.rip ?? 0n)).toBe(BigInt(eip));
      }),
    );
    expect(Object.values(SEV_FEATURES)).toEqual([0x01, 0x08, 0x10, 0x20]);
  });

  it('is what it always was', () => {
    const page = vmsaPage({ eip: RESET_EIP, sevFeatures: features(SEV_FEATURES.snpActive), signature: EPYC, x87: 'initial' });
    expect(createHash('sha384').update(page).digest('hex')).toBe(
      '77920c4c629ff47e90c0e174fc1ad0eb6fa664f88cd4739488058a8c6cb1a77b3856f55378e9518d0da99452d51c553a',
    );
  });
});
