/** What a timeline is made from: the facts of a run and its records in order. */
import type { JournalRecord, RunEnd, RunStart } from '../events/journal.ts';
import type { Journal } from '../replay/reader.ts';

/** What a timeline is made from: the facts of a run, and its records in order. @public */
export interface Recording {
  readonly start: RunStart;
  readonly records: Iterable<JournalRecord>;
  /** Null where the run has no end, or it was lost. */
  readonly end: RunEnd | null;
  /** Virtual time at the end of the last step, in ns. */
  readonly endVtime: number;
}

/** The records are read as they are asked for. @public */
export const recordingOf = (journal: Journal): Recording => ({
  start: journal.start,
  records: journal.recordsFrom(),
  end: journal.end,
  endVtime: journal.records === 0 ? 0 : journal.stepEnd(journal.steps).vtime,
});
