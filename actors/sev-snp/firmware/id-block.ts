/**
 * The ID block that SNP_LAUNCH_FINISH compares a guest with, and the ID authentication information
 * that signs it: made and read, byte by byte.
 *
 * @see SNP firmware ABI, "SNP_LAUNCH_FINISH", tables of ID block and ID authentication
 * information; domain snp f.7
 */
import { DIGEST_BYTES } from './launch-digest.ts';
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

const BLOCK_AT = { familyId: 0x30, imageId: 0x40, version: 0x50, guestSvn: 0x54, policy: 0x58 };
const AUTH_AT = { idAlgorithm: 0, authorAlgorithm: 4, blockSignature: 0x40, idKey: 0x240, idKeySignature: 0x680, authorKey: 0x880 };

export function encodeIdBlock({ launchDigest, familyId, imageId, guestSvn, policy }: IdBlock): Uint8Array {
  const bytes = new Uint8Array(ID_BLOCK_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(launchDigest, 0);
  bytes.set(familyId, BLOCK_AT.familyId);
  bytes.set(imageId, BLOCK_AT.imageId);
  view.setUint32(BLOCK_AT.version, VERSION, true);
  view.setUint32(BLOCK_AT.guestSvn, guestSvn, true);
  view.setBigUint64(BLOCK_AT.policy, policy, true);
  return bytes;
}

function expectBytes(bytes: Uint8Array, count: number, name: string): DataView {
  if (bytes.length !== count) throw new Error(`${name} has ${bytes.length} bytes; expected ${count}`);
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

/** @throws Error that names the field */
export function decodeIdBlock(bytes: Uint8Array): IdBlock {
  const view = expectBytes(bytes, ID_BLOCK_BYTES, 'the ID block');
  const version = view.getUint32(BLOCK_AT.version, true);
  if (version !== VERSION) throw new Error(`VERSION of the ID block is ${version}; expected ${VERSION}`);
  const policy = view.getBigUint64(BLOCK_AT.policy, true);
  checkPolicy(policy, 'POLICY of the ID block');
  return {
    launchDigest: bytes.slice(0, DIGEST_BYTES),
    familyId: bytes.slice(BLOCK_AT.familyId, BLOCK_AT.familyId + ID_BYTES),
    imageId: bytes.slice(BLOCK_AT.imageId, BLOCK_AT.imageId + ID_BYTES),
    guestSvn: view.getUint32(BLOCK_AT.guestSvn, true),
    policy,
  };
}

/** The keys that sign: private numbers of P-384, big-endian. */
export interface IdKeys {
  readonly id: Uint8Array;
  /** Signs the ID key. The firmware asks for one only if SNP_LAUNCH_FINISH says so. */
  readonly author?: Uint8Array;
}

/** The ID authentication information of a block. */
export function signIdBlock(block: Uint8Array, { id, author }: IdKeys): Uint8Array {
  const bytes = new Uint8Array(ID_AUTH_BYTES);
  const view = new DataView(bytes.buffer);
  const idKey = encodePublicKey(publicKeyOf(id));
  view.setUint32(AUTH_AT.idAlgorithm, ALGORITHM, true);
  bytes.set(sign(block, id), AUTH_AT.blockSignature);
  bytes.set(idKey, AUTH_AT.idKey);
  if (author !== undefined) {
    view.setUint32(AUTH_AT.authorAlgorithm, ALGORITHM, true);
    bytes.set(sign(idKey, author), AUTH_AT.idKeySignature);
    bytes.set(encodePublicKey(publicKeyOf(author)), AUTH_AT.authorKey);
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

type Range = readonly [from: number, to: number];
const rangeOf = (at: number, bytes: number): Range => [at, at + bytes];
const SIGNATURE = rangeOf(AUTH_AT.blockSignature, SIGNATURE_BYTES);
const ID_KEY = rangeOf(AUTH_AT.idKey, PUBLIC_KEY_BYTES);
const ID_KEY_SIGNATURE = rangeOf(AUTH_AT.idKeySignature, SIGNATURE_BYTES);
const AUTHOR_KEY = rangeOf(AUTH_AT.authorKey, PUBLIC_KEY_BYTES);
/** What stands between the fields and behind them. */
const RESERVED: readonly Range[] = [
  [8, SIGNATURE[0]],
  [ID_KEY[1], ID_KEY_SIGNATURE[0]],
  [AUTHOR_KEY[1], ID_AUTH_BYTES],
];

const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** @throws Error that names the field */
export function decodeIdAuth(bytes: Uint8Array): IdAuth {
  const view = expectBytes(bytes, ID_AUTH_BYTES, 'the ID authentication information');
  const part = ([from, to]: Range): Uint8Array => bytes.slice(from, to);
  const algorithm = (at: number, name: string, isOptional: boolean): number => {
    const found = view.getUint32(at, true);
    if (found === ALGORITHM || (isOptional && found === 0)) return found;
    throw new Error(`${name} is ${found}; expected ${ALGORITHM}, which is ECDSA over P-384 with SHA-384`);
  };
  algorithm(AUTH_AT.idAlgorithm, 'ID_KEY_ALGO', false);
  const hasAuthor = algorithm(AUTH_AT.authorAlgorithm, 'AUTHOR_KEY_ALGO', true) === ALGORITHM;
  for (const [from, to] of RESERVED) {
    const at = from + bytes.subarray(from, to).findIndex((byte) => byte !== 0);
    if (at >= from) throw new Error(`the reserved byte 0x${at.toString(16)} is ${bytes[at]}; expected 0`);
  }
  const signer = (key: Range, keyName: string, signature: Range, signatureName: string): IdSigner => ({
    key: decodePublicKey(part(key), keyName),
    keyDigest: keyDigest(part(key)),
    signature: decodeSignature(part(signature), signatureName),
  });
  if (!hasAuthor && !(isZero(part(AUTHOR_KEY)) && isZero(part(ID_KEY_SIGNATURE)))) {
    throw new Error('AUTHOR_KEY_ALGO is 0, but an author key or its signature is not zero');
  }
  return {
    id: signer(ID_KEY, 'ID_KEY', SIGNATURE, 'ID_BLOCK_SIG'),
    author: hasAuthor ? signer(AUTHOR_KEY, 'AUTHOR_KEY', ID_KEY_SIGNATURE, 'ID_KEY_SIG') : null,
  };
}

/** Whether the signatures hold: of the block, and of the ID key if there is an author. */
export function idSignaturesHold(block: Uint8Array, { id, author }: IdAuth): { readonly block: boolean; readonly idKey: boolean | null } {
  return {
    block: verifies(id.signature, block, id.key),
    idKey: author === null ? null : verifies(author.signature, encodePublicKey(id.key), author.key),
  };
}
