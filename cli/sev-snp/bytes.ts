/** Bytes as people and programs write them: hex and base64. */

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const base64Of = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Exactly so many bytes in hex, of either case; null for anything else. */
export const bytesOfHex = (text: string, count: number): Uint8Array | null =>
  text.length === 2 * count && /^[0-9a-f]*$/i.test(text) ? Uint8Array.from(Buffer.from(text, 'hex')) : null;

/** Exactly so many bytes in base64, with its padding; null for anything else. */
export function bytesOfBase64(text: string, count: number): Uint8Array | null {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return bytes.length === count && base64Of(bytes) === text ? bytes : null;
}
