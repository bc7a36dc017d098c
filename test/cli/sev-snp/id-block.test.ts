/** `id-block` and `id-auth`: what they make with keys, what they check, what they refuse. */
import { createECDH, createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { Bench } from '../run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

interface Digest {
  readonly base64: string;
  readonly hex: string;
}
interface Answer {
  readonly ok: boolean;
  readonly wrong: readonly string[];
  readonly block: string;
  readonly auth: string | null;
  readonly keyDigests: { readonly id: Digest | null; readonly author: Digest | null };
  readonly fields: Readonly<Record<string, unknown>>;
}

const LAUNCH = 'ab'.repeat(48);
const SEC1 = { type: 'sec1', format: 'pem' } as const;
const PKCS8 = { type: 'pkcs8', format: 'pem' } as const;
const SPKI = { type: 'spki', format: 'pem' } as const;
const SECRET = { cipher: 'aes-256-cbc', passphrase: 'secret' } as const;

const write = (name: string, data: string | Uint8Array): void => writeFileSync(bench.path(name), data);
const id = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const author = generateKeyPairSync('ec', { namedCurve: 'P-384' });
const p256 = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 });
write('id.pem', id.privateKey.export(SEC1));
write('id8.pem', id.privateKey.export(PKCS8));
write('id.pub.pem', id.publicKey.export(SPKI));
write('author.pem', author.privateKey.export(PKCS8));
write('p256.pem', p256.privateKey.export(SEC1));
write('p256.pub.pem', p256.publicKey.export(SPKI));
write('rsa.pem', rsa.privateKey.export(PKCS8));
write('ed.pem', generateKeyPairSync('ed25519').privateKey.export(PKCS8));
write('secret.pem', id.privateKey.export({ ...SEC1, ...SECRET }));
write('secret8.pem', id.privateKey.export({ ...PKCS8, ...SECRET }));
write('id.der', id.privateKey.export({ type: 'sec1', format: 'der' }));
write('cut.pem', id.privateKey.export(SEC1).slice(0, 100));
write('broken.pem', '-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----\n');
write('long.pem', `-----BEGIN EC PRIVATE KEY-----\n${'A'.repeat(1 << 17)}`);
write('text.pem', 'no key');
const pemOf = (name: string): string => readFileSync(bench.path(name), 'utf8');
write('two.pem', pemOf('id.pem') + pemOf('author.pem'));
write('both.pem', pemOf('id.pub.pem') + pemOf('id.pem'));

/** The digest of a key, from the structure that the manual has. */
function digestOf(key: KeyObject): string {
  const { x, y } = createPublicKey(key.export(SPKI)).export({ format: 'jwk' });
  const bytes = Buffer.alloc(1028);
  bytes[0] = 2;
  Buffer.from(x!, 'base64url').reverse().copy(bytes, 4);
  Buffer.from(y!, 'base64url').reverse().copy(bytes, 76);
  return createHash('sha384').update(bytes).digest('hex');
}

const make = async (...more: readonly string[]): Promise<Answer> =>
  (await bench.run(['id-block', '--digest', LAUNCH, ...more, '--json'])).json<Answer>();

