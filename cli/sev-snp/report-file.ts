/** Attestation reports in files: as a chip gives them, as text, or in an answer. */
import { type AttestationReport, decodeReport, REPORT_BYTES } from '../../actors/sev-snp/firmware/attestation-report.ts';
import { decodeReportResponse } from '../../actors/sev-snp/firmware/guest-payloads.ts';
import { FirmwareFormatError } from '../../actors/sev-snp/firmware/layout.ts';
import { readFileBytes, shownFile } from '../catalog.ts';
import { CliError, EXIT } from '../errors.ts';
import type { Io } from '../io.ts';
import { bytesOfBase64, unbroken, withoutPrefix } from './bytes.ts';

/** More than a page in hexadecimal with white space; no report or certificate is as large. */
export const FILE_BYTES_MAX = 1 << 16;

export interface ReportFile {
  /** The 0x4a0 bytes. */
  readonly bytes: Uint8Array;
  readonly report: AttestationReport;
}

const EXPECTED = `an attestation report: ${REPORT_BYTES} bytes, the same in hexadecimal or base64, or the firmware's answer with one at 0x20`;

const refused = (file: string, says: string, expected = EXPECTED): CliError =>
  new CliError({ code: 'not_a_report', exit: EXIT.usage, message: `${shownFile(file)}: ${says}`, expected });

/** With no bytes behind the report. */
const ANSWER_BYTES = 0x20 + REPORT_BYTES;

const DIGIT_OR_SPACE = /[0-9a-f \t\r\n]/i;

/**
 * The bytes that a text in hexadecimal or base64 stands for; null if it is no text.
 * @throws CliError for text that is none
 */
function fromText(bytes: Uint8Array, file: string): Uint8Array | null {
  // A report has zeros in places that are reserved, and a text has none.
  if (bytes.length === 0 || bytes.includes(0) || bytes.some((byte) => byte >= 0x80)) return null;
  const text = withoutPrefix(new TextDecoder().decode(bytes).trimStart());
  const digits = unbroken(text);
  const wrong = [...text].findIndex((char) => !DIGIT_OR_SPACE.test(char));
  if (wrong >= 0) {
    const decoded = bytesOfBase64(digits);
    if (decoded !== null && isReportOrAnswer(decoded)) return decoded;
    const line = text.slice(0, wrong).split('\n').length;
    throw refused(file, `line ${line} has ${JSON.stringify(text[wrong])}, which is no hexadecimal digit, and it is no report in base64`);
  }
  if (digits.length % 2 !== 0) throw refused(file, `${digits.length} hexadecimal digits are no whole bytes`);
  return Uint8Array.from(Buffer.from(digits, 'hex'));
}

/**
 * Whether bytes are an answer of the firmware: it has zeros where a report has its policy, and a
 * policy is never zero.
 */
const isAnswer = (bytes: Uint8Array): boolean => bytes.length >= ANSWER_BYTES && bytes.subarray(8, 16).every((byte) => byte === 0);
const isReportOrAnswer = (bytes: Uint8Array): boolean => bytes.length === REPORT_BYTES || isAnswer(bytes);

/** @throws CliError with the field that is wrong */
export function readReport(file: string, io: Io): ReportFile {
  const read = readFileBytes(file, io, FILE_BYTES_MAX);
  if (read.length > FILE_BYTES_MAX) throw refused(file, `more than ${FILE_BYTES_MAX} bytes`);
  const given = fromText(read, file) ?? read;
  if (!isReportOrAnswer(given)) throw refused(file, `${given.length} bytes are no report`);
  try {
    const bytes = given.length === REPORT_BYTES ? given : decodeReportResponse(given);
    return { bytes, report: decodeReport(bytes) };
  } catch (error) {
    if (!(error instanceof FirmwareFormatError)) throw error;
    throw new CliError(
      {
        code: 'report_invalid',
        exit: EXIT.usage,
        message: `${shownFile(file)}: ${error.message}`,
        expected: EXPECTED,
      },
      { cause: error },
    );
  }
}
