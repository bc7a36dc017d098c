/** What `id-block` and `id-auth` are asked for: fields of a block, keys, files. */
import { InvalidArgumentError } from 'commander';
import { decodeIdBlock, encodeIdBlock, ID_BLOCK_BYTES, ID_BYTES, type IdBlock } from '../../actors/sev-snp/firmware/id-block.ts';
import { DIGEST_BYTES } from '../../actors/sev-snp/firmware/launch-digest.ts';
import { FirmwareFormatError } from '../../actors/sev-snp/firmware/layout.ts';
import { checkPolicy } from '../../actors/sev-snp/firmware/report-words.ts';
import { readFileBytes, shownFile } from '../catalog.ts';
import { integer, type OptionSpec } from '../command.ts';
import { CliError, EXIT, usageError } from '../errors.ts';
import type { Io } from '../io.ts';
import { bytesOfText, unbroken } from './bytes.ts';

const U32_MAX = 0xffff_ffff;
const U64_MAX = 2n ** 64n - 1n;
/** Bits 16 and 17: SMT is allowed, and nothing else. */
const POLICY_DEFAULT = 0x3_0000n;

const bytesOption =
  (count: number, what: string) =>
  (text: string): Uint8Array => {
    const bytes = bytesOfText(text, count);
    if (bytes === null) throw new InvalidArgumentError(`Expected ${what}: ${2 * count} hex digits, or base64.`);
    return bytes;
  };

function policyOption(text: string): bigint {
  const value = /^(?:0x[0-9a-f]+|[0-9]+)$/i.test(text) && text.length <= 20 ? BigInt(text) : null;
  if (value === null || value > U64_MAX) throw new InvalidArgumentError('Expected 64 bits, such as 0x30000.');
  try {
    checkPolicy(value, 'The firmware refuses this policy');
  } catch (error) {
    throw new InvalidArgumentError(`${(error as Error).message}.`);
  }
  return value;
}

export interface IdOptions {
  readonly digest?: Uint8Array;
  readonly familyId?: Uint8Array;
  readonly imageId?: Uint8Array;
  readonly svn?: number;
  readonly policy?: bigint;
  readonly idKey?: string;
  readonly authorKey?: string;
  readonly output?: string;
}

export const ID_OPTIONS: readonly OptionSpec[] = [
  { flags: '--digest <hex>', description: 'the launch digest', parse: bytesOption(DIGEST_BYTES, 'a launch digest') },
  { flags: '--family-id <hex>', description: 'the family (default: zeros)', parse: bytesOption(ID_BYTES, 'an id') },
  { flags: '--image-id <hex>', description: 'the image (default: zeros)', parse: bytesOption(ID_BYTES, 'an id') },
  { flags: '--svn <n>', description: "the guest's security version (default: 0)", parse: integer(0, U32_MAX) },
  { flags: '--policy <bits>', description: "the guest's policy (default: 0x30000, which allows SMT)", parse: policyOption },
  { flags: '--id-key <pem>', description: 'the private key that signs the block; to check, also the public one' },
  { flags: '--author-key <pem>', description: 'the private key that signs the ID key; to check, also the public one' },
  { flags: '-o, --output <file>', description: 'where the bytes go; - is standard output' },
];

const FIELDS = ['digest', 'familyId', 'imageId', 'svn', 'policy'] as const;

/** Options that say what is in a block, as the user gives them. */
const FLAGS: Readonly<Record<(typeof FIELDS)[number], string>> = {
  digest: '--digest',
  familyId: '--family-id',
  imageId: '--image-id',
  svn: '--svn',
  policy: '--policy',
};

/** The block that the options ask for. @throws CliError without a digest */
export function askedBlock({ digest, familyId, imageId, svn = 0, policy = POLICY_DEFAULT }: IdOptions): Uint8Array {
  if (digest === undefined) {
    throw usageError('found neither a block nor a launch digest', {
      expected: 'the file of a block, or --digest',
      attempt: 'worldswitch launch-digest pages.json, which prints one',
    });
  }
  const none = new Uint8Array(ID_BYTES);
  return encodeIdBlock({ launchDigest: digest, familyId: familyId ?? none, imageId: imageId ?? none, guestSvn: svn, policy });
}

const isSame = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** Options that a block differs from. */
export function differing(block: IdBlock, options: IdOptions): string[] {
  const { digest, familyId, imageId, svn, policy } = options;
  const isOther = {
    digest: digest !== undefined && !isSame(digest, block.launchDigest),
    familyId: familyId !== undefined && !isSame(familyId, block.familyId),
    imageId: imageId !== undefined && !isSame(imageId, block.imageId),
    svn: svn !== undefined && svn !== block.guestSvn,
    policy: policy !== undefined && policy !== block.policy,
  };
  return FIELDS.filter((field) => isOther[field]).map((field) => FLAGS[field]);
}

const structureError = (message: string): CliError =>
  new CliError({ code: 'id_structure_invalid', exit: EXIT.usage, message, attempt: 'docs/mechanisms/sev-snp.md has the layouts' });

/** More than any form of a structure has. */
const TEXT_BYTES_MAX = 1 << 14;

/** The bytes of a structure in a file: as they are, in hex or in base64. @throws CliError */
export function structureIn(name: string, count: number, io: Io): Uint8Array {
  const found = readFileBytes(name, io, TEXT_BYTES_MAX);
  if (found.length === count) return Uint8Array.from(found);
  const text = found.length > TEXT_BYTES_MAX ? '' : unbroken(Buffer.from(found).toString('latin1'));
  const bytes = bytesOfText(text, count);
  if (bytes !== null) return bytes;
  const has = found.length > TEXT_BYTES_MAX ? `more than ${TEXT_BYTES_MAX}` : String(found.length);
  throw structureError(`${shownFile(name)} has ${has} bytes; expected ${count}, or as many in hex or base64`);
}

/** Reads a structure, and tells a mistake in it with the file. @throws CliError */
export function decoded<T>(name: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof FirmwareFormatError)) throw error;
    throw structureError(`${shownFile(name)}: ${error.message}`);
  }
}

/** A block in a file. @throws CliError */
export function blockIn(name: string, io: Io): { readonly bytes: Uint8Array; readonly block: IdBlock } {
  const bytes = structureIn(name, ID_BLOCK_BYTES, io);
  return { bytes, block: decoded(name, () => decodeIdBlock(bytes)) };
}
