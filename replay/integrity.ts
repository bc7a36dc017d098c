/**
 * Whether a file is what its writer wrote: every frame, every checksum, the chain, the index, and
 * every digest by fold.
 */
import type { Dictionary } from './dictionary.ts';
import { EVENTS, LOCALS } from './dictionary.ts';
import { JournalDamagedError, JournalError, type Torn } from './errors.ts';
import { foldAll } from './fold.ts';
import { toHex } from './identity.ts';
import { journalOf } from './open.ts';
import { scanJournal } from './scan.ts';
import type { JournalSource } from './source.ts';

/** The file is whole, but not the one that was meant. */
export class WrongRootError extends JournalError {
  override readonly name = 'WrongRootError';
}

export interface VerifyOptions {
  /** The root that the writer printed, in hex: only one that was kept elsewhere finds a forger. */
  readonly root?: string;
}

export interface VerifyReport {
  readonly ok: boolean;
  readonly sealed: boolean;
  readonly torn: Torn | null;
  readonly records: number;
  readonly steps: number;
  /** Of the file as it is; null where it cannot be read to the end. */
  readonly root: string | null;
  readonly problem: JournalError | null;
}

/** Reads everything. What is wrong with the file is reported, not thrown. */
export function verifyJournal(source: JournalSource, { root: expected }: VerifyOptions = {}): VerifyReport {
  try {
    const scan = scanJournal(source);
    const journal = journalOf(source, scan);
    const { sealed, torn, records, steps, root } = journal;
    const { mismatch } = foldAll(journal);
    if (!mismatch) parseAll(scan.dictionary);
    const facts = { sealed, torn, records, steps, root };
    if (mismatch) {
      const { step, seq, reason } = mismatch;
      return {
        ok: false,
        ...facts,
        problem: new JournalDamagedError(journal.placeOfStep(step), `step ${step}, up to record ${seq}: ${reason}`),
      };
    }
    if (expected !== undefined && expected.toLowerCase() !== toHex(scan.chain)) {
      return { ok: false, ...facts, problem: new WrongRootError(`the root is ${root}, expected was ${expected}`) };
    }
    return { ok: true, ...facts, problem: null };
  } catch (error) {
    if (!(error instanceof JournalError)) throw error;
    return { ok: false, sealed: false, torn: null, records: 0, steps: 0, root: null, problem: error };
  }
}

/** Texts are parsed when a record needs them; here also those that none needs. */
function parseAll(dictionary: Dictionary): void {
  for (let id = 0; id < dictionary.sizes[EVENTS]; id++) dictionary.event(id);
  for (let id = 0; id < dictionary.sizes[LOCALS]; id++) dictionary.local(id);
}
