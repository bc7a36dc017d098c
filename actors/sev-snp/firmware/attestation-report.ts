/**
 * The attestation report: 0x4a0 bytes about a guest, signed by a key of the chip.
 *
 * Version 4 has the layout of version 3. A field that is newer than the version of a report is
 * reserved in it. What its words say is in report-words.ts.
 *
 * @see SEV-SNP firmware ABI, "ATTESTATION_REPORT"; domain snp f.9
 */

import {
  bytesAt,
  checkReserved,
  checkSize,
  FirmwareFormatError,
  hexOf,
  type Place,
  placeText,
  putBytes,
  putWord,
  type Reserved,
  wordAt,
} from './layout.ts';
import { isSigned, SIGNATURE_BYTES, SIGNATURE_GAPS, sign } from './p384.ts';
import { checkPlatform, checkPolicy, checkTcb, type Product, productByChipId, productByCpuid, signerOf } from './report-words.ts';

export const REPORT_BYTES = 0x4a0;
/** What the signature covers is all before it. */
const SIGNATURE_AT = 0x2a0;
const VERSIONS = [2, 3, 4, 5];
/** Of a report that the host has asked for. */
const HOST_VMPL = 0xffffffff;
const VMPL_MAX = 3;
/** ECDSA on P-384 with SHA-384. */
const ECDSA_P384_SHA384 = 1;

const NUMBERS = {
  version: { at: 0x000, size: 4, says: 'version' },
  guestSvn: { at: 0x004, size: 4, says: 'guest SVN' },
  vmpl: { at: 0x030, size: 4, says: 'VMPL' },
  signatureAlgorithm: { at: 0x034, size: 4, says: 'signature algorithm' },
  signerInfo: { at: 0x048, size: 4, says: 'signer info' },
  cpuidFamily: { at: 0x188, size: 1, says: 'CPUID family' },
  cpuidModel: { at: 0x189, size: 1, says: 'CPUID model' },
  cpuidStepping: { at: 0x18a, size: 1, says: 'CPUID stepping' },
  currentBuild: { at: 0x1e8, size: 1, says: 'current build' },
  currentMinor: { at: 0x1e9, size: 1, says: 'current minor' },
  currentMajor: { at: 0x1ea, size: 1, says: 'current major' },
  committedBuild: { at: 0x1ec, size: 1, says: 'committed build' },
  committedMinor: { at: 0x1ed, size: 1, says: 'committed minor' },
  committedMajor: { at: 0x1ee, size: 1, says: 'committed major' },
} as const satisfies Record<string, Place>;

const WORDS = {
  policy: { at: 0x008, size: 8, says: 'policy' },
  currentTcb: { at: 0x038, size: 8, says: 'current TCB' },
  platformInfo: { at: 0x040, size: 8, says: 'platform info' },
  reportedTcb: { at: 0x180, size: 8, says: 'reported TCB' },
  committedTcb: { at: 0x1e0, size: 8, says: 'committed TCB' },
  launchTcb: { at: 0x1f0, size: 8, says: 'launch TCB' },
  launchMitigations: { at: 0x1f8, size: 8, says: 'launch mitigation vector' },
  currentMitigations: { at: 0x200, size: 8, says: 'current mitigation vector' },
} as const satisfies Record<string, Place>;

const BYTES = {
  familyId: { at: 0x010, size: 16, says: 'family id' },
  imageId: { at: 0x020, size: 16, says: 'image id' },
  reportData: { at: 0x050, size: 64, says: 'report data' },
  measurement: { at: 0x090, size: 48, says: 'measurement' },
  hostData: { at: 0x0c0, size: 32, says: 'host data' },
  idKeyDigest: { at: 0x0e0, size: 48, says: 'id key digest' },
  authorKeyDigest: { at: 0x110, size: 48, says: 'author key digest' },
  reportId: { at: 0x140, size: 32, says: 'report id' },
  reportIdMa: { at: 0x160, size: 32, says: "agent's report id" },
  chipId: { at: 0x1a0, size: 64, says: 'chip id' },
  signature: { at: SIGNATURE_AT, size: SIGNATURE_BYTES, says: 'signature' },
} as const satisfies Record<string, Place>;

/** The first version that has a field. In those before it the bytes are reserved. */
const SINCE: Readonly<Record<string, number>> = {
  cpuidFamily: 3,
  cpuidModel: 3,
  cpuidStepping: 3,
  launchMitigations: 5,
  currentMitigations: 5,
};

const RESERVED: readonly Reserved[] = [
  [0x04c, 0x050],
  [0x18b, 0x1a0],
  [0x1eb, 0x1ec],
  [0x1ef, 0x1f0],
  [0x208, SIGNATURE_AT],
];

export type AttestationReport = { readonly [K in keyof typeof NUMBERS]: number } & { readonly [K in keyof typeof WORDS]: bigint } & {
  readonly [K in keyof typeof BYTES]: Uint8Array;
};
export type ReportField = keyof AttestationReport;

