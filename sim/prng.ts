/**
 * The only randomness: a seeded generator that gives the same numbers on every machine, and names
 * drawn from it.
 */
import { customRandom } from 'nanoid';

const GOLDEN = 0x9e3779b9;

/** The finalizer of splitmix32: a bijection of 32-bit integers. */
function mixed(value: number): number {
  let z = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  return z ^ (z >>> 16);
}

/** sfc32 seeded through splitmix32. State is four 32-bit words. */
export class Prng {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  /** @param seed any safe integer; both of its 32-bit halves count */
  constructor(seed: number) {
    const state = (seed ^ Math.floor(seed / 0x1_0000_0000)) | 0;
    this.#a = mixed((state + GOLDEN) | 0);
    this.#b = mixed((state + 2 * GOLDEN) | 0) ^ Math.floor(seed / 0x1_0000_0000);
    this.#c = mixed((state + 3 * GOLDEN) | 0);
    for (let i = 0; i < 12; i++) this.uint32();
  }

  /** A number from 0 to 2^32 - 1. */
  uint32(): number {
    const t = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + t;
    this.#c |= 0;
    return t >>> 0;
  }

  /** A number from 0 to `bound` - 1, each as likely as the others. */
  below(bound: number): number {
    const limit = Math.floor(0x1_0000_0000 / bound) * bound;
    let value = this.uint32();
    while (value >= limit) value = this.uint32();
    return value % bound;
  }
}

/**
 * The seed of one of many independent pieces of work that depend on one seed, such as the schedules
 * of a sample.
 * @returns an integer of 48 bits
 */
export function splitSeed(seed: number, index: number): number {
  // A bijection of the index for each seed, so that no two of the first 2^32 are the same.
  const high = mixed(seed ^ mixed((index + GOLDEN) | 0));
  const low = mixed((high + Math.floor(seed / 0x1_0000_0000)) ^ mixed(index ^ GOLDEN));
  return (high >>> 0) * 0x1_0000 + (low & 0xffff);
}

/** A short name that only the seed decides. */
export const seededName = (prng: Prng, length: number): string =>
  customRandom('0123456789abcdefghijklmnopqrstuvwxyz', length, (size) => Uint8Array.from({ length: size }, () => prng.below(256)))();
