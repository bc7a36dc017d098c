/**
 * Columns of unsigned integers: seven bits a byte, least significant first, the high bit set on all
 * but the last.
 */
import { UndecodableError } from './errors.ts';

/** The longest varint: 2^53 - 1 takes eight bytes. */
const VARINT_BYTES_MAX = 8;

/** A growing column of bytes. */
export class Column {
  bytes = new Uint8Array(1024);
  length = 0;

  /** Makes room; `put` and `putInt32` do not check. */
  reserve(bytes: number): void {
    if (this.length + bytes <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.bytes.length, this.length + bytes));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  /** Appends an integer from 0 to 2^53 - 1. */
  put(value: number): void {
    let rest = value;
    while (rest > 0x7fffffff) {
      this.bytes[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    while (rest > 0x7f) {
      this.bytes[this.length++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.bytes[this.length++] = rest;
  }

  /** Appends one integer, making room for it. For columns that are not hot. */
  push(value: number): void {
    this.reserve(VARINT_BYTES_MAX);
    this.put(value);
  }

  /** Appends four bytes, least significant first. */
  putInt32(value: number): void {
    const at = this.length;
    this.bytes[at] = value;
    this.bytes[at + 1] = value >>> 8;
    this.bytes[at + 2] = value >>> 16;
    this.bytes[at + 3] = value >>> 24;
    this.length = at + 4;
  }

  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}

/**
 * Reads exactly `count` integers that fill the whole column.
 * @throws UndecodableError if there are fewer or more, or if one is greater than `max`
 */
export function readColumn<A extends Int32Array | Float64Array>(bytes: Uint8Array, into: A, count: number, max: number, name: string): A {
  let at = 0;
  for (let i = 0; i < count; i++) {
    let value = bytes[at++]!;
    if (value > 0x7f) {
      value &= 0x7f;
      let scale = 128;
      let byte = 0x80;
      for (let length = 1; byte > 0x7f; length++) {
        if (length === VARINT_BYTES_MAX)
          throw new UndecodableError(`column ${name}: integer ${i} is longer than ${VARINT_BYTES_MAX} bytes`);
        byte = bytes[at++]!;
        value += (byte & 0x7f) * scale;
        scale *= 128;
      }
    }
    if (at > bytes.length) throw new UndecodableError(`column ${name} ends after ${i} of ${count} integers`);
    if (value > max) throw new UndecodableError(`column ${name}: integer ${i} is ${value}, over ${max}`);
    into[i] = value;
  }
  if (at !== bytes.length) throw new UndecodableError(`column ${name} has ${bytes.length - at} bytes too many after ${count} integers`);
  return into;
}

/** Reads a column whose number of integers its contents decide. */
export class ColumnReader {
  readonly #bytes: Uint8Array;
  readonly #name: string;
  #at = 0;

  constructor(bytes: Uint8Array, name: string) {
    this.#bytes = bytes;
    this.#name = name;
  }

  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** Bytes that are not read yet: as many integers, at most. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** @throws UndecodableError at the end, or if the integer is greater than `max` */
  next(max: number): number {
    let value = 0;
    let scale = 1;
    for (let length = 0; length < VARINT_BYTES_MAX; length++) {
      const byte = this.#bytes[this.#at++];
      if (byte === undefined) throw new UndecodableError(`column ${this.#name} ends within an integer`);
      value += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) {
        if (value > max) throw new UndecodableError(`column ${this.#name}: ${value} is over ${max}`);
        return value;
      }
    }
    throw new UndecodableError(`column ${this.#name}: an integer is longer than ${VARINT_BYTES_MAX} bytes`);
  }

  /** @throws UndecodableError unless everything was read */
  end(): void {
    if (!this.done) throw new UndecodableError(`column ${this.#name} has ${this.#bytes.length - this.#at} bytes too many`);
  }
}
