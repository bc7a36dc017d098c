/**
 * Keys and signatures of ECDSA over P-384 as the firmware lays them out: little-endian numbers of
 * 72 bytes, the rest of the structure zero.
 *
 * @see SNP firmware ABI, "ECDSA P-384 signature" and "public key"; domain snp f.7, f.9
 */
import { p384 } from '@noble/curves/nist.js';
import { sha384 } from '@noble/hashes/sha2.js';
import { checkReserved, FirmwareFormatError, type Reserved, wordAt } from './layout.ts';

export const SIGNATURE_BYTES = 512;
export const PUBLIC_KEY_BYTES = 1028;
/** What a number of the curve takes; a field of the structure is wider. */
const NUMBER_BYTES = 48;
const FIELD_BYTES = 72;
const CURVE_BYTES = 4;
const CURVE_P384 = 2;
/** The first byte of a point that has both coordinates. */
const UNCOMPRESSED = 4;

/** Puts a big-endian number into a field. */
function putNumber(into: Uint8Array, at: number, number: Uint8Array): void {
  into.set(number.toReversed(), at);
}

const numberAt = (bytes: Uint8Array, at: number): Uint8Array => bytes.subarray(at, at + NUMBER_BYTES).toReversed();

/** A point as 97 bytes: 4, then both coordinates, big-endian. */
export const publicKeyOf = (secret: Uint8Array): Uint8Array => p384.getPublicKey(secret, false);

export function encodePublicKey(point: Uint8Array): Uint8Array {
  if (point.length !== 1 + 2 * NUMBER_BYTES || point[0] !== UNCOMPRESSED) throw new Error('a public key is no uncompressed point of P-384');
  const bytes = new Uint8Array(PUBLIC_KEY_BYTES);
  bytes[0] = CURVE_P384;
  putNumber(bytes, CURVE_BYTES, point.subarray(1, 1 + NUMBER_BYTES));
  putNumber(bytes, CURVE_BYTES + FIELD_BYTES, point.subarray(1 + NUMBER_BYTES));
  return bytes;
}

/** What the curve and both coordinates leave of a key. */
const KEY_GAPS: readonly Reserved[] = [
  [CURVE_BYTES + NUMBER_BYTES, CURVE_BYTES + FIELD_BYTES],
  [CURVE_BYTES + FIELD_BYTES + NUMBER_BYTES, PUBLIC_KEY_BYTES],
];

/**
 * @param name of the structure, which an error begins with
 * @throws FirmwareFormatError
 */
export function decodePublicKey(bytes: Uint8Array, name: string): Uint8Array {
  const curve = wordAt(bytes, { at: 0, size: CURVE_BYTES });
  if (curve !== BigInt(CURVE_P384))
    throw new FirmwareFormatError(`${name}.CURVE`, `found ${curve}; expected ${CURVE_P384}, which is P-384`);
  checkReserved(bytes, KEY_GAPS, `${name}, bytes`);
  const point = Uint8Array.from([UNCOMPRESSED, ...numberAt(bytes, CURVE_BYTES), ...numberAt(bytes, CURVE_BYTES + FIELD_BYTES)]);
  if (!p384.utils.isValidPublicKey(point, false)) throw new FirmwareFormatError(name, 'found no point; expected one of P-384');
  return point;
}

/** The name of a key in reports: SHA-384 of its structure. */
export const keyDigest = (key: Uint8Array): Uint8Array => sha384(key);

/** Signs the SHA-384 of `message`. The nonce follows from key and message (RFC 6979). */
export function sign(message: Uint8Array, secret: Uint8Array): Uint8Array {
  const signature = p384.sign(message, secret, { lowS: false });
  const bytes = new Uint8Array(SIGNATURE_BYTES);
  putNumber(bytes, 0, signature.subarray(0, NUMBER_BYTES));
  putNumber(bytes, FIELD_BYTES, signature.subarray(NUMBER_BYTES));
  return bytes;
}

/** What R and S leave of the field. */
export const SIGNATURE_GAPS: readonly Reserved[] = [
  [NUMBER_BYTES, FIELD_BYTES],
  [FIELD_BYTES + NUMBER_BYTES, 2 * FIELD_BYTES],
  [2 * FIELD_BYTES, SIGNATURE_BYTES],
];

/** R and S, big-endian, as a hexadecimal number is written. */
export const signatureParts = (field: Uint8Array): { readonly r: Uint8Array; readonly s: Uint8Array } => ({
  r: numberAt(field, 0),
  s: numberAt(field, FIELD_BYTES),
});

/**
 * R and S, one behind the other.
 * @param name of the field, which an error begins with
 * @throws FirmwareFormatError if the field has bytes beside them
 */
export function decodeSignature(field: Uint8Array, name: string): Uint8Array {
  checkReserved(field, SIGNATURE_GAPS, `${name}, bytes`);
  const { r, s } = signatureParts(field);
  return Uint8Array.from([...r, ...s]);
}

/** @param signature as `decodeSignature` gives it */
export const verifies = (signature: Uint8Array, message: Uint8Array, point: Uint8Array): boolean =>
  p384.verify(signature, message, point, { lowS: false });

/**
 * Whether the signature in a field of 512 bytes is of this message and key.
 * @param publicKey as in SEC 1, compressed or not
 * @throws FirmwareFormatError if the field has bytes beside R and S
 */
export const isSigned = (message: Uint8Array, field: Uint8Array, publicKey: Uint8Array): boolean =>
  verifies(decodeSignature(field, 'signature'), message, publicKey);
