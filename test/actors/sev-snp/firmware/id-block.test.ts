/**
 * ID block and ID authentication information: their bytes, their signatures against node:crypto,
 * published values, and which field an error names.
 */
import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, verify } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeIdAuth,
  decodeIdBlock,
  encodeIdBlock,
  type IdBlock,
  idSignaturesHold,
  signIdBlock,
} from '../../../../actors/sev-snp/firmware/id-block.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const bytesOf = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'hex'));

/**
 * The keys that virtee/sev-snp-measure tests with, and what it says of them.
 * @see tests/test_id_block.py
 */
const ID = bytesOf('dddcd8eb3ddb93a00dd8d9b53cbbe9bec0bfa2704eb064e8809b9168a472631f1d9aebb65caa1717981fc30709f85ac2');
const AUTHOR = bytesOf('944e0a599fa5ade91be12471b73f33c8124ca5d71f3ed06de096d9ea1fade26dda58f98f7d336b6bdf826168a8127493');
const MEASURED = bytesOf('076f052d08bda7a700aa2a608c5caa6b00ebad297b6d68a85a45b1e669a558b67e1b91d284a301fe63c4fa0750467eed');
const ID_DIGEST = '870b7e35c53f8a72d0d322f75ab2af8262792aaf6579622ce4131c3f21f289e77cb0560a5e3b90b3932e674ec709cb14';
const AUTHOR_DIGEST = '63111c34bbfc0a4938f9a009bd074980d8172323e61599c9fd336da8673248e1dca98d0be8f76376a106b8afd4c0a057';
const BLOCK =
  'B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7tAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAwAAAAAA';

const PLAIN: IdBlock = {
  launchDigest: MEASURED,
  familyId: new Uint8Array(16),
  imageId: new Uint8Array(16),
  guestSvn: 0,
  policy: 0x3_0000n,
};

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const idBlock: fc.Arbitrary<IdBlock> = fc.record({
  launchDigest: bytes(48),
  familyId: bytes(16),
  imageId: bytes(16),
  guestSvn: fc.nat(0xffff_ffff),
  policy: fc.bigInt(0n, 2n ** 26n - 1n).map((value) => value | (1n << 17n)),
});

describe('the ID block', () => {
  it('is that of a published test', () => {
    expect(Buffer.from(encodeIdBlock(PLAIN)).toString('base64')).toBe(BLOCK);
  });

  it('has each field in its place', () => {
    const block = encodeIdBlock({
      launchDigest: new Uint8Array(48).fill(1),
      familyId: new Uint8Array(16).fill(2),
      imageId: new Uint8Array(16).fill(3),
      guestSvn: 0x0403_0201,
      policy: 0x1122_3344_5566_7788n,
    });
    expect(hex(block)).toBe(`${'01'.repeat(48)}${'02'.repeat(16)}${'03'.repeat(16)}01000000010203048877665544332211`);
  });

  it.each([0x1_0000n, 0x403_0000n, 0x8000_0000_0003_0000n])('has no policy %x, which no guest can have', (policy) => {
    expect(() => decodeIdBlock(encodeIdBlock({ ...PLAIN, policy }))).toThrow('POLICY at 0x058: ');
  });

  it('is read as it was written', () => {
    fc.assert(
      fc.property(idBlock, (block) => {
        expect(decodeIdBlock(encodeIdBlock(block))).toEqual(block);
      }),
    );
  });

  it('is refused with another version or length', () => {
    const block = encodeIdBlock(PLAIN);
    block[0x50] = 2;
    expect(() => decodeIdBlock(block)).toThrow('VERSION at 0x050: found 2; expected 1');
    expect(() => decodeIdBlock(block.subarray(1))).toThrow('95 bytes; expected 96');
  });
});

/** A signature of the structure, as node:crypto takes it. */
function signatureIn(auth: Uint8Array, at: number): Uint8Array {
  const number = (from: number): Buffer => Buffer.from(auth.slice(from, from + 48)).reverse();
  return Buffer.concat([number(at), number(at + 72)]);
}

/** A key of the structure, as node:crypto takes it. */
function keyIn(auth: Uint8Array, at: number): KeyObject {
  const number = (from: number): string =>
    Buffer.from(auth.slice(from, from + 48))
      .reverse()
      .toString('base64url');
  return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-384', x: number(at + 4), y: number(at + 76) } });
}

const verifiesByNode = (message: Uint8Array, auth: Uint8Array, key: number, signature: number): boolean =>
  verify('sha384', message, { key: keyIn(auth, key), dsaEncoding: 'ieee-p1363' }, signatureIn(auth, signature));

const secretOf = (key: KeyObject): Uint8Array => Uint8Array.from(Buffer.from(key.export({ format: 'jwk' }).d!, 'base64url'));

