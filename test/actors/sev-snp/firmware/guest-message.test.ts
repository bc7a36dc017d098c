/** Guest messages: what node:crypto seals and opens, and what a header may say. */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  HEADER_BYTES,
  headerOf,
  type MessageHeader,
  openMessage,
  PAYLOAD_BYTES_MAX,
  REQUESTS,
  sealMessage,
} from '../../../../actors/sev-snp/firmware/guest-message.ts';
import { chipOf, guestSecrets } from '../../../../actors/sev-snp/firmware/key-hierarchy.ts';

const KEY = guestSecrets(chipOf(1), 1).vmpcks[0]!;
const HEADER: MessageHeader = { sequence: 1n, type: REQUESTS.REPORT, version: 1, vmpck: 0 };
const PAYLOAD = Uint8Array.from({ length: 0x60 }, (_, i) => i);

const anyHeader = fc.record({
  sequence: fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }),
  type: fc.integer({ min: 1, max: 14 }),
  version: fc.integer({ min: 0, max: 255 }),
  vmpck: fc.integer({ min: 0, max: 3 }),
});
const anyPayload = fc.uint8Array({ minLength: 1, maxLength: 300 });
const anyKey = fc.uint8Array({ minLength: 32, maxLength: 32 });

const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.map((byte, i) => (i === at ? byte ^ 0x40 : byte));

/** The nonce as the notes on the domain have it. */
function ivOf({ sequence }: MessageHeader): Buffer {
  const iv = Buffer.alloc(12);
  iv.writeBigUInt64LE(sequence);
  return iv;
}

describe('a guest message', () => {
  it('is opened by node:crypto: the tag at 0x00, bytes 0x30 to 0x5f authenticated, the number as nonce', () => {
    fc.assert(
      fc.property(anyHeader, anyPayload, anyKey, (header, payload, key) => {
        const message = Buffer.from(sealMessage(header, payload, key));
        const decipher = createDecipheriv('aes-256-gcm', key, ivOf(header));
        decipher.setAAD(message.subarray(0x30, 0x60)).setAuthTag(message.subarray(0, 16));
        expect(Buffer.concat([decipher.update(message.subarray(0x60)), decipher.final()])).toEqual(Buffer.from(payload));
        expect(message.readBigUInt64LE(0x20)).toBe(header.sequence);
        expect([...message.subarray(0x30, 0x36)]).toEqual([1, 1, 0x60, 0, header.type, header.version]);
        expect(message.readUInt16LE(0x36)).toBe(payload.length);
        expect(message[0x3c]).toBe(header.vmpck);
      }),
      { numRuns: 50, seed: 1 },
    );
  });

  it('is opened here if node:crypto has sealed it', () => {
    fc.assert(
      fc.property(anyHeader, anyPayload, anyKey, (header, payload, key) => {
        const message = Buffer.from(sealMessage(header, new Uint8Array(payload.length), KEY));
        const cipher = createCipheriv('aes-256-gcm', key, ivOf(header));
        cipher.setAAD(message.subarray(0x30, 0x60));
        Buffer.concat([cipher.update(payload), cipher.final()]).copy(message, 0x60);
        cipher.getAuthTag().copy(message, 0);
        expect(headerOf(message)).toEqual(header);
        expect(openMessage(message, key)).toEqual(Uint8Array.from(payload));
      }),
      { numRuns: 50, seed: 2 },
    );
  });

  it('is not opened after any byte of it was changed', () => {
    const message = sealMessage(HEADER, PAYLOAD, KEY);
    for (let at = 0; at < message.length; at++) {
      let opened: Uint8Array | null = null;
      try {
        opened = openMessage(flipped(message, at), KEY);
      } catch (error) {
        expect(error).toMatchObject({ name: 'FirmwareFormatError' });
      }
      expect(opened).toBeNull();
    }
  });

  it('is not opened with another of the keys of its guest', () => {
    const message = sealMessage(HEADER, PAYLOAD, KEY);
    expect(openMessage(message, guestSecrets(chipOf(1), 1).vmpcks[1]!)).toBeNull();
    expect(openMessage(message, KEY)).toEqual(PAYLOAD);
  });

  it('has a reserved byte refused, with its place', () => {
    const message = sealMessage(HEADER, PAYLOAD, KEY);
    const reserved = [
      [0x10, 0x20],
      [0x28, 0x30],
      [0x38, 0x3c],
      [0x3d, 0x60],
    ] as const;
    for (const [from, to] of reserved)
      for (let at = from; at < to; at++) {
        const hex = (value: number): string => `0x${value.toString(16).padStart(3, '0')}`;
        expect(() => headerOf(flipped(message, at))).toThrow(`reserved bytes ${hex(from)} to ${hex(to - 1)}: found 0x40 at ${hex(at)}`);
      }
  });

  const WRONG: readonly (readonly [at: number, value: number, says: string])[] = [
    [0x20, 0, 'sequence number at 0x020: found 0, which is no number of a message'],
    [0x30, 2, 'algorithm at 0x030: found 0x2; expected 0x1'],
    [0x31, 2, 'header version at 0x031: found 0x2; expected 0x1'],
    [0x32, 0x61, 'header size at 0x032: found 0x61; expected 0x60'],
    [0x34, 0, 'message type at 0x034: found 0; expected 1 to 14'],
    [0x34, 15, 'message type at 0x034: found 15; expected 1 to 14'],
    [0x36, 0x5f, 'message size at 0x036: found 95; the message has 96 bytes behind its header'],
    [0x37, 0x10, 'message size at 0x036: found 4192; expected 1 to 4000'],
    [0x3c, 4, 'VMPCK at 0x03c: found 4; expected 0 to 3'],
  ];
  it.each(WRONG)('with byte %i set to %i is refused: %s', (at, value, says) => {
    const message = sealMessage(HEADER, PAYLOAD, KEY);
    message[at] = value;
    expect(() => headerOf(message)).toThrow(says);
  });

  it('fits a page, and is no shorter than its header', () => {
    expect(sealMessage(HEADER, new Uint8Array(PAYLOAD_BYTES_MAX), KEY).length).toBe(0x60 + 4000);
    expect(() => sealMessage(HEADER, new Uint8Array(PAYLOAD_BYTES_MAX + 1), KEY)).toThrow('expected 1 to 4000');
    expect(() => sealMessage(HEADER, new Uint8Array(0), KEY)).toThrow('expected 1 to 4000');
    expect(() => headerOf(new Uint8Array(HEADER_BYTES - 1))).toThrow('found 95 bytes; expected a header of 96');
  });
});
