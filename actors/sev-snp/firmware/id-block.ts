/**
 * The ID block that SNP_LAUNCH_FINISH compares a guest with, and the ID authentication information
 * that signs it: made and read, byte by byte.
 *
 * @see SNP firmware ABI, "SNP_LAUNCH_FINISH", tables of ID block and ID authentication
 * information; domain snp f.7
 */
import { DIGEST_BYTES } from './launch-digest.ts';
import {
  bytesAt,
  checkReserved,
  checkSize,
  FirmwareFormatError,
  type Place,
  placeText,
  putBytes,
  putWord,
  type Reserved,
  wordAt,
} from './layout.ts';
import {
  decodePublicKey,
  decodeSignature,
  encodePublicKey,
  keyDigest,
  PUBLIC_KEY_BYTES,
  publicKeyOf,
  SIGNATURE_BYTES,
  sign,
  verifies,
} from './p384.ts';
import { checkPolicy } from './report-words.ts';

export const ID_BLOCK_BYTES = 96;
export const ID_AUTH_BYTES = 4096;
export const ID_BYTES = 16;
const VERSION = 1;
/** ECDSA over P-384 with SHA-384. */
const ALGORITHM = 1;

export interface IdBlock {
  readonly launchDigest: Uint8Array;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  readonly guestSvn: number;
  readonly policy: bigint;
}

const BLOCK = {
  launchDigest: { at: 0x00, size: DIGEST_BYTES, says: 'LD' },
  familyId: { at: 0x30, size: ID_BYTES, says: 'FAMILY_ID' },
  imageId: { at: 0x40, size: ID_BYTES, says: 'IMAGE_ID' },
  version: { at: 0x50, size: 4, says: 'VERSION' },
  guestSvn: { at: 0x54, size: 4, says: 'GUEST_SVN' },
  policy: { at: 0x58, size: 8, says: 'POLICY' },
} as const satisfies Record<string, Place>;

/** @throws FirmwareFormatError for a field of another size */
export function encodeIdBlock({ launchDigest, familyId, imageId, guestSvn, policy }: IdBlock): Uint8Array {
  const bytes = new Uint8Array(ID_BLOCK_BYTES);
  putBytes(bytes, BLOCK.launchDigest, launchDigest);
  putBytes(bytes, BLOCK.familyId, familyId);
  putBytes(bytes, BLOCK.imageId, imageId);
  putWord(bytes, BLOCK.version, BigInt(VERSION));
  putWord(bytes, BLOCK.guestSvn, BigInt(guestSvn));
  putWord(bytes, BLOCK.policy, policy);
  return bytes;
}

/** @throws FirmwareFormatError */
export function decodeIdBlock(bytes: Uint8Array): IdBlock {
  checkSize(bytes, ID_BLOCK_BYTES, 'the ID block');
  const version = wordAt(bytes, BLOCK.version);
  if (version !== BigInt(VERSION)) throw new FirmwareFormatError(placeText(BLOCK.version), `found ${version}; expected ${VERSION}`);
  const policy = wordAt(bytes, BLOCK.policy);
  checkPolicy(policy, placeText(BLOCK.policy));
  return {
    launchDigest: bytesAt(bytes, BLOCK.launchDigest),
    familyId: bytesAt(bytes, BLOCK.familyId),
    imageId: bytesAt(bytes, BLOCK.imageId),
    guestSvn: Number(wordAt(bytes, BLOCK.guestSvn)),
    policy,
  };
}

const AUTH = {
  idAlgorithm: { at: 0x000, size: 4, says: 'ID_KEY_ALGO' },
  authorAlgorithm: { at: 0x004, size: 4, says: 'AUTHOR_KEY_ALGO' },
  blockSignature: { at: 0x040, size: SIGNATURE_BYTES, says: 'ID_BLOCK_SIG' },
  idKey: { at: 0x240, size: PUBLIC_KEY_BYTES, says: 'ID_KEY' },
  idKeySignature: { at: 0x680, size: SIGNATURE_BYTES, says: 'ID_KEY_SIG' },
  authorKey: { at: 0x880, size: PUBLIC_KEY_BYTES, says: 'AUTHOR_KEY' },
} as const satisfies Record<string, Place>;
/** What stands between the fields and behind them. */
const RESERVED: readonly Reserved[] = [
  [0x008, 0x040],
  [0x644, 0x680],
  [0xc84, ID_AUTH_BYTES],
];

