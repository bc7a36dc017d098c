/**
 * The keys of a simulated chip, all from one seed: its id, the VCEK of each TCB, and what a guest
 * gets when it is launched.
 *
 * How AMD derives a VCEK from the secret in the fuses is not public, and firmware draws VMPCKs and
 * report ids at random. Here HKDF makes all of them, so that a run with the same seed has the same
 * keys; grade `decision`. What is kept: a VCEK depends on the chip and on every byte of the TCB,
 * and no key tells another.
 *
 * @see SEV-SNP firmware ABI, "Key derivation"; domain snp f.9, f.10
 */
import { p384 } from '@noble/curves/nist.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { sha384 } from '@noble/hashes/sha2.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';
import { putWord } from './layout.ts';

/** VMPCK0 to VMPCK3. */
export const VMPCKS = 4;
const VMPCK_BYTES = 32;

const SALT = utf8ToBytes('worldswitch sev-snp chip');
/** What P-384 needs for a secret key without bias: 1.5 times the bytes of its order. */
const KEY_SEED_BYTES = 72;

/** Bytes for one use: another name, or other words, give bytes that tell nothing of these. */
function derived(secret: Uint8Array, use: string, words: readonly bigint[], size: number): Uint8Array {
  const name = utf8ToBytes(use);
  const info = new Uint8Array(name.length + 1 + 8 * words.length);
  info.set(name);
  words.forEach((word, i) => {
    putWord(info, { at: name.length + 1 + 8 * i, size: 8, says: use }, word);
  });
  return hkdf(sha384, secret, SALT, info, size);
}

/** The secret of the chip in a run of this seed; it stands for what fuses hold. */
export const chipOf = (seed: number): Uint8Array => derived(utf8ToBytes(`${seed}`), 'chip', [], 48);

/** CHIP_ID of a report. */
export const chipIdOf = (chip: Uint8Array): Uint8Array => derived(chip, 'chip id', [], 64);

/** The secret key that signs reports under a TCB. */
export const vcekOf = (chip: Uint8Array, tcb: bigint): Uint8Array =>
  p384.utils.randomSecretKey(derived(chip, 'VCEK', [tcb], KEY_SEED_BYTES));

/**
 * What firmware gives a guest at its launch.
 * @param asid tells guests of one chip apart
 */
export interface GuestSecrets {
  readonly vmpcks: readonly Uint8Array[];
  readonly reportId: Uint8Array;
}
export const guestSecrets = (chip: Uint8Array, asid: number): GuestSecrets => ({
  vmpcks: Array.from({ length: VMPCKS }, (_, n) => derived(chip, 'VMPCK', [BigInt(asid), BigInt(n)], VMPCK_BYTES)),
  reportId: derived(chip, 'report id', [BigInt(asid)], 32),
});
