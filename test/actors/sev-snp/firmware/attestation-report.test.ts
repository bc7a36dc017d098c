/**
 * The attestation report: every field at its place, every reserved byte refused by name, signatures
 * that node:crypto verifies and makes.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type AttestationReport,
  decodeReport,
  encodeReport,
  isReportSigned,
  productOf,
  REPORT_BYTES,
  REPORT_FIELDS,
} from '../../../../actors/sev-snp/firmware/attestation-report.ts';
import { vcekOf } from '../../../../actors/sev-snp/firmware/key-hierarchy.ts';
import { FirmwareFormatError } from '../../../../actors/sev-snp/firmware/layout.ts';
import { isSigned, publicKeyOf, sign as signAsFirmware } from '../../../../actors/sev-snp/firmware/p384.ts';
import { policyOf, tcbOf } from '../../../../actors/sev-snp/firmware/report-words.ts';
import { MILAN_REPORT } from './milan-report.ts';
import { anyReport, CHIP, MILAN_TCB, plainReport, signedReport, TURIN_TCB, turinReport } from './sample-reports.ts';

const VERSIONS = [2, 3, 4, 5];
const SIGNED = 0x2a0;

/** What decoding says of bytes that are wrong. */
function refusal(bytes: Uint8Array): FirmwareFormatError {
  try {
    decodeReport(bytes);
  } catch (error) {
    if (error instanceof FirmwareFormatError) return error;
    throw error;
  }
  throw new Error('decoded');
}

const flipped = (bytes: Uint8Array, at: number, by = 0x80): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ by : byte));

/** A public key of P-384 as SEC 1 has it, from node's. */
function sec1(key: KeyObject): Uint8Array {
  const { x, y } = key.export({ format: 'jwk' });
  return new Uint8Array([4, ...Buffer.from(x!, 'base64url'), ...Buffer.from(y!, 'base64url')]);
}

/** Node's key from 97 bytes. */
function nodeKey(publicKey: Uint8Array): KeyObject {
  const [x, y] = [publicKey.slice(1, 49), publicKey.slice(49)].map((part) => Buffer.from(part).toString('base64url'));
  return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-384', x: x!, y: y! } });
}

/** R and S, big-endian, from the field of a report. */
const compactOf = (field: Uint8Array): Uint8Array => new Uint8Array([...field.slice(0, 48).reverse(), ...field.slice(72, 120).reverse()]);

/** The field of a report, from what node signs. */
function fieldOf(compact: Uint8Array): Uint8Array {
  const field = new Uint8Array(512);
  field.set(compact.slice(0, 48).reverse());
  field.set(compact.slice(48).reverse(), 72);
  return field;
}

