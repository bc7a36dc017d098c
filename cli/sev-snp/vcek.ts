/**
 * The certificate of a key that signs reports: its public key, and what AMD's extensions say of the
 * chip and the TCB that the key is of.
 *
 * Whether AMD has issued it is not checked: for that, the chain to AMD's root has to be at hand.
 *
 * @see AMD, "VCEK Certificate and KDS Interface Specification", "VCEK certificate format"
 */
import { type KeyObject, X509Certificate } from 'node:crypto';
import type { Tcb } from '../../actors/sev-snp/firmware/report-words.ts';
import { readFileBytes, shownFile } from '../catalog.ts';
import { CliError, EXIT } from '../errors.ts';
import type { Io } from '../io.ts';
import { elementsIn, extensionsIn, INTEGER, OCTET_STRING } from './der.ts';
import { pointOf } from './key-file.ts';
import { FILE_BYTES_MAX } from './report-file.ts';

export interface Vcek {
  /** In SEC 1 form. */
  readonly publicKey: Uint8Array;
  readonly subject: string;
  /** The security versions that the certificate has; a VLEK and a VCEK both have them. */
  readonly tcb: Partial<Tcb>;
  /** Of a VCEK; null in a certificate without it, such as that of a VLEK. */
  readonly chipId: Uint8Array | null;
}

const AMD = '1.3.6.1.4.1.3704.1';
const VERSIONS = {
  bootloader: `${AMD}.3.1`,
  tee: `${AMD}.3.2`,
  snp: `${AMD}.3.3`,
  microcode: `${AMD}.3.8`,
  fmc: `${AMD}.3.9`,
} as const satisfies Record<keyof Tcb, string>;
const CHIP_ID = `${AMD}.4`;
/** CHIP_ID of a report, and of a certificate for Turin, whose ids are shorter. */
const CHIP_ID_BYTES = [64, 8];

const EXPECTED = 'the X.509 certificate of a VCEK or VLEK, DER or PEM, alone in its file';

const refused = (file: string, says: string): CliError =>
  new CliError({ code: 'certificate_invalid', exit: EXIT.usage, message: `${shownFile(file)}: ${says}`, expected: EXPECTED });

function certificateIn(bytes: Uint8Array, file: string): X509Certificate {
  const count = Buffer.from(bytes).toString('latin1').split('-----BEGIN CERTIFICATE-----').length - 1;
  if (count > 1) throw refused(file, `it has ${count} certificates`);
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(bytes);
  } catch (cause) {
    throw new CliError(refused(file, 'it is no X.509 certificate').failure, { cause });
  }
  const behind = bytes.length - certificate.raw.length;
  if (count === 0 && behind > 0) throw refused(file, `${behind} bytes follow the certificate`);
  return certificate;
}

function keyOf(certificate: X509Certificate, file: string): Uint8Array {
  let key: KeyObject;
  try {
    key = certificate.publicKey;
  } catch (cause) {
    throw new CliError(refused(file, 'its public key cannot be read').failure, { cause });
  }
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key;
  if (type !== 'ec') throw refused(file, `its key is ${type?.toUpperCase()}; that of a chip is of the curve P-384`);
  if (details?.namedCurve !== 'secp384r1')
    throw refused(file, `its key is of the curve ${details?.namedCurve}; that of a chip is of P-384`);
  return pointOf(key);
}

/** The security version in an extension; undefined if there is no such extension. */
function versionIn(value: Uint8Array | undefined, name: string, file: string): number | undefined {
  if (value === undefined) return undefined;
  const [integer, ...rest] = elementsIn(value) ?? [];
  const bytes = integer?.content ?? new Uint8Array();
  const [first = 0, second = 0] = bytes;
  // A first bit would make it negative, so that a zero precedes it; and precedes nothing else.
  const isByte = bytes.length === 1 ? first < 0x80 : bytes.length === 2 && first === 0 && second >= 0x80;
  const isVersion = integer?.tag === INTEGER && rest.length === 0 && isByte;
  if (!isVersion)
    throw refused(file, `its extension ${VERSIONS[name as keyof Tcb]} (${name}) is no security version, an integer up to 255`);
  return bytes.at(-1);
}

/** AMD writes the bytes as they are; those who read them take an octet string as well. */
function chipIdIn(extension: Uint8Array | undefined, file: string): Uint8Array | null {
  if (extension === undefined) return null;
  const [inner, ...rest] = CHIP_ID_BYTES.includes(extension.length) ? [] : (elementsIn(extension) ?? []);
  const value = inner?.tag === OCTET_STRING && rest.length === 0 ? inner.content : extension;
  if (!CHIP_ID_BYTES.includes(value.length))
    throw refused(file, `its extension ${CHIP_ID} (chip id) has ${value.length} bytes, not ${CHIP_ID_BYTES.join(' or ')}`);
  const whole = new Uint8Array(CHIP_ID_BYTES[0]!);
  whole.set(value);
  return whole;
}

/** @throws CliError for what is no certificate of such a key */
export function readVcek(file: string, io: Io): Vcek {
  const bytes = readFileBytes(file, io, FILE_BYTES_MAX);
  if (bytes.length > FILE_BYTES_MAX) throw refused(file, `more than ${FILE_BYTES_MAX} bytes`);
  const certificate = certificateIn(bytes, file);
  const publicKey = keyOf(certificate, file);
  const extensions = extensionsIn(certificate.raw);
  const tcb = Object.fromEntries(
    Object.entries(VERSIONS).flatMap(([name, id]) => {
      const version = versionIn(extensions.get(id), name, file);
      return version === undefined ? [] : [[name, version]];
    }),
  );
  return { publicKey, subject: certificate.subject.replaceAll('\n', ', '), tcb, chipId: chipIdIn(extensions.get(CHIP_ID), file) };
}
