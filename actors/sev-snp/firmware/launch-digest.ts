/**
 * The launch digest of an SNP guest: a chain of SHA-384 over PAGE_INFO structures, one for each
 * page that the firmware takes, in the order in which it takes them.
 *
 * @see SNP firmware ABI, "SNP_LAUNCH_UPDATE", table of PAGE_INFO; domain snp f.6
 */
import { sha384 } from '@noble/hashes/sha2.js';

/** Codes of page types. @see kernel include/linux/psp-sev.h, SNP_PAGE_TYPE_* */
export const PAGE_TYPES = { normal: 1, vmsa: 2, zero: 3, unmeasured: 4, secrets: 5, cpuid: 6 } as const;
export type PageType = keyof typeof PAGE_TYPES;

export const PAGE_BYTES = 4096;
export const DIGEST_BYTES = 48;
const PAGE_INFO_BYTES = 0x70;

/** What the digest of a guest is before its first page. */
export const FIRST_DIGEST: Uint8Array = new Uint8Array(DIGEST_BYTES);

/** The GPA with which KVM gives a VMSA to the firmware: all ones, as far as a GPA has bits. */
export const VMSA_GPA = 0xffff_ffff_f000n;

/** A page as the firmware measures it. */
export interface LaunchPage {
  readonly type: PageType;
  readonly gpa: bigint;
  /** SHA-384 of the page. It counts for the types `normal` and `vmsa` alone. */
  readonly sha384?: Uint8Array;
  /** The page belongs to an initial migration image. */
  readonly imi?: boolean;
  /** What VMPL1, VMPL2 and VMPL3 may do with the page. */
  readonly permissions?: readonly [vmpl1: number, vmpl2: number, vmpl3: number];
}

/** PAGE_INFO, field by field. */
export interface PageInfo {
  readonly digest: Uint8Array;
  readonly contents: Uint8Array;
  readonly type: PageType;
  readonly imi: boolean;
  readonly permissions: readonly [vmpl1: number, vmpl2: number, vmpl3: number];
  readonly gpa: bigint;
}

const AT = { contents: 0x30, length: 0x60, type: 0x62, imi: 0x63, vmpl3: 0x64, vmpl2: 0x65, vmpl1: 0x66, gpa: 0x68 };

/** Whether the contents of such a page are measured; of others, that it is there, and where. */
export const isMeasured = (type: PageType): boolean => type === 'normal' || type === 'vmsa';

/** The SHA-384 of a page of 4096 bytes. */
export function pageDigest(page: Uint8Array): Uint8Array {
  if (page.length !== PAGE_BYTES) throw new Error(`a page has ${page.length} bytes; expected ${PAGE_BYTES}`);
  return sha384(page);
}

export function encodePageInfo({ digest, contents, type, imi, permissions, gpa }: PageInfo): Uint8Array {
  const bytes = new Uint8Array(PAGE_INFO_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(digest, 0);
  bytes.set(contents, AT.contents);
  view.setUint16(AT.length, PAGE_INFO_BYTES, true);
  bytes[AT.type] = PAGE_TYPES[type];
  bytes[AT.imi] = imi ? 1 : 0;
  const [vmpl1, vmpl2, vmpl3] = permissions;
  bytes.set([vmpl3, vmpl2, vmpl1], AT.vmpl3);
  view.setBigUint64(AT.gpa, gpa, true);
  return bytes;
}

const NO_CONTENTS = new Uint8Array(DIGEST_BYTES);
const NO_PERMISSIONS = [0, 0, 0] as const;

function contentsOf({ type, gpa, sha384: digest }: LaunchPage): Uint8Array {
  if (!isMeasured(type)) return NO_CONTENTS;
  if (digest?.length !== DIGEST_BYTES) {
    throw new Error(`the ${type} page at 0x${gpa.toString(16)} has a digest of ${digest?.length ?? 0} bytes; expected ${DIGEST_BYTES}`);
  }
  return digest;
}

/** The digest behind one more page. */
export function extendDigest(digest: Uint8Array, page: LaunchPage): Uint8Array {
  const { type, gpa, imi = false, permissions = NO_PERMISSIONS } = page;
  return sha384(encodePageInfo({ digest, contents: contentsOf(page), type, imi, permissions, gpa }));
}