describe('the ID authentication information', () => {
  const block = encodeIdBlock(PLAIN);
  const auth = signIdBlock(block, { id: ID, author: AUTHOR });
  const changed = (at: number, value?: number): Uint8Array => {
    const other = auth.slice();
    other[at] = value ?? other[at]! ^ 1;
    return other;
  };

  it('has the key digests of a published test', () => {
    const { id, author } = decodeIdAuth(auth);
    expect([hex(id.keyDigest), hex(author!.keyDigest)]).toEqual([ID_DIGEST, AUTHOR_DIGEST]);
    expect(
      createHash('sha384')
        .update(auth.subarray(0x240, 0x240 + 1028))
        .digest('hex'),
    ).toBe(ID_DIGEST);
  });

  it('has signatures that node:crypto verifies', () => {
    expect(auth).toHaveLength(4096);
    expect(verifiesByNode(block, auth, 0x240, 0x40)).toBe(true);
    expect(verifiesByNode(auth.slice(0x240, 0x240 + 1028), auth, 0x880, 0x680)).toBe(true);
    const other = block.slice();
    other[0] = 0;
    expect(verifiesByNode(other, auth, 0x240, 0x40)).toBe(false);
  });

  it('is the same each time, whatever the keys', () => {
    for (let i = 0; i < 3; i++) {
      const [id, author] = [0, 1].map(() => secretOf(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)) as [
        Uint8Array,
        Uint8Array,
      ];
      const made = signIdBlock(block, { id, author });
      expect(signIdBlock(block, { id, author })).toEqual(made);
      expect(idSignaturesHold(block, decodeIdAuth(made))).toEqual({ block: true, idKey: true });
      expect(verifiesByNode(block, made, 0x240, 0x40)).toBe(true);
    }
  });

  it('needs no author', () => {
    const made = signIdBlock(block, { id: ID });
    expect(decodeIdAuth(made).author).toBe(null);
    expect(idSignaturesHold(block, decodeIdAuth(made))).toEqual({ block: true, idKey: null });
    expect(hex(made.subarray(0x680))).toBe('00'.repeat(4096 - 0x680));
  });

  it('does not hold for another block, signature or key', () => {
    const other = encodeIdBlock({ ...PLAIN, guestSvn: 1 });
    expect(idSignaturesHold(other, decodeIdAuth(auth))).toEqual({ block: false, idKey: true });
    expect(idSignaturesHold(block, decodeIdAuth(changed(0x41)))).toEqual({ block: false, idKey: true });
    expect(idSignaturesHold(block, decodeIdAuth(changed(0x681)))).toEqual({ block: true, idKey: false });
    const zero = auth.slice();
    zero.fill(0, 0x40, 0x40 + 512);
    expect(idSignaturesHold(block, decodeIdAuth(zero))).toEqual({ block: false, idKey: true });
  });

  it.each([
    [0x000, 2, 'ID_KEY_ALGO at 0x000: found 2'],
    [0x000, 0, 'ID_KEY_ALGO at 0x000: found 0'],
    [0x004, 2, 'AUTHOR_KEY_ALGO at 0x004: found 2'],
    [0x004, 0, 'AUTHOR_KEY_ALGO is 0, but ID_KEY_SIG 0x680 to 0x87f: found'],
    [0x008, 1, 'reserved bytes 0x008 to 0x03f: found 0x1 at 0x008'],
    [0x03f, 1, 'found 0x1 at 0x03f'],
    [0x040 + 48, 1, 'ID_BLOCK_SIG, bytes 0x030 to 0x047: found 0x1 at 0x030'],
    [0x040 + 143, 1, 'ID_BLOCK_SIG, bytes 0x078 to 0x08f: found 0x1 at 0x08f'],
    [0x040 + 144, 1, 'ID_BLOCK_SIG, bytes 0x090 to 0x1ff: found 0x1 at 0x090'],
    [0x240, 1, 'ID_KEY.CURVE: found 1; expected 2'],
    [0x244 + 71, 1, 'ID_KEY, bytes 0x034 to 0x04b: found 0x1 at 0x04b'],
    [0x244 + 72 + 48, 1, 'ID_KEY, bytes 0x07c to 0x403: found 0x1 at 0x07c'],
    [0x244, undefined, 'ID_KEY: found no point'],
    [0x643, 9, 'found 0x9 at 0x403'],
    [0x644, 1, 'reserved bytes 0x644 to 0x67f: found 0x1 at 0x644'],
    [0x67f, 1, 'found 0x1 at 0x67f'],
    [0x680 + 60, 1, 'ID_KEY_SIG, bytes 0x030 to 0x047: found 0x1 at 0x03c'],
    [0x880, 3, 'AUTHOR_KEY.CURVE: found 3'],
    [0xc84, 1, 'reserved bytes 0xc84 to 0xfff: found 0x1 at 0xc84'],
    [0xfff, 1, 'found 0x1 at 0xfff'],
  ])('is refused with byte %s at %s: %s', (at, value, says) => {
    expect(() => decodeIdAuth(changed(at, value))).toThrow(says);
  });

  it('is refused with another length', () => {
    expect(() => decodeIdAuth(auth.subarray(1))).toThrow('4095 bytes; expected 4096');
  });

  it('is read whatever its bytes, or refused with a sentence', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(4095), fc.nat(255)), { maxLength: 3 }), (changes) => {
        const other = auth.slice();
        for (const [at, value] of changes) other[at] = value;
        let read: ReturnType<typeof decodeIdAuth>;
        try {
          read = decodeIdAuth(other);
        } catch (error) {
          expect((error as Error).message).toMatch(/; expected/);
          return;
        }
        const same = hex(other) === hex(auth);
        const { block: holds, idKey } = idSignaturesHold(block, read);
        expect(holds && idKey).toBe(same);
      }),
    );
  });

  it('takes a key of node:crypto as a number', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const made = signIdBlock(block, { id: secretOf(createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))) });
    expect(keyIn(made, 0x240).equals(createPublicKey(privateKey))).toBe(true);
  });
});
