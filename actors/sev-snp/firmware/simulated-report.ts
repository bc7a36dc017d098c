/**
 * What the firmware of a simulated chip answers a guest that asks for a report, byte for byte: the
 * sealed request, the sealed response, and the signed report inside it.
 *
 * Everything follows from the run's seed and the message of the model. The chip is a Milan, with
 * the versions and the TCB of a real one (`test/cli/sev-snp/chips/milan-3.hex`).
 *
 * @see SEV-SNP firmware ABI, "MSG_REPORT_REQ"; domain snp f.9, f.10
 */
import { type AttestationReport, encodeReport, signReport } from './attestation-report.ts';
import { type MessageHeader, openMessage, REQUESTS, sealMessage } from './guest-message.ts';
import { decodeReportRequest, decodeReportResponse, encodeReportRequest, encodeReportResponse } from './guest-payloads.ts';
import { chipIdOf, chipOf, guestSecrets, vcekOf } from './key-hierarchy.ts';
import { putWord } from './layout.ts';
import { publicKeyOf } from './p384.ts';

/** Bootloader 4, SNP 0x18, microcode 0xdb, with which such a chip makes reports of version 3. */
export const CHIP_TCB = 0xdb18000000000004n;
/** Of the firmware that runs, which is also the one that is committed. */
export const CHIP_VERSION = { major: 1, minor: 55, build: 29 } as const;
/** A policy that asks for no more than every policy has, and allows SMT. */
const POLICY = 0x30000n;
const REPORT_DATA_BYTES = 64;
/** Of the messages, not of the report. */
const MESSAGE_VERSION = 1;

export interface SimulatedRequest {
  readonly seed: number;
  readonly asid: number;
  /** Of the request; the response has the next. */
  readonly sequence: number;
  /** A number that stands in REPORT_DATA, 64 bits in front of zeros. */
  readonly data: number;
  readonly vmpl: number;
  /** The guest's launch digest. */
  readonly measurement: Uint8Array;
}

export interface SimulatedAnswer {
  /** As the host carries them. */
  readonly request: Uint8Array;
  readonly response: Uint8Array;
  /** As the guest reads it. */
  readonly report: Uint8Array;
  /** Of the chip's VCEK for the reported TCB, in SEC 1 form. */
  readonly publicKey: Uint8Array;
}

const zeros = (size: number): Uint8Array => new Uint8Array(size);

function reportDataOf(data: number): Uint8Array {
  const bytes = zeros(REPORT_DATA_BYTES);
  putWord(bytes, { at: 0, size: 8, says: 'report data' }, BigInt(data));
  return bytes;
}

function reportOf(
  chip: Uint8Array,
  { asid, measurement }: SimulatedRequest,
  { reportData, vmpl }: { readonly reportData: Uint8Array; readonly vmpl: number },
) {
  const report: AttestationReport = {
    version: 3,
    guestSvn: 0,
    policy: POLICY,
    familyId: zeros(16),
    imageId: zeros(16),
    vmpl,
    signatureAlgorithm: 1,
    currentTcb: CHIP_TCB,
    platformInfo: 1n,
    signerInfo: 0,
    reportData,
    measurement,
    hostData: zeros(32),
    idKeyDigest: zeros(48),
    authorKeyDigest: zeros(48),
    reportId: guestSecrets(chip, asid).reportId,
    reportIdMa: zeros(32).fill(0xff),
    reportedTcb: CHIP_TCB,
    cpuidFamily: 0x19,
    cpuidModel: 0x01,
    cpuidStepping: 0x01,
    chipId: chipIdOf(chip),
    committedTcb: CHIP_TCB,
    currentBuild: CHIP_VERSION.build,
    currentMinor: CHIP_VERSION.minor,
    currentMajor: CHIP_VERSION.major,
    committedBuild: CHIP_VERSION.build,
    committedMinor: CHIP_VERSION.minor,
    committedMajor: CHIP_VERSION.major,
    launchTcb: CHIP_TCB,
    launchMitigations: 0n,
    currentMitigations: 0n,
    signature: zeros(512),
  };
  return signReport(report, vcekOf(chip, CHIP_TCB));
}

/** What was sealed with a key is opened with it again. */
function opened(message: Uint8Array, key: Uint8Array): Uint8Array {
  const payload = openMessage(message, key);
  if (payload === null) throw new Error('a message that was just sealed does not open');
  return payload;
}

/** Carries out a request for a report, from the guest through the firmware and back. */
export function answerRequest(asked: SimulatedRequest): SimulatedAnswer {
  const { seed, asid, sequence, data, vmpl } = asked;
  const chip = chipOf(seed);
  const key = guestSecrets(chip, asid).vmpcks[0]!;
  const header: MessageHeader = { sequence: BigInt(sequence), type: REQUESTS.REPORT, version: MESSAGE_VERSION, vmpck: 0 };
  const request = sealMessage(header, encodeReportRequest({ reportData: reportDataOf(data), vmpl }), key);
  const report = reportOf(chip, asked, decodeReportRequest(opened(request, key)));
  const answer = { ...header, sequence: header.sequence + 1n, type: header.type + 1 };
  const response = sealMessage(answer, encodeReportResponse(0, encodeReport(report)), key);
  return { request, response, report: decodeReportResponse(opened(response, key)), publicKey: publicKeyOf(vcekOf(chip, CHIP_TCB)) };
}
