/** A page of a scenario's launch as the firmware measures it. */
import { isMeasured, type LaunchPage, PAGE_BYTES, pageDigest } from '../../../actors/sev-snp/firmware/launch-digest.ts';
import type { LaunchedPage } from './launch-sections.ts';

/** The signature of QEMU's EPYC-v4: family 23, model 1, stepping 2. */
export const SIGNATURE_DEFAULT = 0x0080_0f12;

export const bytesOf = (hex: string): Uint8Array => Uint8Array.from(hex.match(/../g)!, (byte) => Number.parseInt(byte, 16));

export function pageOf({ type, gfn, fill = 0, sha384 }: LaunchedPage): LaunchPage {
  const gpa = BigInt(gfn) * BigInt(PAGE_BYTES);
  if (!isMeasured(type)) return { type, gpa };
  return { type, gpa, sha384: sha384 === undefined ? pageDigest(new Uint8Array(PAGE_BYTES).fill(fill)) : bytesOf(sha384) };
}
