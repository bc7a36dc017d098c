/** Values of 64 bits, such as registers: one form in events, contexts, journals and scenarios. */

/**
 * A number up to 2^53 - 1, which JSON and JavaScript hold exactly; above that the hex digits behind
 * `0x`, in lower case. A value has one form, so equal values are equal texts and digests.
 * @public
 */
export type U64 = number | `0x${string}`;

export const U64_MAX = 0xffff_ffff_ffff_ffffn;

/**
 * The form of a value.
 * @throws RangeError if it has more than 64 bits, or is negative
 * @public
 */
export function u64(bits: bigint): U64 {
  if (bits < 0n || bits > U64_MAX) throw new RangeError(`${bits} is no value of 64 bits`);
  return bits <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(bits) : `0x${bits.toString(16)}`;
}

/** Whether any of these bits is set. @public */
export const hasBits = (value: U64, bits: number): boolean => (BigInt(value) & BigInt(bits)) !== 0n;
/** With these bits set, all others as they are. @public */
export const withBits = (value: U64, bits: number): U64 => u64(BigInt(value) | BigInt(bits));
/** With these bits clear, all others as they are. @public */
export const withoutBits = (value: U64, bits: number): U64 => u64(BigInt(value) & ~BigInt(bits));