describe('an attestation report', () => {
  it('comes back from its bytes as it was', () => {
    fc.assert(
      fc.property(anyReport, (report) => {
        const bytes = encodeReport(report);
        expect(bytes.length).toBe(REPORT_BYTES);
        expect(decodeReport(bytes)).toEqual(report);
        expect(encodeReport(decodeReport(bytes))).toEqual(bytes);
      }),
      { numRuns: 200, seed: 1 },
    );
  });

  it('has each field at its offset, little-endian, and no two at one', () => {
    // Independent of the table: what the notes on the domain say of a few fields of each kind.
    const bytes = Buffer.from(encodeReport(plainReport(5, { guestSvn: 0x01020304, cpuidStepping: 9, chipId: new Uint8Array(64).fill(7) })));
    expect(bytes.readUInt32LE(0)).toBe(5);
    expect(bytes.readUInt32LE(4)).toBe(0x01020304);
    expect(bytes.readBigUInt64LE(8)).toBe(0x30000n);
    expect(bytes.readUInt32LE(0x30)).toBe(1);
    expect(bytes.readBigUInt64LE(0x180)).toBe(MILAN_TCB);
    expect(bytes.subarray(0x188, 0x18b)).toEqual(Buffer.from([0x19, 0x11, 9]));
    expect(bytes.subarray(0x1a0, 0x1e0)).toEqual(Buffer.alloc(64, 7));
    expect(bytes.subarray(0x1e8, 0x1f0)).toEqual(Buffer.from([4, 55, 1, 0, 3, 54, 1, 0]));
    expect(bytes.readBigUInt64LE(0x1f8)).toBe(0xfn);
    expect(bytes.readBigUInt64LE(0x200)).toBe(0x1fn);
    REPORT_FIELDS.forEach(([, { at, size }], i) => {
      expect(at + size).toBeLessThanOrEqual(REPORT_FIELDS[i + 1]?.[1].at ?? REPORT_BYTES);
    });
  });

  it.each(VERSIONS)('of version %i refuses every reserved byte that is not zero, and names the bytes', (version) => {
    const bytes = encodeReport(plainReport(version));
    const isField = (at: number): boolean => REPORT_FIELDS.some(([, place]) => place.at <= at && at < place.at + place.size);
    const reserved = Array.from(bytes.keys()).filter((at) => at < SIGNED && !isField(at));
    // 4 + 21 + 1 + 1 + 152.
    expect(reserved.length).toBe(179);
    for (const at of reserved) {
      const { field, message } = refusal(flipped(bytes, at));
      expect(field).toMatch(/^reserved bytes 0x[0-9a-f]{3} to 0x[0-9a-f]{3}$/);
      const [from, to] = [...field.matchAll(/0x[0-9a-f]+/g)].map(([text]) => Number(text));
      expect([from! <= at, at <= to!]).toEqual([true, true]);
      expect(message).toContain(`found 0x80 at 0x${at.toString(16).padStart(3, '0')}`);
    }
  });

  it.each(VERSIONS)('of version %i refuses bytes beside R and S', (version) => {
    const bytes = encodeReport(signedReport(plainReport(version)));
    const beside = Array.from({ length: 512 }, (_, i) => i).filter((i) => (i >= 48 && i < 72) || i >= 120);
    expect(beside.length).toBe(24 + 24 + 512 - 144);
    for (const i of beside) expect(refusal(flipped(bytes, SIGNED + i)).field).toMatch(/^signature at 0x2a0, its bytes/);
  });

  it.each([
    [2, 'cpuidFamily', 'CPUID family at 0x188'],
    [2, 'cpuidModel', 'CPUID model at 0x189'],
    [2, 'cpuidStepping', 'CPUID stepping at 0x18a'],
    [2, 'launchMitigations', 'launch mitigation vector at 0x1f8'],
    [4, 'launchMitigations', 'launch mitigation vector at 0x1f8'],
    [3, 'currentMitigations', 'current mitigation vector at 0x200'],
  ] as const)('of version %i has no %s', (version, field, named) => {
    const place = REPORT_FIELDS.find(([name]) => name === field)![1];
    for (let at = place.at; at < place.at + place.size; at++) {
      const { field: refused, message } = refusal(flipped(encodeReport(plainReport(version)), at));
      expect(refused).toBe(named);
      expect(message).toContain(`reserved in version ${version}`);
    }
  });

  const WRONG: readonly (readonly [string, Partial<AttestationReport>, string])[] = [
    ['a version before 2', { version: 1 }, 'version at 0x000: found 1; expected 2, 3, 4, 5'],
    ['a version that is not known', { version: 6 }, 'version at 0x000: found 6'],
    ['a policy without its bit 17', { policy: 0x10000n }, 'policy at 0x008: found 0x10000; expected bit 17'],
    ['a reserved bit of the policy', { policy: 0x4020000n }, 'policy at 0x008: reserved bits 0x4000000'],
    ['a VMPL of no guest', { vmpl: 4 }, 'VMPL at 0x030: found 0x4; expected 0 to 3, or 0xffffffff'],
    ['another algorithm', { signatureAlgorithm: 2 }, 'signature algorithm at 0x034: found 2; expected 1'],
    ['no algorithm with a key', { signatureAlgorithm: 0 }, 'signature algorithm at 0x034: found 0'],
    ['a reserved bit of the platform', { platformInfo: 0x40n }, 'platform info at 0x040: reserved bits 0x40'],
    ['a reserved bit of the signer', { signerInfo: 0x20 }, 'signer info at 0x048: reserved bits 0x20'],
    ['a reserved key', { signerInfo: 2 << 2 }, 'signer info at 0x048: signing key 2 is reserved'],
    ['a reserved byte of a TCB', { launchTcb: 0x0100000000n }, 'launch TCB at 0x1f0: reserved byte 4 is 0x1'],
    ['a number that is too large', { currentBuild: 256 }, 'current build at 0x1e8: 256 does not fit in 1 bytes'],
    ['too few bytes', { hostData: new Uint8Array(31) }, 'host data at 0x0c0: found 31 bytes; expected 32'],
  ];
  it.each(WRONG)('with %s is refused', (_, wrong, says) => {
    expect(() => encodeReport(plainReport(3, wrong))).toThrow(says);
  });

  it.each([0, 1, 0x49f, 0x4a1])('has no %i bytes', (size) => {
    expect(refusal(new Uint8Array(size)).message).toBe(`attestation report: found ${size} bytes; expected 1184 (0x4a0)`);
  });

  it('is signed by no key without a signature', () => {
    const unsigned = plainReport(3, { signerInfo: 7 << 2, signatureAlgorithm: 0 });
    expect(decodeReport(encodeReport(unsigned))).toEqual(unsigned);
    expect(refusal(flipped(encodeReport(unsigned), SIGNED)).field).toMatch(/^signature at 0x2a0/);
  });
});

