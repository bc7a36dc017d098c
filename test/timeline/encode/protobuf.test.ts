/**
 * The protobuf writer: its bytes as the format's own documents give them, and read back by another
 * reader.
 */
import { describe, expect, it } from 'vitest';
import { ProtobufWriter } from '../../../timeline/encode/protobuf.ts';
import { messageOf } from '../../e2e/trace-processor-wire.ts';

const bytesOf = (write: (writer: ProtobufWriter) => void, capacity = 4): number[] => {
  const writer = new ProtobufWriter(capacity);
  write(writer);
  return [...writer.take()];
};

describe('the protobuf writer', () => {
  it('writes the examples of the encoding guide', () => {
    expect(bytesOf((w) => w.number(1, 150))).toEqual([0x08, 0x96, 0x01]);
    expect(bytesOf((w) => w.text(2, 'testing'))).toEqual([0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6e, 0x67]);
    const nested = bytesOf((w) => {
      const start = w.begin(3);
      w.number(1, 150);
      w.end(start);
    });
    expect(nested).toEqual([0x1a, 0x03, 0x08, 0x96, 0x01]);
    expect(bytesOf((w) => w.signed(1, -2))).toEqual([0x08, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
  });

  it.each([0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32, 2 ** 53 - 1])('keeps %d', (value) => {
    expect(messageOf(Uint8Array.from(bytesOf((w) => w.number(29, value)))).get(29)).toEqual([BigInt(value)]);
    expect(messageOf(Uint8Array.from(bytesOf((w) => w.signed(1, value)))).get(1)).toEqual([BigInt(value)]);
    const [fixed] = messageOf(Uint8Array.from(bytesOf((w) => w.fixed64(1, value)))).get(1)! as [Uint8Array];
    expect(new DataView(fixed.buffer, fixed.byteOffset).getBigUint64(0, true)).toBe(BigInt(value));
  });

  it.each([0, 126, 127, 128, 129, 16_383, 16_384, 70_000])('moves a message of %i bytes to make room for its length', (size) => {
    const body = 'x'.repeat(size);
    const bytes = Uint8Array.from(
      bytesOf((w) => {
        const outer = w.begin(1);
        w.number(7, 5);
        w.text(2, body);
        w.end(outer);
        w.number(3, 9);
      }),
    );
    const message = messageOf(bytes);
    const inner = messageOf(message.get(1)![0] as Uint8Array);
    expect(message.get(3)).toEqual([9n]);
    expect(inner.get(7)).toEqual([5n]);
    expect(Buffer.from(inner.get(2)![0] as Uint8Array).toString()).toBe(body);
  });

  it('starts again after its bytes were taken', () => {
    const writer = new ProtobufWriter(2);
    writer.double(1, 0.5);
    expect(writer.take()).toHaveLength(9);
    expect(writer.length).toBe(0);
    writer.boolean(1, true);
    expect([...writer.take()]).toEqual([8, 1]);
  });
});
