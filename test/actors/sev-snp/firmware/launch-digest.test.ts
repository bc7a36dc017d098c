/**
 * The launch digest: PAGE_INFO byte by byte, the chain against an independent computation, and
 * golden values.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodePageInfo,
  extendDigest,
  FIRST_DIGEST,
  type LaunchPage,
  PAGE_TYPES,
  type PageType,
  pageDigest,
  VMSA_GPA,
} from '../../../../actors/sev-snp/firmware/launch-digest.ts';
import { RESET_EIP, vmsaPage } from '../../../../actors/sev-snp/firmware/vmsa-page.ts';

const sha384 = (bytes: Uint8Array): Buffer => createHash('sha384').update(bytes).digest();
const filled = (fill: number): Uint8Array => new Uint8Array(4096).fill(fill);
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const digestOf = (pages: readonly LaunchPage[]): string => hex(pages.reduce(extendDigest, FIRST_DIGEST));

/** PAGE_INFO put together from its bytes, with another SHA-384. */
function independently(pages: readonly LaunchPage[]): string {
  let digest: Buffer = Buffer.alloc(48);
  for (const { type, gpa, sha384: contents, imi = false, permissions: [vmpl1, vmpl2, vmpl3] = [0, 0, 0] } of pages) {
    const code = ['normal', 'vmsa', 'zero', 'unmeasured', 'secrets', 'cpuid'].indexOf(type) + 1;
    const address = Buffer.from(gpa.toString(16).padStart(16, '0'), 'hex').reverse();
    const measured = code <= 2 ? Buffer.from(contents!) : Buffer.alloc(48);
    digest = sha384(Buffer.concat([digest, measured, Buffer.from([0x70, 0, code, imi ? 1 : 0, vmpl3, vmpl2, vmpl1, 0]), address]));
  }
  return digest.toString('hex');
}

/**
 * The page with the hashes of an empty kernel, initrd and command line.
 * @see QEMU target/i386/sev.c, build_kernel_loader_hashes()
 */
function emptyKernelHashes(): Uint8Array {
  const guid = (text: string): Buffer => {
    const raw = Buffer.from(text.replaceAll('-', ''), 'hex');
    return Buffer.concat([raw.subarray(0, 4).reverse(), raw.subarray(4, 6).reverse(), raw.subarray(6, 8).reverse(), raw.subarray(8)]);
  };
  const entry = (name: string, hashed: string): Buffer =>
    Buffer.concat([guid(name), Buffer.from([50, 0]), createHash('sha256').update(hashed).digest()]);
  const page = Buffer.alloc(4096);
  Buffer.concat([
    guid('9438d606-4f22-4cc9-b479-a793d411fd21'),
    Buffer.from([168, 0]),
    entry('97d02dd8-bd20-4c94-aa78-e7714d36ab2a', '\0'),
    entry('44baf731-3a2f-4bd7-9af1-41e29169781d', ''),
    entry('4de79437-abd2-427f-b835-d5b172d2045b', ''),
  ]).copy(page, 0xc00);
  return page;
}

const bytes48 = fc.uint8Array({ minLength: 48, maxLength: 48 });
const permissions = fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255));
const type = fc.constantFrom(...(Object.keys(PAGE_TYPES) as PageType[]));
const gpa = fc.bigInt(0n, 2n ** 64n - 1n);

describe('PAGE_INFO', () => {
  it('has each field in its place', () => {
    const bytes = encodePageInfo({
      digest: new Uint8Array(48).fill(0xaa),
      contents: new Uint8Array(48).fill(0xbb),
      type: 'cpuid',
      imi: true,
      permissions: [1, 2, 3],
      gpa: 0x1122_3344_5566_7788n,
    });
    expect(hex(bytes)).toBe(`${'aa'.repeat(48)}${'bb'.repeat(48)}700006010302010088776655443322${'11'}`);
    expect(bytes).toHaveLength(0x70);
  });
});