describe('id-block', () => {
  it('makes the block of a launch digest', async () => {
    const more = ['--family-id', '11'.repeat(16), '--image-id', '22'.repeat(16), '--svn', '7', '--policy', '0xb0000'];
    const { ok, wrong, block, auth, keyDigests } = await make(...more);
    expect({ ok, wrong, auth, keyDigests }).toEqual({ ok: true, wrong: [], auth: null, keyDigests: { id: null, author: null } });
    const expected = `${LAUNCH}${'11'.repeat(16)}${'22'.repeat(16)}010000000700000000000b0000000000`;
    expect(Buffer.from(block, 'base64').toString('hex')).toBe(expected);
    const { out } = await bench.run(['id-block', '--digest', Buffer.from(LAUNCH, 'hex').toString('base64')]);
    expect(out).toBe(`${(await make()).block}\n`);
  });

  it('signs with keys in either form, and names them', async () => {
    const answer = await make('--id-key', 'id.pem', '--author-key', 'author.pem');
    expect(answer.keyDigests.id!.hex).toBe(digestOf(id.publicKey));
    expect(answer.keyDigests.author!.hex).toBe(digestOf(author.publicKey));
    expect(Buffer.from(answer.keyDigests.id!.base64, 'base64').toString('hex')).toBe(answer.keyDigests.id!.hex);
    expect(Buffer.from(answer.auth!, 'base64')).toHaveLength(4096);
    expect(await make('--id-key', 'id8.pem', '--author-key', 'author.pem')).toEqual(answer);
  });

  it('compares a block with what is asked for', async () => {
    await bench.run(['id-block', '--digest', LAUNCH, '--svn', '3', '-o', 'block.bin']);
    expect(readFileSync(bench.path('block.bin'))).toHaveLength(96);
    const read = await bench.run(['id-block', 'block.bin', '--digest', LAUNCH, '--svn', '3', '--policy', '0x30000', '--json']);
    expect([read.code, read.json<Answer>().ok]).toEqual([0, true]);
    expect(read.json<Answer>().fields).toEqual({
      digest: LAUNCH,
      familyId: '00'.repeat(16),
      imageId: '00'.repeat(16),
      guestSvn: 3,
      policy: '0x30000',
    });
    const other = await bench.run(['id-block', 'block.bin', '--digest', '00'.repeat(48), '--svn', '4', '--image-id', '01'.repeat(16)]);
    expect([other.code, other.out.match(/^wrong: .*/gm)]).toEqual([
      1,
      ['--digest', '--image-id', '--svn'].map((flag) => `wrong: the block is not as ${flag} says`),
    ]);
  });

  it.each(['hex', 'base64'] as const)('reads a block in %s, in lines too, and from standard input', async (form) => {
    const text = Buffer.from((await make()).block, 'base64').toString(form);
    const forms = [`${text}\n`, text.replace(/.{60}/g, '$&\r\n'), ...(form === 'hex' ? [`0x${text.toUpperCase()}`] : [])];
    for (const stdin of forms) expect((await bench.run(['id-block', '-', '--digest', LAUNCH], { stdin })).out).toContain('\nok\n');
  });
});

