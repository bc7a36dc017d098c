/** Attestation reports for tests: one of each version and layout, and any at random. */
import fc from 'fast-check';
import { type AttestationReport, signReport } from '../../../../actors/sev-snp/firmware/attestation-report.ts';
import { chipIdOf, chipOf, guestSecrets, vcekOf } from '../../../../actors/sev-snp/firmware/key-hierarchy.ts';

export const CHIP = chipOf(1);
/** Bootloader 3, SNP 8, microcode 0x73. */
export const MILAN_TCB = 0x7308000000000003n;
/** FMC 1, bootloader 2, TEE 3, SNP 4, microcode 0x47. */
export const TURIN_TCB = 0x4700000004030201n;

const filled = (size: number, byte: number): Uint8Array => new Uint8Array(size).fill(byte);

/** What is not signed yet. */
export function plainReport(version: number, overrides: Partial<AttestationReport> = {}): AttestationReport {
  const tcb = MILAN_TCB;
  return {
    version,
    guestSvn: 2,
    policy: 0x30000n,
    familyId: filled(16, 0x0f),
    imageId: filled(16, 0x1d),
    vmpl: 1,
    signatureAlgorithm: 1,
    currentTcb: tcb,
    platformInfo: 0x25n,
    signerInfo: 0,
    reportData: filled(64, 0xda),
    measurement: filled(48, 0x3e),
    hostData: filled(32, 0x05),
    idKeyDigest: filled(48, 0x1b),
    authorKeyDigest: filled(48, 0xa0),
    reportId: guestSecrets(CHIP, 1).reportId,
    reportIdMa: filled(32, 0xff),
    reportedTcb: tcb,
    cpuidFamily: version >= 3 ? 0x19 : 0,
    cpuidModel: version >= 3 ? 0x11 : 0,
    cpuidStepping: version >= 3 ? 1 : 0,
    chipId: chipIdOf(CHIP),
    committedTcb: tcb,
    currentBuild: 4,
    currentMinor: 55,
    currentMajor: 1,
    committedBuild: 3,
    committedMinor: 54,
    committedMajor: 1,
    launchTcb: tcb,
    launchMitigations: version >= 5 ? 0xfn : 0n,
    currentMitigations: version >= 5 ? 0x1fn : 0n,
    signature: new Uint8Array(512),
    ...overrides,
  };
}

/** Of a chip with the layout of Turin. */
export const turinReport = (version: number): AttestationReport =>
  plainReport(version, {
    currentTcb: TURIN_TCB,
    reportedTcb: TURIN_TCB,
    committedTcb: TURIN_TCB,
    launchTcb: TURIN_TCB,
    ...(version >= 3 ? { cpuidFamily: 0x1a, cpuidModel: 0x02 } : { chipId: filled(64, 0).fill(0x7c, 0, 8) }),
  });

/** Signed by the chip's VCEK for its reported TCB. */
export const signedReport = (report: AttestationReport): AttestationReport => signReport(report, vcekOf(CHIP, report.reportedTcb));

const bytes = (size: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: size, maxLength: size });
const bits = (...of: readonly number[]): fc.Arbitrary<bigint> =>
  fc.subarray([...of]).map((set) => set.reduce((value, bit) => value | (1n << BigInt(bit)), 0n));
const number = (max: number): fc.Arbitrary<number> => fc.integer({ min: 0, max });

/** Any report that a chip of the layout of Milan could make, with a signature of noise. */
export const anyReport: fc.Arbitrary<AttestationReport> = fc.constantFrom(2, 3, 4, 5).chain((version) => {
  const since = <T>(first: number, value: fc.Arbitrary<T>, none: T): fc.Arbitrary<T> => (version >= first ? value : fc.constant(none));
  const tcb = bits(0, 1, 2, 3, 8, 9, 48, 50, 56, 63);
  const half = bytes(48).map((part) => [...part, ...filled(24, 0)]);
  return fc.record({
    version: fc.constant(version),
    guestSvn: number(0xffffffff),
    policy: bits(0, 5, 8, 15, 16, 18, 19, 20, 21, 22, 23, 24, 25).map((value) => value | (1n << 17n)),
    familyId: bytes(16),
    imageId: bytes(16),
    vmpl: fc.constantFrom(0, 1, 2, 3, 0xffffffff),
    signatureAlgorithm: fc.constant(1),
    currentTcb: tcb,
    platformInfo: bits(0, 1, 2, 3, 4, 5, 7),
    signerInfo: fc.constantFrom(0, 1, 2, 3, 4, 5, 6, 7, 28, 29, 30, 31),
    reportData: bytes(64),
    measurement: bytes(48),
    hostData: bytes(32),
    idKeyDigest: bytes(48),
    authorKeyDigest: bytes(48),
    reportId: bytes(32),
    reportIdMa: bytes(32),
    reportedTcb: tcb,
    cpuidFamily: since(3, fc.constant(0x19), 0),
    cpuidModel: since(3, fc.constantFrom(0x01, 0x11, 0xa0), 0),
    cpuidStepping: since(3, number(15), 0),
    // The last byte tells a chip id of 64 bytes from the short one of Turin.
    chipId: bytes(64).map((id) => id.fill(1, 63)),
    committedTcb: tcb,
    currentBuild: number(255),
    currentMinor: number(255),
    currentMajor: number(255),
    committedBuild: number(255),
    committedMinor: number(255),
    committedMajor: number(255),
    launchTcb: tcb,
    launchMitigations: since(5, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), 0n),
    currentMitigations: since(5, fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), 0n),
    signature: fc.tuple(half, half).map(([r, s]) => Uint8Array.from([...r, ...s, ...filled(512 - 144, 0)])),
  });
});