describe('a report as a Milan chip gives it', () => {
  const bytes = MILAN_REPORT;

  it('is decoded and encoded again, byte for byte', () => {
    expect(encodeReport(decodeReport(bytes))).toEqual(bytes);
  });

  it('says what the chip has put there', () => {
    const report = decodeReport(bytes);
    const { version, policy, vmpl, platformInfo, signerInfo, currentBuild, currentMinor, currentMajor } = report;
    expect({ version, policy, vmpl, platformInfo, signerInfo }).toEqual({
      version: 2,
      policy: 0x30000n,
      vmpl: 0,
      platformInfo: 1n,
      signerInfo: 0,
    });
    expect([currentMajor, currentMinor, currentBuild]).toEqual([1, 52, 4]);
    expect(report.reportIdMa).toEqual(new Uint8Array(32).fill(0xff));
    expect(tcbOf(report.reportedTcb, productOf(report)!.layout)).toEqual({ bootloader: 3, tee: 0, snp: 8, microcode: 0x73 });
  });

  it('is not signed by the simulated chip', () => {
    expect(isReportSigned(bytes, publicKeyOf(vcekOf(CHIP, MILAN_TCB)))).toBe(false);
  });
});

describe('the TCB of a report', () => {
  it.each([
    [0x19, 0x01, 'Milan', 'milan'],
    [0x19, 0x11, 'Genoa', 'milan'],
    [0x19, 0xa0, 'Genoa', 'milan'],
    [0x1a, 0x02, 'Turin', 'turin'],
    [0x1a, 0x11, 'Turin', 'turin'],
    [0x19, 0x0f, 'Milan', 'milan'],
    [0x19, 0x10, 'Genoa', 'milan'],
    [0x19, 0x1f, 'Genoa', 'milan'],
    [0x19, 0xaf, 'Genoa', 'milan'],
  ])('of family %i, model %i has the layout of its product', (cpuidFamily, cpuidModel, name, layout) => {
    expect(productOf(plainReport(3, { cpuidFamily, cpuidModel }))).toEqual({ name, layout });
  });

  it.each([
    [0x19, 0x20],
    [0x19, 0x9f],
    [0x19, 0xb0],
    [0x1a, 0x12],
    [0x18, 0x01],
  ])('of family %i, model %i has no layout, as none is known', (cpuidFamily, cpuidModel) => {
    expect(productOf(plainReport(3, { cpuidFamily, cpuidModel }))).toBeNull();
  });

  it('has a layout that only the chip id tells before version 3', () => {
    expect(productOf(plainReport(2))).toEqual({ name: null, layout: 'milan' });
    expect(productOf(turinReport(2))).toEqual({ name: 'Turin', layout: 'turin' });
    expect(productOf(plainReport(2, { chipId: new Uint8Array(64) }))).toBeNull();
    expect(productOf(plainReport(3, { cpuidFamily: 0x17 }))).toBeNull();
  });

  it('has its security versions where the layout says', () => {
    expect(tcbOf(MILAN_TCB, 'milan')).toEqual({ bootloader: 3, tee: 0, snp: 8, microcode: 0x73 });
    expect(tcbOf(TURIN_TCB, 'turin')).toEqual({ fmc: 1, bootloader: 2, tee: 3, snp: 4, microcode: 0x47 });
  });

  it('of an unknown product is kept as it is', () => {
    const report = plainReport(3, { cpuidFamily: 0x1b, currentTcb: 0x0102030405060708n });
    expect(decodeReport(encodeReport(report)).currentTcb).toBe(0x0102030405060708n);
  });
});