/** The keys that sign: private numbers of P-384, big-endian. */
export interface IdKeys {
  readonly id: Uint8Array;
  /** Signs the ID key. The firmware asks for one only if SNP_LAUNCH_FINISH says so. */
  readonly author?: Uint8Array;
}

/** The ID authentication information of a block. */
export function signIdBlock(block: Uint8Array, { id, author }: IdKeys): Uint8Array {
  const bytes = new Uint8Array(ID_AUTH_BYTES);
  const idKey = encodePublicKey(publicKeyOf(id));
  putWord(bytes, AUTH.idAlgorithm, BigInt(ALGORITHM));
  putBytes(bytes, AUTH.blockSignature, sign(block, id));
  putBytes(bytes, AUTH.idKey, idKey);
  if (author !== undefined) {
    putWord(bytes, AUTH.authorAlgorithm, BigInt(ALGORITHM));
    putBytes(bytes, AUTH.idKeySignature, sign(idKey, author));
    putBytes(bytes, AUTH.authorKey, encodePublicKey(publicKeyOf(author)));
  }
  return bytes;
}

/** A key of the structure, and what it has signed. */
export interface IdSigner {
  /** The uncompressed point. */
  readonly key: Uint8Array;
  readonly keyDigest: Uint8Array;
  readonly signature: Uint8Array;
}

export interface IdAuth {
  /** Has signed the ID block. */
  readonly id: IdSigner;
  /** Has signed the structure of the ID key; null where there is no author. */
  readonly author: IdSigner | null;
}

/** Whether the field has the one algorithm, or, where none is allowed, 0. */
function hasAlgorithm(bytes: Uint8Array, place: Place, isOptional: boolean): boolean {
  const found = wordAt(bytes, place);
  if (found === BigInt(ALGORITHM)) return true;
  if (isOptional && found === 0n) return false;
  throw new FirmwareFormatError(placeText(place), `found ${found}; expected ${ALGORITHM}, which is ECDSA over P-384 with SHA-384`);
}

function signerIn(bytes: Uint8Array, key: Place, signature: Place): IdSigner {
  const keyBytes = bytesAt(bytes, key);
  return {
    key: decodePublicKey(keyBytes, key.says),
    keyDigest: keyDigest(keyBytes),
    signature: decodeSignature(bytesAt(bytes, signature), signature.says),
  };
}

/** @throws FirmwareFormatError */
export function decodeIdAuth(bytes: Uint8Array): IdAuth {
  checkSize(bytes, ID_AUTH_BYTES, 'the ID authentication information');
  hasAlgorithm(bytes, AUTH.idAlgorithm, false);
  const hasAuthor = hasAlgorithm(bytes, AUTH.authorAlgorithm, true);
  checkReserved(bytes, RESERVED);
  if (!hasAuthor)
    for (const { at, size, says } of [AUTH.idKeySignature, AUTH.authorKey])
      checkReserved(bytes, [[at, at + size]], `AUTHOR_KEY_ALGO is 0, but ${says}`);
  return {
    id: signerIn(bytes, AUTH.idKey, AUTH.blockSignature),
    author: hasAuthor ? signerIn(bytes, AUTH.authorKey, AUTH.idKeySignature) : null,
  };
}

/** Whether the signatures hold: of the block, and of the ID key if there is an author. */
export function idSignaturesHold(block: Uint8Array, { id, author }: IdAuth): { readonly block: boolean; readonly idKey: boolean | null } {
  return {
    block: verifies(id.signature, block, id.key),
    idKey: author === null ? null : verifies(author.signature, encodePublicKey(id.key), author.key),
  };
}