/** All fields by their places, in the order in which they stand. */
export const REPORT_FIELDS: readonly (readonly [ReportField, Place])[] = (
  Object.entries({ ...NUMBERS, ...WORDS, ...BYTES }) as [ReportField, Place][]
).sort(([, a], [, b]) => a.at - b.at);

/** Whether reports of a version have the field. */
export const hasField = (field: ReportField, version: number): boolean => version >= (SINCE[field] ?? 0);

type Table = Readonly<Record<string, Place>>;
const read = <T extends Table, V>(table: T, value: (place: Place) => V): { [K in keyof T]: V } =>
  Object.fromEntries(Object.entries(table).map(([name, place]) => [name, value(place)])) as { [K in keyof T]: V };

/** @throws FirmwareFormatError with the field that is not as its version has it */
export function decodeReport(bytes: Uint8Array): AttestationReport {
  checkSize(bytes, REPORT_BYTES, 'attestation report');
  const report = {
    ...read(NUMBERS, (place) => Number(wordAt(bytes, place))),
    ...read(WORDS, (place) => wordAt(bytes, place)),
    ...read(BYTES, (place) => bytesAt(bytes, place)),
  };
  checkReport(report);
  checkReserved(bytes, RESERVED);
  return report;
}

/** @throws FirmwareFormatError with the field that no report of its version can have */
export function encodeReport(report: AttestationReport): Uint8Array {
  const bytes = new Uint8Array(REPORT_BYTES);
  for (const name of Object.keys(NUMBERS) as (keyof typeof NUMBERS)[]) putWord(bytes, NUMBERS[name], BigInt(report[name]));
  for (const name of Object.keys(WORDS) as (keyof typeof WORDS)[]) putWord(bytes, WORDS[name], report[name]);
  for (const name of Object.keys(BYTES) as (keyof typeof BYTES)[]) putBytes(bytes, BYTES[name], report[name]);
  checkReport(report);
  return bytes;
}

/** What the values of fields have to be, whatever the bytes between them are. */
function checkReport(report: AttestationReport): void {
  const { version, vmpl } = report;
  if (!VERSIONS.includes(version))
    throw new FirmwareFormatError(placeText(NUMBERS.version), `found ${version}; expected ${VERSIONS.join(', ')}`);
  for (const [name, place] of REPORT_FIELDS)
    if (!hasField(name, version) && BigInt(report[name] as number | bigint) !== 0n)
      throw new FirmwareFormatError(
        placeText(place),
        `reserved in version ${version}; found ${hexOf(report[name] as number | bigint)}, expected 0`,
      );
  checkPolicy(report.policy, placeText(WORDS.policy));
  if (vmpl > VMPL_MAX && vmpl !== HOST_VMPL)
    throw new FirmwareFormatError(
      placeText(NUMBERS.vmpl),
      `found ${hexOf(vmpl)}; expected 0 to ${VMPL_MAX}, or ${hexOf(HOST_VMPL)} if the host asked`,
    );
  checkPlatform(report.platformInfo, placeText(WORDS.platformInfo));
  checkSignature(report);
  const product = productOf(report);
  if (product === null) return;
  for (const name of TCBS) checkTcb(report[name], product.layout, placeText(WORDS[name]));
}

/** The fields that are TCBs. */
export const TCBS = ['currentTcb', 'reportedTcb', 'committedTcb', 'launchTcb'] as const;

function checkSignature({ signatureAlgorithm, signerInfo, signature }: AttestationReport): void {
  const { signingKey } = signerOf(signerInfo, placeText(NUMBERS.signerInfo));
  const isUnsigned = signingKey === 'none' && signatureAlgorithm === 0;
  if (signatureAlgorithm !== ECDSA_P384_SHA384 && !isUnsigned)
    throw new FirmwareFormatError(
      placeText(NUMBERS.signatureAlgorithm),
      `found ${signatureAlgorithm}; expected ${ECDSA_P384_SHA384}, ECDSA on P-384 with SHA-384`,
    );
  checkReserved(signature, isUnsigned ? [[0, SIGNATURE_BYTES]] : SIGNATURE_GAPS, `${placeText(BYTES.signature)}, its bytes`);
}

/** The product whose chip has made the report; null if the report does not tell. */
export const productOf = ({ version, cpuidFamily, cpuidModel, chipId }: AttestationReport): Product | null =>
  hasField('cpuidFamily', version) ? productByCpuid(cpuidFamily, cpuidModel) : productByChipId(chipId);

/** The report with the signature of this key. */
export const signReport = (report: AttestationReport, secretKey: Uint8Array): AttestationReport => ({
  ...report,
  signature: sign(encodeReport(report).subarray(0, SIGNATURE_AT), secretKey),
});

/**
 * Whether a report is signed by the owner of a public key, in SEC 1 form.
 * @param bytes a whole report
 */
export const isReportSigned = (bytes: Uint8Array, publicKey: Uint8Array): boolean =>
  isSigned(bytes.subarray(0, SIGNATURE_AT), bytes.subarray(SIGNATURE_AT), publicKey);
