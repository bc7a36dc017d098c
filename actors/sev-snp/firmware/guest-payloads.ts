/**
 * What a guest asks of the firmware, and what it is answered: payloads of REPORT and of KEY
 * messages.
 *
 * @see SEV-SNP firmware ABI, "MSG_REPORT_REQ", "MSG_KEY_REQ"; kernel
 * include/uapi/linux/sev-guest.h; domain snp f.10
 */
import { REPORT_BYTES } from './attestation-report.ts';
import {
  bytesAt,
  checkBits,
  checkReserved,
  checkSize,
  FirmwareFormatError,
  hexOf,
  type Place,
  placeText,
  putBytes,
  putWord,
  wordAt,
} from './layout.ts';

const VMPL_MAX = 3n;

function checkVmpl(value: bigint, place: Place): void {
  if (value > VMPL_MAX) throw new FirmwareFormatError(placeText(place), `found ${hexOf(value)}; expected 0 to ${VMPL_MAX}`);
}

export interface ReportRequest {
  readonly reportData: Uint8Array;
  /** At least that of the guest's code that asks. */
  readonly vmpl: number;
}

const REPORT_REQUEST_BYTES = 0x60;
const REPORT_REQUEST = {
  reportData: { at: 0x00, size: 64, says: 'report data' },
  vmpl: { at: 0x40, size: 4, says: 'VMPL' },
} as const satisfies Record<string, Place>;

/** @throws FirmwareFormatError */
export function encodeReportRequest({ reportData, vmpl }: ReportRequest): Uint8Array {
  const bytes = new Uint8Array(REPORT_REQUEST_BYTES);
  putBytes(bytes, REPORT_REQUEST.reportData, reportData);
  checkVmpl(BigInt(vmpl), REPORT_REQUEST.vmpl);
  putWord(bytes, REPORT_REQUEST.vmpl, BigInt(vmpl));
  return bytes;
}

/** @throws FirmwareFormatError */
export function decodeReportRequest(bytes: Uint8Array): ReportRequest {
  checkSize(bytes, REPORT_REQUEST_BYTES, 'MSG_REPORT_REQ');
  checkReserved(bytes, [[0x44, REPORT_REQUEST_BYTES]]);
  const vmpl = wordAt(bytes, REPORT_REQUEST.vmpl);
  checkVmpl(vmpl, REPORT_REQUEST.vmpl);
  return { reportData: bytesAt(bytes, REPORT_REQUEST.reportData), vmpl: Number(vmpl) };
}

/** What stands before the report in an answer. */
const REPORT_RESPONSE_HEADER_BYTES = 0x20;
const STATUS = { at: 0x00, size: 4, says: 'status' } as const satisfies Place;
const REPORT_SIZE = { at: 0x04, size: 4, says: 'report size' } as const satisfies Place;

/** Of an answer that has no report or key. */
const STATUS_NAMES: Readonly<Record<number, string>> = { 22: 'invalid parameters', 39: 'invalid key selection' };

/** @param report null with a status that is not 0 */
export function encodeReportResponse(status: number, report: Uint8Array | null): Uint8Array {
  const bytes = new Uint8Array(REPORT_RESPONSE_HEADER_BYTES + (report?.length ?? 0));
  putWord(bytes, STATUS, BigInt(status));
  putWord(bytes, REPORT_SIZE, BigInt(report?.length ?? 0));
  if (report !== null) bytes.set(report, REPORT_RESPONSE_HEADER_BYTES);
  return bytes;
}

/**
 * The report in an answer.
 * @param bytes what follows the report is zero, as in the buffer that a driver gives
 * @throws FirmwareFormatError also for an answer that has none, with its status
 */
export function decodeReportResponse(bytes: Uint8Array): Uint8Array {
  if (bytes.length < REPORT_RESPONSE_HEADER_BYTES)
    throw new FirmwareFormatError('MSG_REPORT_RSP', `found ${bytes.length} bytes; expected ${REPORT_RESPONSE_HEADER_BYTES} or more`);
  checkStatus(bytes);
  checkReserved(bytes, [[0x08, REPORT_RESPONSE_HEADER_BYTES]]);
  const size = Number(wordAt(bytes, REPORT_SIZE));
  const end = REPORT_RESPONSE_HEADER_BYTES + REPORT_BYTES;
  if (size !== REPORT_BYTES) throw new FirmwareFormatError(placeText(REPORT_SIZE), `found ${hexOf(size)}; expected ${hexOf(REPORT_BYTES)}`);
  if (bytes.length < end) throw new FirmwareFormatError('MSG_REPORT_RSP', `found ${bytes.length} bytes; expected ${end} or more`);
  if (bytes.length > end) checkReserved(bytes, [[end, bytes.length]], 'bytes behind the report,');
  return bytesAt(bytes, { at: REPORT_RESPONSE_HEADER_BYTES, size: REPORT_BYTES });
}

