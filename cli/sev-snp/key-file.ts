/**
 * Keys of ECDSA over P-384 in PEM files. What else may lie in such a file is told by its name:
 * another curve, RSA, a passphrase, a public key.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { readFileBytes, shownFile } from '../catalog.ts';
import { CliError, EXIT } from '../errors.ts';
import type { Io } from '../io.ts';

const PEM_BYTES_MAX = 1 << 16;
const CURVE = 'secp384r1';
const MAKE_ONE = 'openssl ecparam -name secp384r1 -genkey -noout -out key.pem';

const keyError = (message: string, expected: string, attempt = MAKE_ONE): CliError =>
  new CliError({ code: 'key_invalid', exit: EXIT.usage, message, expected, attempt });

interface Pem {
  readonly file: string;
  readonly text: string;
}

const blocks = (text: string, what: string): number => text.match(new RegExp(`-----BEGIN [A-Z0-9 ]*${what}-----`, 'g'))?.length ?? 0;

/** @throws CliError if the file is no PEM, or a key that only a passphrase opens */
function pemIn(name: string, expected: string, io: Io): Pem {
  const file = shownFile(name);
  const text = Buffer.from(readFileBytes(name, io, PEM_BYTES_MAX)).toString('latin1');
  if (text.length > PEM_BYTES_MAX) throw keyError(`${file} has more than ${PEM_BYTES_MAX} bytes`, expected);
  if (blocks(text, '[A-Z0-9]') === 0)
    throw keyError(
      `${file} is no PEM file: it has no line -----BEGIN …-----`,
      expected,
      `openssl pkey -inform DER -in ${file}, if it is DER`,
    );
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m.test(text)) {
    throw keyError(`${file} is encrypted with a passphrase`, `${expected}, without a passphrase`, `openssl ec -in ${file} -out plain.pem`);
  }
  return { file, text };
}

/** @throws CliError unless it is a key of P-384 */
function expectP384({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject, file: string, expected: string): void {
  if (asymmetricKeyType !== 'ec') throw keyError(`${file} holds a key of type ${asymmetricKeyType ?? 'unknown'}`, expected);
  const curve = asymmetricKeyDetails?.namedCurve;
  if (curve !== CURVE) throw keyError(`${file} holds a key of the curve ${curve ?? 'without a name'}`, expected);
}

/** A number of a key, big-endian. JWK has all of its bytes (RFC 7518). */
const numberOf = (text: string | undefined): Uint8Array => Uint8Array.from(Buffer.from(text!, 'base64url'));

/** The private number of a key. @throws CliError */
export function privateKeyIn(name: string, io: Io): Uint8Array {
  const expected = 'a private key of P-384 in PEM';
  const { file, text } = pemIn(name, expected, io);
  const count = blocks(text, 'PRIVATE KEY');
  if (count !== 1) {
    const what = count > 1 ? `${count} private keys` : blocks(text, 'PUBLIC KEY') > 0 ? 'a public key alone' : 'no private key';
    throw keyError(`${file} holds ${what}`, expected);
  }
  let key: KeyObject;
  try {
    key = createPrivateKey(text);
  } catch {
    throw keyError(`${file} holds a private key that cannot be read`, expected);
  }
  expectP384(key, file, expected);
  return numberOf(key.export({ format: 'jwk' }).d);
}

/**
 * The uncompressed point of a key, of which the file has one half, or a certificate.
 * @throws CliError
 */
export function publicKeyIn(name: string, io: Io): Uint8Array {
  const expected = 'a key of P-384 in PEM, private or public';
  const { file, text } = pemIn(name, expected, io);
  const count = blocks(text, '(?:KEY|CERTIFICATE)');
  // The first would be taken, and the check would be of that one alone.
  if (count > 1) throw keyError(`${file} holds ${count} keys`, expected, 'a file for each');
  let key: KeyObject;
  try {
    key = createPublicKey(text);
  } catch {
    throw keyError(`${file} holds no key that can be read`, expected);
  }
  expectP384(key, file, expected);
  return pointOf(key);
}

/** The uncompressed point of a key of P-384. */
export function pointOf(key: KeyObject): Uint8Array {
  const { x, y } = key.export({ format: 'jwk' });
  return Uint8Array.from([4, ...numberOf(x), ...numberOf(y)]);
}