describe('id-auth', () => {
  it('signs a block, and checks what it has signed', async () => {
    await bench.run(['id-block', '--digest', LAUNCH, '-o', 'signed.bin']);
    const made = await bench.run(['id-auth', 'signed.bin', '--id-key', 'id.pem', '--author-key', 'author.pem', '-o', 'auth.bin']);
    expect([made.code, made.out.split('\n')[0]]).toEqual([0, 'auth.bin  4096 bytes']);
    const text = await bench.run(['id-auth', '--digest', LAUNCH, '--id-key', 'id.pem', '--author-key', 'author.pem']);
    expect(text.out.split('\n')[0]).toBe(readFileSync(bench.path('auth.bin')).toString('base64'));
    expect(text.out).toContain(`ID key digest      ${digestOf(id.publicKey)}\nauthor key digest  ${digestOf(author.publicKey)}\n`);
    const keys = ['--id-key', 'id.pub.pem', '--author-key', 'author.pem', '--digest', LAUNCH];
    const checked = await bench.run(['id-auth', 'signed.bin', 'auth.bin', ...keys, '--json']);
    expect([checked.code, checked.json<Answer>().wrong]).toEqual([0, []]);
  });

  it('ends with 1 where a signature or a key is another', async () => {
    await bench.run(['id-block', '--digest', LAUNCH, '--svn', '9', '-o', 'other.bin']);
    const other = await bench.run(['id-auth', 'other.bin', 'auth.bin', '--id-key', 'author.pem', '--json']);
    expect([other.code, other.json<Answer>().wrong]).toEqual([
      1,
      ['the ID key has not signed this block', 'the ID key is not that of --id-key'],
    ]);
    const changed = readFileSync(bench.path('auth.bin'));
    changed[0x680]! ^= 1;
    write('changed.bin', changed);
    const broken = await bench.run(['id-auth', 'signed.bin', 'changed.bin']);
    expect([broken.code, broken.out]).toEqual([1, expect.stringContaining('wrong: the author key has not signed this ID key')]);
    await bench.run(['id-auth', 'signed.bin', '--id-key', 'id.pem', '-o', 'alone.bin']);
    const alone = await bench.run(['id-auth', 'signed.bin', 'alone.bin', '--author-key', 'author.pem']);
    expect([alone.code, alone.out]).toEqual([1, expect.stringContaining('wrong: there is no author key')]);
  });

  it('signs nothing that is not as asked for', async () => {
    const { code, json } = await bench.run(['id-auth', 'signed.bin', '--svn', '5', '--id-key', 'id.pem', '-o', 'none.bin', '--json']);
    expect([code, json<Answer>().auth, existsSync(bench.path('none.bin'))]).toEqual([1, null, false]);
  });

  it.each([
    ['another curve', 'p256.pem', 'holds a key of the curve prime256v1'],
    ['RSA', 'rsa.pem', 'holds a key of type rsa'],
    ['Ed25519', 'ed.pem', 'holds a key of type ed25519'],
    ['a passphrase', 'secret.pem', 'is encrypted with a passphrase'],
    ['a passphrase, in PKCS 8', 'secret8.pem', 'is encrypted with a passphrase'],
    ['a public key', 'id.pub.pem', 'holds a public key alone'],
    ['DER', 'id.der', 'is no PEM file'],
    ['text', 'text.pem', 'is no PEM file'],
    ['half of a key', 'cut.pem', 'holds a private key that cannot be read'],
    ['a broken key', 'broken.pem', 'holds a private key that cannot be read'],
    ['two private keys', 'two.pem', 'holds 2 private keys'],
    ['too much', 'long.pem', 'has more than 65536 bytes'],
    ['nothing', 'none.pem', 'cannot read none.pem'],
  ])('refuses a key file with %s', async (_, file, says) => {
    for (const option of ['--id-key', '--author-key']) {
      const keys = option === '--id-key' ? [option, file] : ['--id-key', 'id.pem', option, file];
      const { code, err } = await bench.run(['id-auth', 'signed.bin', ...keys]);
      expect([code, err.split('\n')[0]]).toEqual([2, expect.stringContaining(says)]);
    }
  });

  it('signs with a key whose number is short, and so has zeros in front', async () => {
    const ecdh = createECDH('secp384r1');
    ecdh.setPrivateKey(Uint8Array.of(5));
    const coordinate = (from: number): string => ecdh.getPublicKey().toString('base64url', from, from + 48);
    const number = Buffer.alloc(48);
    number[47] = 5;
    const jwk = { kty: 'EC', crv: 'P-384', d: number.toString('base64url'), x: coordinate(1), y: coordinate(49) };
    const key = createPrivateKey({ format: 'jwk', key: jwk });
    write('short.pem', key.export(SEC1));
    expect((await make('--id-key', 'short.pem')).keyDigests.id!.hex).toBe(digestOf(createPublicKey(key)));
  });

  it('signs with the one private key of a file that has its public half as well', async () => {
    expect(await make('--id-key', 'both.pem')).toEqual(await make('--id-key', 'id.pem'));
  });

  it.each([
    ['a key of another curve', 'p256.pub.pem', 'p256.pub.pem holds a key of the curve prime256v1'],
    ['several keys in a file', 'both.pem', 'both.pem holds 2 keys'],
    ['DER, and says how to convert it', 'id.der', 'openssl pkey -inform DER -in id.der'],
  ])('refuses %s where it checks', async (_, file, says) => {
    const { code, err } = await bench.run(['id-auth', 'signed.bin', 'auth.bin', '--id-key', file]);
    expect([code, err]).toEqual([2, expect.stringContaining(says)]);
  });

  it.each<readonly [string, readonly string[], string]>([
    ['no key', ['id-auth', 'signed.bin'], 'found no key to sign with'],
    ['neither block nor digest', ['id-auth', '--id-key', 'id.pem'], 'found neither a block nor a launch digest'],
    ['no digest', ['id-block'], 'found neither a block nor a launch digest'],
    ['an author alone', ['id-block', '--digest', LAUNCH, '--author-key', 'author.pem'], 'found --author-key without --id-key'],
    ['a short digest', ['id-block', '--digest', 'abcd'], 'Expected a launch digest: 96 hex digits, or base64'],
    ['an id that is too long', ['id-block', '--digest', LAUNCH, '--family-id', '00'.repeat(17)], 'Expected an id: 32 hex digits'],
    ['a policy without bit 17', ['id-block', '--digest', LAUNCH, '--policy', '0x10000'], 'expected bit 17 set, which is always one'],
    [
      'a policy with a reserved bit',
      ['id-block', '--digest', LAUNCH, '--policy', '0x4030000'],
      'reserved bits 0x4000000 are set in 0x4030000',
    ],
    ['a block whose policy no guest has', ['id-block', 'policy.bin'], 'policy.bin: POLICY at 0x058: reserved bits 0x80000000000000'],
    ['a policy that is none', ['id-block', '--digest', LAUNCH, '--policy', 'debug'], 'Expected 64 bits'],
    ['a policy beyond 64 bits', ['id-block', '--digest', LAUNCH, '--policy', `0x1${'0'.repeat(16)}`], 'Expected 64 bits'],
    ['an SVN beyond 32 bits', ['id-block', '--digest', LAUNCH, '--svn', '4294967296'], 'Expected an integer from 0 to 4294967295'],
    ['a block of another size', ['id-block', 'id.pem'], 'bytes; expected 96, or as many in hex or base64'],
    ['a block of another version', ['id-block', 'version.bin'], 'version.bin: VERSION at 0x050: found 9; expected 1'],
    ['a block as authentication', ['id-auth', 'signed.bin', 'signed.bin'], 'has 96 bytes; expected 4096'],
    [
      'a reserved byte',
      ['id-auth', 'signed.bin', 'reserved.bin'],
      'reserved.bin: reserved bytes 0x008 to 0x03f: found 0x1 at 0x008; expected 0',
    ],
    ['standard input twice', ['id-auth', '-', '-'], 'standard input is one file; found - twice'],
    [
      'an output over its input',
      ['id-auth', 'signed.bin', '--id-key', 'id.pem', '-o', 'id.pem'],
      'id.pem is the file that is read as id.pem',
    ],
    ['an output where one is read', ['id-block', 'signed.bin', '-o', 'x.bin'], '-o is for a structure that is made'],
    ['two documents on one output', ['id-block', '--digest', LAUNCH, '-o', '-', '--json'], 'both want standard output'],
  ])('and id-block refuse %s', async (_, argv, says) => {
    const version = readFileSync(bench.path('signed.bin'));
    version[0x50] = 9;
    write('version.bin', version);
    const policy = readFileSync(bench.path('signed.bin'));
    policy[0x5f] = 0x80;
    write('policy.bin', policy);
    const reserved = readFileSync(bench.path('auth.bin'));
    reserved[8] = 1;
    write('reserved.bin', reserved);
    const { code, err } = await bench.run(argv);
    expect([code, err.replaceAll(/\s+/g, ' ')]).toEqual([2, expect.stringContaining(says)]);
  });

  it('writes the bytes alone to standard output', async () => {
    const { bytes } = await bench.run(['id-auth', 'signed.bin', '--id-key', 'id.pem', '--author-key', 'author.pem', '-o', '-']);
    expect(Buffer.compare(bytes, readFileSync(bench.path('auth.bin')))).toBe(0);
  });

  it('takes a key from standard input', async () => {
    const stdin = readFileSync(bench.path('id.pem'));
    const { json } = await bench.run(['id-auth', 'signed.bin', '--id-key', '-', '--json'], { stdin });
    expect(json<Answer>().keyDigests.id!.hex).toBe(digestOf(id.publicKey));
  });
});
