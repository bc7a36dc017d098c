/** What pages hold, as tokens: which store has left it there, and under whose key. */
import type { ActorId } from '../event.ts';

/** What there was before the run, in the place of an actor that stored it. */
export const AT_START = 'start';

/** What a load finds. */
export interface Loaded {
  /** Who stored it: a vCPU, a host thread, or `start`. */
  readonly by: ActorId;
  /** The number of the operation, in the program of the one who stored it. */
  readonly n: number;
  /** Where the guest stored it; a host has no GFNs. */
  readonly gfn?: number;
  /** The load was under another key: what it finds differs from every value that was stored. */
  readonly ciphertext?: true;
}

/**
 * What a frame holds. `asid`: under the key of this guest; without it, in plain. The tweak of the
 * encryption is the physical address, which a frame keeps: what a guest stored at one GFN it can
 * read at another, if the host moves the frame there.
 * @see domain snp h, R24
 */
export interface Content extends Omit<Loaded, 'ciphertext'> {
  readonly asid?: number;
}
