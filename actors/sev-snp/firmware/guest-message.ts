/**
 * Messages between a guest and the firmware, which the host carries and cannot read: a header of
 * 0x60 bytes, and a payload under AES-256-GCM.
 *
 * The number of a message is its nonce. A number that is used twice with one key gives the host
 * the difference of two payloads, and lets it forge others: hence the rules of guest-driver.ts.
 *
 * @see SEV-SNP firmware ABI, "Guest messages"; kernel drivers/virt/coco/sev-guest/sev-guest.h,
 * struct snp_guest_msg_hdr; domain snp f.10
 */
import { gcm } from '@noble/ciphers/aes.js';
import { VMPCKS } from './key-hierarchy.ts';
import { bytesAt, checkReserved, FirmwareFormatError, hexOf, type Place, placeText, putWord, type Reserved, wordAt } from './layout.ts';

export const HEADER_BYTES = 0x60;
/** A message fits a page. */
export const PAYLOAD_BYTES_MAX = 4000;
const TAG_BYTES = 16;
const IV_BYTES = 12;
const AES_256_GCM = 1;
const HEADER_VERSION = 1;

const TAG = { at: 0x00, size: TAG_BYTES, says: 'authentication tag' } as const satisfies Place;
const FIELDS = {
  sequence: { at: 0x20, size: 8, says: 'sequence number' },
  algorithm: { at: 0x30, size: 1, says: 'algorithm' },
  headerVersion: { at: 0x31, size: 1, says: 'header version' },
  headerSize: { at: 0x32, size: 2, says: 'header size' },
  type: { at: 0x34, size: 1, says: 'message type' },
  version: { at: 0x35, size: 1, says: 'message version' },
  size: { at: 0x36, size: 2, says: 'message size' },
  vmpck: { at: 0x3c, size: 1, says: 'VMPCK' },
} as const satisfies Record<string, Place>;
const RESERVED: readonly Reserved[] = [
  [0x10, 0x20],
  [0x28, 0x30],
  [0x38, 0x3c],
  [0x3d, 0x60],
];
/** What the tag covers besides the payload. */
const AUTHENTICATED = { at: 0x30, size: 0x30 };

/** Requests by type; the response to a request has the next number. */
export const REQUESTS = { CPUID: 1, KEY: 3, REPORT: 5, EXPORT: 7, IMPORT: 9, ABSORB: 11, VMRK: 13 } as const;
const TYPE_MAX = REQUESTS.VMRK + 1;

/** What a header says of a message. */
export interface MessageHeader {
  /** 64 bits, never 0. */
  readonly sequence: bigint;
  readonly type: number;
  readonly version: number;
  /** Which of the guest's VMPCKs the payload is under. */
  readonly vmpck: number;
}

/** The nonce: the number, little-endian, and zeros. */
function ivOf(sequence: bigint): Uint8Array {
  const iv = new Uint8Array(IV_BYTES);
  putWord(iv, { ...FIELDS.sequence, at: 0 }, sequence);
  return iv;
}

function checkHeader({ sequence, type, vmpck }: MessageHeader): void {
  if (sequence === 0n) throw new FirmwareFormatError(placeText(FIELDS.sequence), 'found 0, which is no number of a message');
  if (type < 1 || type > TYPE_MAX) throw new FirmwareFormatError(placeText(FIELDS.type), `found ${type}; expected 1 to ${TYPE_MAX}`);
  if (vmpck >= VMPCKS) throw new FirmwareFormatError(placeText(FIELDS.vmpck), `found ${vmpck}; expected 0 to ${VMPCKS - 1}`);
}

/**
 * A whole message.
 * @throws FirmwareFormatError for a header or a size that no message has
 */
export function sealMessage(header: MessageHeader, payload: Uint8Array, key: Uint8Array): Uint8Array {
  checkHeader(header);
  checkPayload(payload.length);
  const bytes = new Uint8Array(HEADER_BYTES + payload.length);
  const fixed = { algorithm: AES_256_GCM, headerVersion: HEADER_VERSION, headerSize: HEADER_BYTES, size: payload.length };
  const values = { ...fixed, ...header };
  for (const name of Object.keys(FIELDS) as (keyof typeof FIELDS)[]) putWord(bytes, FIELDS[name], BigInt(values[name]));
  const sealed = gcm(key, ivOf(header.sequence), bytesAt(bytes, AUTHENTICATED)).encrypt(payload);
  bytes.set(sealed.subarray(0, payload.length), HEADER_BYTES);
  bytes.set(sealed.subarray(payload.length), TAG.at);
  return bytes;
}

function checkPayload(size: number): void {
  if (size < 1 || size > PAYLOAD_BYTES_MAX)
    throw new FirmwareFormatError(placeText(FIELDS.size), `found ${size}; expected 1 to ${PAYLOAD_BYTES_MAX}`);
}

/**
 * What the header of a message says; its payload is not looked at.
 * @throws FirmwareFormatError with the field that no message has
 */
export function headerOf(bytes: Uint8Array): MessageHeader {
  if (bytes.length < HEADER_BYTES)
    throw new FirmwareFormatError('guest message', `found ${bytes.length} bytes; expected a header of ${HEADER_BYTES}`);
  const number = (place: Place): number => Number(wordAt(bytes, place));
  const expected = [
    [FIELDS.algorithm, AES_256_GCM],
    [FIELDS.headerVersion, HEADER_VERSION],
    [FIELDS.headerSize, HEADER_BYTES],
  ] as const;
  for (const [place, value] of expected)
    if (number(place) !== value) throw new FirmwareFormatError(placeText(place), `found ${hexOf(number(place))}; expected ${hexOf(value)}`);
  checkReserved(bytes, RESERVED);
  const header = {
    sequence: wordAt(bytes, FIELDS.sequence),
    type: number(FIELDS.type),
    version: number(FIELDS.version),
    vmpck: number(FIELDS.vmpck),
  };
  checkHeader(header);
  const size = number(FIELDS.size);
  checkPayload(size);
  if (bytes.length !== HEADER_BYTES + size)
    throw new FirmwareFormatError(
      placeText(FIELDS.size),
      `found ${size}; the message has ${bytes.length - HEADER_BYTES} bytes behind its header`,
    );
  return header;
}

/**
 * The payload of a message; null if it, or what its header says, is not what was sealed with this
 * key.
 * @throws FirmwareFormatError with the field that no message has
 */
export function openMessage(bytes: Uint8Array, key: Uint8Array): Uint8Array | null {
  const { sequence } = headerOf(bytes);
  const sealed = new Uint8Array([...bytes.subarray(HEADER_BYTES), ...bytesAt(bytes, TAG)]);
  try {
    return gcm(key, ivOf(sequence), bytesAt(bytes, AUTHENTICATED)).decrypt(sealed);
  } catch {
    // The library throws for a tag that does not fit, and for nothing else that can be here.
    return null;
  }
}