it('a policy says what its bits mean', () => {
  const { abiMajor, abiMinor, smt, debugging } = policyOf(0xb0137n);
  expect({ abiMajor, abiMinor, smt, debugging }).toEqual({ abiMajor: 1, abiMinor: 0x37, smt: true, debugging: true });
});

describe('the signature of a report', () => {
  const report = signedReport(plainReport(3));
  const bytes = encodeReport(report);
  const publicKey = publicKeyOf(vcekOf(CHIP, MILAN_TCB));

  it('is what RFC 6979 has for its key and message', () => {
    const key = Buffer.from('6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D896D5724E4C70A825F872C9EA60D2EDF5', 'hex');
    expect(Buffer.from(compactOf(signAsFirmware(Buffer.from('sample'), key))).toString('hex')).toBe(
      '94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c81a648152e44acf96e36dd1e80fabe46' +
        '99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94fa329c145786e679e7b82c71a38628ac8',
    );
  });

  it('is verified by node:crypto over bytes 0x000 to 0x29f', () => {
    const signature = compactOf(report.signature);
    const verified = (message: Uint8Array): boolean =>
      verify('sha384', message, { key: nodeKey(publicKey), dsaEncoding: 'ieee-p1363' }, signature);
    expect(verified(bytes.subarray(0, SIGNED))).toBe(true);
    expect(verified(bytes.subarray(0, SIGNED - 1))).toBe(false);
  });

  it('is verified if node:crypto has made it', () => {
    const { privateKey, publicKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const message = encodeReport(plainReport(5)).subarray(0, SIGNED);
    const field = fieldOf(sign('sha384', message, { key: privateKey, dsaEncoding: 'ieee-p1363' }));
    expect(isSigned(message, field, sec1(key))).toBe(true);
    expect(isSigned(message, field, publicKey)).toBe(false);
  });

  it('holds for no report with another byte', () => {
    expect(isReportSigned(bytes, publicKey)).toBe(true);
    for (const at of [0x00, 0x07, 0x50, 0x90, 0x1a0, 0x29f, 0x2a0, 0x2e8])
      expect(isReportSigned(flipped(bytes, at, 1), publicKey)).toBe(false);
  });

  it('of zeros, or with an R that is too large, does not hold', () => {
    expect(isSigned(bytes, new Uint8Array(512), publicKey)).toBe(false);
    expect(isSigned(bytes, new Uint8Array(512).fill(0xff, 0, 48).fill(1, 72, 120), publicKey)).toBe(false);
  });

  it('is the same on every machine', () => {
    const digest = createHash('sha384')
      .update(encodeReport(signedReport(turinReport(5))))
      .digest('hex');
    expect(digest).toBe('ff59d8d9705b0d71f5ee5b6eb2076fa4daecbf0b669c3c1e93174cc509627638f050794beb6e42b402dc35c587d90f1c');
  });
});
