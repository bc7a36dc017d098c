/** Structures of the firmware as tables of fields: what stands where, and what is reserved. */

/** Bytes that a structure does not allow. */
export class FirmwareFormatError extends Error {
  override readonly name = 'FirmwareFormatError';
  /** The field, in words. */
  readonly field: string;
  constructor(field: string, says: string) {
    super(`${field}: ${says}`);
    this.field = field;
  }
}

/** Where a field stands. */
export interface Place {
  readonly at: number;
  readonly size: number;
  /** Its name in words. */
  readonly says: string;
}

export const hexOf = (value: number | bigint): string => `0x${value.toString(16)}`;

/** An offset as manuals write it. */
const offsetText = (at: number): string => `0x${at.toString(16).padStart(3, '0')}`;

/** A field with its offset, as errors name it. */
export const placeText = ({ at, says }: Pick<Place, 'at' | 'says'>): string => `${says} at ${offsetText(at)}`;

/** An unsigned little-endian number. */
export function wordAt(bytes: Uint8Array, { at, size }: Pick<Place, 'at' | 'size'>): bigint {
  let value = 0n;
  for (let i = size - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i]!);
  return value;
}

/** @throws FirmwareFormatError if the field is too small for the value */
export function putWord(bytes: Uint8Array, place: Place, value: bigint): void {
  const { at, size } = place;
  if (value < 0n || value >> BigInt(8 * size) !== 0n)
    throw new FirmwareFormatError(placeText(place), `${value} does not fit in ${size} bytes`);
  for (let i = 0; i < size; i++) bytes[at + i] = Number((value >> BigInt(8 * i)) & 0xffn);
}

/** A copy, also of a Buffer, whose own slice() shares its bytes. */
export const bytesAt = (bytes: Uint8Array, { at, size }: Pick<Place, 'at' | 'size'>): Uint8Array =>
  Uint8Array.from(bytes.subarray(at, at + size));

/** @throws FirmwareFormatError if there are not as many bytes as the field has */
export function putBytes(bytes: Uint8Array, place: Place, value: Uint8Array): void {
  if (value.length !== place.size) throw new FirmwareFormatError(placeText(place), `found ${value.length} bytes; expected ${place.size}`);
  bytes.set(value, place.at);
}

/** @throws FirmwareFormatError unless the structure has just this size */
export function checkSize(bytes: Uint8Array, size: number, says: string): void {
  if (bytes.length !== size) throw new FirmwareFormatError(says, `found ${bytes.length} bytes; expected ${size} (${hexOf(size)})`);
}

/** Reserved bytes from one offset up to another, which is not included. */
export type Reserved = readonly [from: number, to: number];

/** @throws FirmwareFormatError for the first reserved byte that is not zero */
export function checkReserved(bytes: Uint8Array, reserved: readonly Reserved[], says = 'reserved bytes'): void {
  for (const [from, to] of reserved)
    for (let at = from; at < to; at++)
      if (bytes[at] !== 0)
        throw new FirmwareFormatError(
          `${says} ${offsetText(from)} to ${offsetText(to - 1)}`,
          `found ${hexOf(bytes[at]!)} at ${offsetText(at)}; expected 0`,
        );
}

/** @throws FirmwareFormatError if one of these bits is set */
export function checkBits(value: bigint, mask: bigint, field: string): void {
  const wrong = value & mask;
  if (wrong !== 0n) throw new FirmwareFormatError(field, `reserved bits ${hexOf(wrong)} are set in ${hexOf(value)}`);
}