describe('the launch digest', () => {
  const list: readonly LaunchPage[] = [
    { type: 'normal', gpa: 0xffc0_0000n, sha384: pageDigest(filled(0)) },
    { type: 'zero', gpa: 0x80_0000n },
    { type: 'unmeasured', gpa: 0x80_1000n },
    { type: 'secrets', gpa: 0x80_d000n },
    { type: 'cpuid', gpa: 0x80_e000n },
    { type: 'vmsa', gpa: VMSA_GPA, sha384: pageDigest(filled(0xff)) },
  ];

  it.each([
    [0, '0'.repeat(96)],
    [1, 'e6d248c06715aeb198151e303ebbc5588bef55997971618b0e792a2cb8700fd9978f78b38ff8e3362424b7757e078773'],
    [6, 'cf835edc386bae25a8eec0266418abda30bcdf94772945d75ff08d5e27efbdc128fac5bd77e71558f2832de32f29d024'],
  ])('of the first %s pages is what it always was', (count, digest) => {
    expect(digestOf(list.slice(0, count))).toBe(digest);
  });

  it('is that of an independent computation, whatever the pages', () => {
    const page = fc.record({ type, gpa, sha384: bytes48, imi: fc.boolean(), permissions });
    fc.assert(
      fc.property(fc.array(page, { maxLength: 8 }), (pages) => {
        expect(digestOf(pages)).toBe(pages.length === 0 ? '0'.repeat(96) : independently(pages));
      }),
    );
  });

  /**
   * The tests of virtee/sev-snp-measure: an OVMF for AmdSev, of which its digest is known; what its
   * metadata ask for; VMSAs of a host series that left the x87 state zero.
   * @see virtee/sev-snp-measure tests/test_guest.py, test_snp_without_kernel(),
   * test_snp_with_multiple_vcpus()
   */
  describe('of published measurements', () => {
    const OVMF = 'edcf6d1c57ce868a167c990f58c8667c698269ef9e0803246419eea914186343054d557e1f17acd93b032c106bc70d25';
    const zeros = (from: number, to: number): LaunchPage[] =>
      Array.from({ length: (to - from) / 4096 }, (_, i) => ({ type: 'zero', gpa: BigInt(from + i * 4096) }));
    const vmsa = (eip: number): LaunchPage => ({
      type: 'vmsa',
      gpa: VMSA_GPA,
      sha384: pageDigest(vmsaPage({ eip, sevFeatures: 1n, signature: 0x0080_0f12, x87: 'zero' })),
    });
    const measured = (hashes: LaunchPage, aps: number): string =>
      hex(
        [
          ...zeros(0x80_0000, 0x80_9000),
          ...zeros(0x80_a000, 0x80_d000),
          { type: 'secrets', gpa: 0x80_d000n } as const,
          { type: 'cpuid', gpa: 0x80_e000n } as const,
          hashes,
          ...zeros(0x81_0000, 0x82_0000),
          vmsa(RESET_EIP),
          ...Array.from({ length: aps }, () => vmsa(0x80_b004)),
        ].reduce(extendDigest, Uint8Array.from(Buffer.from(OVMF, 'hex'))),
      );

    it('is theirs with one vCPU and no kernel', () => {
      expect(measured({ type: 'zero', gpa: 0x80_f000n }, 0)).toBe(
        'e5e6be5a8fa6256f0245666bb237e2d028b7928148ce78d51b8a64dc9506c377709a5b5d7ab75554593bced304fcff93',
      );
    });

    it('is theirs with four vCPUs, and a page with the hashes of an empty kernel', () => {
      expect(measured({ type: 'normal', gpa: 0x80_f000n, sha384: pageDigest(emptyKernelHashes()) }, 3)).toBe(
        '1c784beb8c49aa604b7fd57fbc73b36ec53a3f5fb48a2b895ad6cc2ea15d18ee7cc15e3e57c792766b45f944c3e81cfe',
      );
    });
  });

  it('depends on the order of pages', () => {
    expect(digestOf(list)).not.toBe(digestOf(list.toReversed()));
  });

  it.each(['zero', 'unmeasured', 'secrets', 'cpuid'] as const)('does not depend on what a page of type %s holds', (of) => {
    const page = { type: of, gpa: 0x1000n };
    expect(digestOf([{ ...page, sha384: pageDigest(filled(7)) }])).toBe(digestOf([page]));
  });

  it('asks for the contents of a page that is measured', () => {
    expect(() => extendDigest(FIRST_DIGEST, { type: 'normal', gpa: 0x1000n })).toThrow('0x1000 has a digest of 0 bytes');
    expect(() => pageDigest(new Uint8Array(4095))).toThrow('4095 bytes; expected 4096');
  });
});