/** @throws FirmwareFormatError if the firmware has refused */
function checkStatus(bytes: Uint8Array): void {
  const status = Number(wordAt(bytes, STATUS));
  const name = STATUS_NAMES[status];
  if (status !== 0)
    throw new FirmwareFormatError(placeText(STATUS), `the firmware refused with ${hexOf(status)}${name === undefined ? '' : ` (${name})`}`);
}

/** What is mixed into a derived key, by bit. */
const KEY_FIELDS = { policy: 0, imageId: 1, familyId: 2, measurement: 3, guestSvn: 4, tcb: 5 } as const;
export type KeyField = keyof typeof KEY_FIELDS;
const KEY_FIELD_NAMES = Object.keys(KEY_FIELDS) as KeyField[];
const ROOT_KEYS = ['VCEK', 'VMRK'] as const;

export interface KeyRequest {
  readonly root: (typeof ROOT_KEYS)[number];
  /** In the order of their bits. */
  readonly fields: readonly KeyField[];
  readonly vmpl: number;
  /** No more than that of the guest. */
  readonly guestSvn: number;
  /** No more than the committed TCB. */
  readonly tcb: bigint;
}

const KEY_REQUEST_BYTES = 0x20;
const KEY_REQUEST = {
  root: { at: 0x00, size: 4, says: 'root key' },
  fields: { at: 0x08, size: 8, says: 'guest field select' },
  vmpl: { at: 0x10, size: 4, says: 'VMPL' },
  guestSvn: { at: 0x14, size: 4, says: 'guest SVN' },
  tcb: { at: 0x18, size: 8, says: 'TCB' },
} as const satisfies Record<string, Place>;

/** @throws FirmwareFormatError */
export function encodeKeyRequest({ root, fields, vmpl, guestSvn, tcb }: KeyRequest): Uint8Array {
  const bytes = new Uint8Array(KEY_REQUEST_BYTES);
  checkVmpl(BigInt(vmpl), KEY_REQUEST.vmpl);
  putWord(bytes, KEY_REQUEST.root, BigInt(ROOT_KEYS.indexOf(root)));
  putWord(
    bytes,
    KEY_REQUEST.fields,
    fields.reduce((mask, field) => mask | (1n << BigInt(KEY_FIELDS[field])), 0n),
  );
  putWord(bytes, KEY_REQUEST.vmpl, BigInt(vmpl));
  putWord(bytes, KEY_REQUEST.guestSvn, BigInt(guestSvn));
  putWord(bytes, KEY_REQUEST.tcb, tcb);
  return bytes;
}

/** @throws FirmwareFormatError */
export function decodeKeyRequest(bytes: Uint8Array): KeyRequest {
  checkSize(bytes, KEY_REQUEST_BYTES, 'MSG_KEY_REQ');
  checkReserved(bytes, [[0x04, 0x08]]);
  const rootKey = wordAt(bytes, KEY_REQUEST.root);
  checkBits(rootKey, ~1n & 0xffffffffn, placeText(KEY_REQUEST.root));
  const mask = wordAt(bytes, KEY_REQUEST.fields);
  checkBits(mask, ~((1n << BigInt(KEY_FIELD_NAMES.length)) - 1n) & (2n ** 64n - 1n), placeText(KEY_REQUEST.fields));
  const vmpl = wordAt(bytes, KEY_REQUEST.vmpl);
  checkVmpl(vmpl, KEY_REQUEST.vmpl);
  return {
    root: ROOT_KEYS[Number(rootKey)]!,
    fields: KEY_FIELD_NAMES.filter((field) => ((mask >> BigInt(KEY_FIELDS[field])) & 1n) === 1n),
    vmpl: Number(vmpl),
    guestSvn: Number(wordAt(bytes, KEY_REQUEST.guestSvn)),
    tcb: wordAt(bytes, KEY_REQUEST.tcb),
  };
}

const KEY_RESPONSE_BYTES = 0x40;
const DERIVED_KEY = { at: 0x20, size: 32, says: 'derived key' } as const satisfies Place;

/** @param key null with a status that is not 0 */
export function encodeKeyResponse(status: number, key: Uint8Array | null): Uint8Array {
  const bytes = new Uint8Array(KEY_RESPONSE_BYTES);
  putWord(bytes, STATUS, BigInt(status));
  if (key !== null) putBytes(bytes, DERIVED_KEY, key);
  return bytes;
}

/**
 * The key in an answer.
 * @throws FirmwareFormatError also for an answer that has none, with its status
 */
export function decodeKeyResponse(bytes: Uint8Array): Uint8Array {
  checkSize(bytes, KEY_RESPONSE_BYTES, 'MSG_KEY_RSP');
  checkStatus(bytes);
  checkReserved(bytes, [[0x04, 0x20]]);
  return bytesAt(bytes, DERIVED_KEY);
}
