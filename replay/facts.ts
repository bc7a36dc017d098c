/** What is known of a journal once it is open, before any of its records is read. */
import type { RunEnd, RunStart } from '../events/journal.ts';
import type { Torn } from './errors.ts';
import type { JournalHeader } from './header.ts';
import type { Index } from './payloads.ts';

export interface JournalFacts {
  readonly header: JournalHeader;
  readonly start: RunStart;
  /** Null where the journal is not sealed. */
  readonly end: RunEnd | null;
  readonly sealed: boolean;
  /** What an unsealed journal lost at its end; null where nothing is missing. */
  readonly torn: Torn | null;
  /** Number of records, and so the seq of the last one. */
  readonly records: number;
  /** Number of the last step: how many choices were made. */
  readonly steps: number;
  /** The SHA-256 chain after the last good frame, in hex. */
  readonly root: string;
  readonly index: Index;
  /** Where the frames end that the index is about; null where all frames were read and checked. */
  readonly unchecked: number | null;
}

/** Which steps a journal has from `first` on, as the end of a sentence about it. */
export function stepsText({ records, steps }: Pick<JournalFacts, 'records' | 'steps'>, first = 0): string {
  if (records === 0) return 'has no steps';
  return steps < first ? `has no step after step ${steps}` : `has steps ${first} to ${steps}`;
}
