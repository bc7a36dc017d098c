/** The checksum: published vectors, and the slow definition. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { crc32c } from '../../replay/crc32c.ts';

const ascii = (text: string) => Uint8Array.from(text, (c) => c.charCodeAt(0));

function bitByBit(bytes: Uint8Array): number {
  let crc = -1;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe('crc32c', () => {
  it.each([
    ['nothing', new Uint8Array(0), 0],
    ['123456789', ascii('123456789'), 0xe3069283],
    ['32 zeros', new Uint8Array(32), 0x8a9136aa],
    ['32 times 0xff', new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ['0 to 31', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ])('gives the published value for %s', (_name, bytes, expected) => {
    expect(crc32c(bytes)).toBe(expected);
  });

  it('equals the definition on all lengths and offsets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), fc.nat(10), (bytes, from) => {
        const start = Math.min(from, bytes.length);
        expect(crc32c(bytes, start)).toBe(bitByBit(bytes.subarray(start)));
      }),
    );
  });
});
