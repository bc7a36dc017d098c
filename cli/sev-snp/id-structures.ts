/**
 * The ID block and the ID authentication information of a launch, made from fields and keys, or
 * checked against them: what `id-block` and `id-auth` share.
 */
import {
  decodeIdAuth,
  decodeIdBlock,
  ID_AUTH_BYTES,
  type IdAuth,
  type IdBlock,
  idSignaturesHold,
  signIdBlock,
} from '../../actors/sev-snp/firmware/id-block.ts';
import { usageError } from '../errors.ts';
import type { Io } from '../io.ts';
import type { Part } from '../output.ts';
import { base64Of, hexOf } from './bytes.ts';
import { askedBlock, blockIn, decoded, differing, type IdOptions, structureIn } from './id-options.ts';
import { privateKeyIn, publicKeyIn } from './key-file.ts';

export interface Structures {
  readonly blockBytes: Uint8Array;
  readonly block: IdBlock;
  readonly authBytes: Uint8Array | null;
  readonly auth: IdAuth | null;
  /** What does not hold, or is not as it was asked for. */
  readonly wrong: readonly string[];
}

/** Standard input is read once. @throws CliError if it is to be two files */
export function expectOneStdin(names: readonly (string | undefined)[]): void {
  if (names.filter((name) => name === '-').length > 1) throw usageError('standard input is one file; found - twice');
}

/** The block that a file holds, or that the options ask for. */
function blockOf(file: string | undefined, options: IdOptions, io: Io): Pick<Structures, 'block' | 'blockBytes' | 'wrong'> {
  if (file === undefined) {
    const blockBytes = askedBlock(options);
    return { blockBytes, block: decodeIdBlock(blockBytes), wrong: [] };
  }
  const { bytes, block } = blockIn(file, io);
  return { blockBytes: bytes, block, wrong: differing(block, options).map((flag) => `the block is not as ${flag} says`) };
}

/** A block, signed if there is a key. @throws CliError */
export function madeStructures(file: string | undefined, options: IdOptions, io: Io): Structures {
  const made = blockOf(file, options, io);
  const { idKey, authorKey } = options;
  if (idKey === undefined && authorKey !== undefined) {
    throw usageError('found --author-key without --id-key; expected both, as the author signs the ID key');
  }
  // What is not the block that was asked for is not signed.
  if (idKey === undefined || made.wrong.length > 0) return { ...made, authBytes: null, auth: null };
  const keys = { id: privateKeyIn(idKey, io), ...(authorKey !== undefined && { author: privateKeyIn(authorKey, io) }) };
  const authBytes = signIdBlock(made.blockBytes, keys);
  return { ...made, authBytes, auth: decodeIdAuth(authBytes) };
}

/** Which of the keys that were asked for is another. */
function otherKeys({ id, author }: IdAuth, { idKey, authorKey }: IdOptions, io: Io): string[] {
  const isOther = (file: string | undefined, key: Uint8Array | undefined): boolean =>
    file !== undefined && (key === undefined || Buffer.compare(publicKeyIn(file, io), key) !== 0);
  return [
    ...(isOther(idKey, id.key) ? ['the ID key is not that of --id-key'] : []),
    ...(isOther(authorKey, author?.key) ? [author === null ? 'there is no author key' : 'the author key is not that of --author-key'] : []),
  ];
}

/** A block and what signs it, checked. @throws CliError */
export function checkedStructures(blockFile: string, authFile: string, options: IdOptions, io: Io): Structures {
  const found = blockOf(blockFile, options, io);
  const authBytes = structureIn(authFile, ID_AUTH_BYTES, io);
  const auth = decoded(authFile, () => decodeIdAuth(authBytes));
  const holds = idSignaturesHold(found.blockBytes, auth);
  const wrong = [
    ...found.wrong,
    ...(holds.block ? [] : ['the ID key has not signed this block']),
    ...(holds.idKey === false ? ['the author key has not signed this ID key'] : []),
    ...otherKeys(auth, options, io),
  ];
  return { ...found, authBytes, auth, wrong };
}

const digestDocument = (digest: Uint8Array | undefined) => (digest === undefined ? null : { base64: base64Of(digest), hex: hexOf(digest) });

/** The document of both commands. */
export function documentOf({ block, blockBytes, auth, authBytes, wrong }: Structures) {
  return {
    ok: wrong.length === 0,
    wrong,
    block: base64Of(blockBytes),
    auth: authBytes === null ? null : base64Of(authBytes),
    keyDigests: { id: digestDocument(auth?.id.keyDigest), author: digestDocument(auth?.author?.keyDigest) },
    fields: {
      digest: hexOf(block.launchDigest),
      familyId: hexOf(block.familyId),
      imageId: hexOf(block.imageId),
      guestSvn: block.guestSvn,
      policy: `0x${block.policy.toString(16)}`,
    },
  };
}

/** What people see of a structure that was read. */
export function rowsOf({ block, auth }: Structures): (readonly Part[])[] {
  return [
    ['launch digest', hexOf(block.launchDigest)],
    ['family id', hexOf(block.familyId)],
    ['image id', hexOf(block.imageId)],
    ['guest SVN', String(block.guestSvn)],
    ['policy', `0x${block.policy.toString(16)}`],
    ...keyRows(auth),
  ];
}

/** The names of keys in reports. */
export const keyRows = (auth: IdAuth | null): (readonly Part[])[] => [
  ...(auth === null ? [] : [['ID key digest', hexOf(auth.id.keyDigest)]]),
  ...(auth?.author ? [['author key digest', hexOf(auth.author.keyDigest)]] : []),
];
