/**
 * ECDSA on P-384 with SHA-384 as the firmware writes it: R and S little-endian in 72 bytes each, in
 * a field of 512 bytes.
 *
 * Nonces follow RFC 6979: the same key and message give the same signature, as a replay needs.
 *
 * @see SEV-SNP firmware ABI, "Digital signatures"; domain snp f.7, f.9
 */
import { p384 } from '@noble/curves/nist.js';
import { checkReserved, type Reserved } from './layout.ts';

/** Of the whole field. */
export const SIGNATURE_BYTES = 512;
/** Of R, and of S. */
const PART_BYTES = 72;
/** What a number of P-384 takes of them. */
const NUMBER_BYTES = 48;

/** What R and S leave of the field. */
export const SIGNATURE_GAPS: readonly Reserved[] = [
  [NUMBER_BYTES, PART_BYTES],
  [PART_BYTES + NUMBER_BYTES, 2 * PART_BYTES],
  [2 * PART_BYTES, SIGNATURE_BYTES],
];

/** R and S, big-endian, as a hexadecimal number is written. */
export const signatureParts = (field: Uint8Array): { readonly r: Uint8Array; readonly s: Uint8Array } => ({
  r: field.slice(0, NUMBER_BYTES).reverse(),
  s: field.slice(PART_BYTES, PART_BYTES + NUMBER_BYTES).reverse(),
});

/** @returns the field of 512 bytes */
export function signed(message: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const compact = p384.sign(message, secretKey, { prehash: true, lowS: false, format: 'compact' });
  const field = new Uint8Array(SIGNATURE_BYTES);
  field.set(compact.slice(0, NUMBER_BYTES).reverse(), 0);
  field.set(compact.slice(NUMBER_BYTES).reverse(), PART_BYTES);
  return field;
}

/**
 * Whether the signature in a field of 512 bytes is of this message and key.
 * @param publicKey as in SEC 1, compressed or not
 * @throws FirmwareFormatError if the field has bytes beside R and S
 */
export function isSigned(message: Uint8Array, field: Uint8Array, publicKey: Uint8Array): boolean {
  checkReserved(field, SIGNATURE_GAPS, 'signature, bytes');
  const { r, s } = signatureParts(field);
  const compact = new Uint8Array([...r, ...s]);
  return p384.verify(compact, message, publicKey, { prehash: true, lowS: false, format: 'compact' });
}

/** The public key in 97 bytes: 4, X, Y. */
export const publicKeyOf = (secretKey: Uint8Array): Uint8Array => p384.getPublicKey(secretKey, false);
