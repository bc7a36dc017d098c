/**
 * Protocol-buffer messages, written straight to bytes. Numbers are unsigned and at most 2^53 - 1.
 */

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;

/** The longest UTF-8 form of one UTF-16 unit. */
const UNIT_BYTES = 3;

export class ProtobufWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;
  readonly #encoder = new TextEncoder();

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  get length(): number {
    return this.#length;
  }

  /** What was written so far; the writer is empty afterwards. */
  take(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  number(field: number, value: number): void {
    this.#key(field, VARINT);
    this.#varint(value);
  }

  /** A signed number as protobuf writes int64: ten bytes where it is negative. */
  signed(field: number, value: number): void {
    this.#key(field, VARINT);
    let rest = BigInt.asUintN(64, BigInt(value));
    this.#reserve(10);
    for (; rest > 127n; rest >>= 7n) this.#bytes[this.#length++] = Number(rest & 127n) | 128;
    this.#bytes[this.#length++] = Number(rest);
  }

  boolean(field: number, value: boolean): void {
    this.number(field, value ? 1 : 0);
  }

  double(field: number, value: number): void {
    this.#key(field, FIXED64);
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  fixed64(field: number, value: number): void {
    this.#key(field, FIXED64);
    this.#reserve(8);
    this.#view.setBigUint64(this.#length, BigInt(value), true);
    this.#length += 8;
  }

  text(field: number, value: string): void {
    const start = this.begin(field);
    this.#reserve(UNIT_BYTES * value.length);
    this.#length += this.#encoder.encodeInto(value, this.#bytes.subarray(this.#length)).written;
    this.end(start);
  }

  /** Opens a message within the open message; `end` closes it and fills in its length. */
  begin(field: number): number {
    this.#key(field, BYTES);
    this.#reserve(1);
    return ++this.#length;
  }

  end(start: number): void {
    const size = this.#length - start;
    const extra = varintBytes(size) - 1;
    if (extra > 0) {
      this.#reserve(extra);
      this.#bytes.copyWithin(start + extra, start, this.#length);
    }
    this.#length = start - 1;
    this.#varint(size);
    this.#length += size;
  }

  #key(field: number, type: number): void {
    this.#varint(8 * field + type);
  }

  #varint(value: number): void {
    this.#reserve(8);
    let rest = value;
    for (; rest > 127; rest = Math.floor(rest / 128)) this.#bytes[this.#length++] = (rest % 128) | 128;
    this.#bytes[this.#length++] = rest;
  }

  #reserve(size: number): void {
    if (this.#length + size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + size));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}

const varintBytes = (value: number): number => {
  let bytes = 1;
  for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) bytes++;
  return bytes;
};
