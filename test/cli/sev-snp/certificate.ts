/** Self-signed certificates for tests, with the extensions that AMD's have. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

const der = (tag: number, ...parts: readonly Uint8Array[]): Buffer => {
  const content = Buffer.concat(parts);
  const size = content.length;
  const length = size < 0x80 ? [size] : size < 0x100 ? [0x81, size] : [0x82, size >> 8, size & 0xff];
  return Buffer.concat([Buffer.from([tag, ...length]), content]);
};
const sequence = (...parts: readonly Uint8Array[]): Buffer => der(0x30, ...parts);
const integer = (...bytes: readonly number[]): Buffer => der(0x02, Buffer.from(bytes));

/** A security version, which needs a zero in front where it would be negative. */
export const versionValue = (version: number): Buffer => (version >= 0x80 ? integer(0, version) : integer(version));

function objectId(text: string): Buffer {
  const [first = 0, second = 0, ...rest] = text.split('.').map(Number);
  const bytes = [40 * first + second, ...rest].flatMap((number) => {
    const groups = [number & 0x7f];
    for (let left = number >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    return groups;
  });
  return der(0x06, Buffer.from(bytes));
}

const name = (common: string): Buffer => sequence(der(0x31, sequence(objectId('2.5.4.3'), der(0x0c, Buffer.from(common)))));

export const AMD = '1.3.6.1.4.1.3704.1';

export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}
export const p384Pair = (): KeyPair => generateKeyPairSync('ec', { namedCurve: 'P-384' });

/** The certificate of a key, DER, with extensions by object identifier. */
export function certificateOf({ publicKey, privateKey }: KeyPair, extensions: Readonly<Record<string, Uint8Array>> = {}): Buffer {
  const algorithm = sequence(objectId('1.2.840.10045.4.3.3'));
  const listed = Object.entries(extensions).map(([id, value]) => sequence(objectId(id), der(0x04, value)));
  const body = sequence(
    der(0xa0, integer(2)),
    integer(1),
    algorithm,
    name('SEV-TEST'),
    sequence(der(0x17, Buffer.from('200101000000Z')), der(0x17, Buffer.from('400101000000Z'))),
    name('SEV-VCEK'),
    publicKey.export({ format: 'der', type: 'spki' }),
    ...(listed.length === 0 ? [] : [der(0xa3, sequence(...listed))]),
  );
  // What signs a certificate of a key that is not of a curve does not matter here.
  const signature = privateKey.asymmetricKeyType === 'ec' ? sign('sha384', body, privateKey) : Buffer.alloc(64, 1);
  return sequence(body, algorithm, der(0x03, Buffer.from([0]), signature));
}

export const pem = (certificate: Uint8Array): string =>
  `-----BEGIN CERTIFICATE-----\n${Buffer.from(certificate)
    .toString('base64')
    .replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`;
