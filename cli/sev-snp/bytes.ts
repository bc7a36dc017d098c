/** Bytes as people and programs write them: hex and base64. */

export const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
export const base64Of = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');

/** Exactly so many bytes in hex, of either case; null for anything else. */
export const bytesOfHex = (text: string, count: number): Uint8Array | null =>
  text.length === 2 * count && /^[0-9a-f]*$/i.test(text) ? Uint8Array.from(Buffer.from(text, 'hex')) : null;

/** Bytes in base64, with its padding; null for anything else. */
export function bytesOfBase64(text: string): Uint8Array | null {
  const bytes = Uint8Array.from(Buffer.from(text, 'base64'));
  return base64Of(bytes) === text ? bytes : null;
}

/** A text in hex or base64 as a program may have broken it into lines, without its white space. */
export const unbroken = (text: string): string => text.replace(/[ \t\r\n]/g, '');
export const withoutPrefix = (hex: string): string => hex.replace(/^0x/i, '');

/** Exactly so many bytes, in hex or in base64; null for anything else. */
export function bytesOfText(text: string, count: number): Uint8Array | null {
  const hex = bytesOfHex(withoutPrefix(text), count);
  if (hex !== null) return hex;
  const bytes = bytesOfBase64(text);
  return bytes?.length === count ? bytes : null;
}
