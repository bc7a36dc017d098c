/**
 * The little of protocol buffers that a talk with the trace processor needs.
 * @see Perfetto protos/perfetto/trace_processor
 */
import type { Cell, Row } from './trace-processor.ts';

/** Field number to its values: numbers as bigint, the rest as bytes. */
export type Message = ReadonlyMap<number, readonly (bigint | Uint8Array)[]>;

const BATCH = { columns: 1, error: 2, batch: 3 } as const;
const CELLS = { kinds: 1, integers: 2, doubles: 3, blobs: 4, texts: 5 } as const;
const KIND = { null: 1, integer: 2, double: 3, text: 4, blob: 5 } as const;

class Reader {
  readonly #bytes: Uint8Array;
  at = 0;
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }
  get done(): boolean {
    return this.at >= this.#bytes.length;
  }
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) throw new Error('a reply of the trace processor is cut');
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, value);
    }
  }
  take(size: number): Uint8Array {
    const taken = this.#bytes.subarray(this.at, this.at + size);
    this.at += size;
    return taken;
  }
}

export function readMessages(bytes: Uint8Array): { readonly field: number; readonly bytes: Uint8Array }[] {
  const reader = new Reader(bytes);
  const messages = [];
  while (!reader.done) {
    const field = Number(reader.varint() >> 3n);
    messages.push({ field, bytes: reader.take(Number(reader.varint())) });
  }
  return messages;
}

export function messageOf(bytes: Uint8Array): Message {
  const reader = new Reader(bytes);
  const fields = new Map<number, (bigint | Uint8Array)[]>();
  while (!reader.done) {
    const key = reader.varint();
    const field = Number(key >> 3n);
    const type = Number(key & 7n);
    const value = type === 0 ? reader.varint() : reader.take(type === 1 ? 8 : type === 5 ? 4 : Number(reader.varint()));
    fields.set(field, [...(fields.get(field) ?? []), value]);
  }
  return fields;
}

function varint(value: number): Buffer {
  const bytes = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  return Buffer.from([...bytes, rest]);
}

export const numberField = (field: number, value: number): Buffer => Buffer.concat([varint(8 * field), varint(value)]);
export function textField(field: number, value: string | Uint8Array): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([varint(8 * field + 2), varint(bytes.length), bytes]);
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
const bytesOf = (message: Message, field: number): Uint8Array[] => (message.get(field) ?? []) as Uint8Array[];

function* packed(parts: readonly Uint8Array[]): Generator<bigint> {
  for (const part of parts) {
    const reader = new Reader(part);
    while (!reader.done) yield reader.varint();
  }
}

function* doubles(parts: readonly Uint8Array[]): Generator<number> {
  for (const part of parts)
    for (let at = 0; at < part.length; at += 8) yield new DataView(part.buffer, part.byteOffset + at).getFloat64(0, true);
}

/** The cells of one batch in order. */
function* cellsOf(batch: Message): Generator<Cell> {
  const integers = packed(bytesOf(batch, CELLS.integers));
  const floats = doubles(bytesOf(batch, CELLS.doubles));
  const blobs = bytesOf(batch, CELLS.blobs).values();
  const texts = bytesOf(batch, CELLS.texts)
    .flatMap((bytes) => textOf(bytes).split('\0'))
    .values();
  for (const kind of packed(bytesOf(batch, CELLS.kinds))) {
    if (kind === BigInt(KIND.integer)) yield BigInt.asIntN(64, integers.next().value as bigint);
    else if (kind === BigInt(KIND.double)) yield floats.next().value as number;
    else if (kind === BigInt(KIND.text)) yield texts.next().value as string;
    else if (kind === BigInt(KIND.blob)) yield blobs.next().value as Uint8Array;
    else yield null;
  }
}

const plain = (cell: Cell): Cell => (typeof cell === 'bigint' && Number.isSafeInteger(Number(cell)) ? Number(cell) : cell);

/** Rows out of the parts of a result. @throws Error with the message of the trace processor */
export function valuesOf(parts: readonly (bigint | Uint8Array)[], sql: string): Row[] {
  const columns: string[] = [];
  const rows: Row[] = [];
  for (const part of parts) {
    const result = messageOf(part as Uint8Array);
    const [error] = bytesOf(result, BATCH.error);
    if (error && error.length > 0) throw new Error(`${textOf(error)}\n${sql}`);
    columns.push(...bytesOf(result, BATCH.columns).map(textOf));
    for (const batch of bytesOf(result, BATCH.batch)) {
      const cells = [...cellsOf(messageOf(batch))].map(plain);
      for (let at = 0; at < cells.length; at += columns.length) {
        rows.push(Object.fromEntries(columns.map((column, index) => [column, cells[at + index]!])));
      }
    }
  }
  return rows;
}
