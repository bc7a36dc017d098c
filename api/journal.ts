/**
 * `worldswitch/journal`: journals read, written, folded, compared and carried out again.
 * docs/journal-format.md has the bytes.
 */
export type {
  Choice,
  Deadlocked,
  JournalRecord,
  Json,
  JsonObject,
  RecordKind,
  RunEnd,
  RunStart,
  StuckKind,
} from '../events/journal.ts';
export { type Difference, diff } from '../replay/diff.ts';
export {
  JournalDamagedError,
  JournalError,
  JournalTooNewError,
  JournalTornError,
  JournalWriteError,
  NotAJournalError,
  type Torn,
} from '../replay/errors.ts';
export { type FileSource, fileSource } from '../replay/file-source.ts';
export { type FoldMismatch, type FoldReport, foldAll, stateAt } from '../replay/fold.ts';
export { FoldError, type FoldedState, type InFlight } from '../replay/folder.ts';
export { findPoint, type MicroStep, type Place, type Point, PointError, placeOf, pointsOf } from '../replay/points.ts';
export type { Journal, StepDigest } from '../replay/reader.ts';
export { type ActorDifference, type Divergence, type Reexecution, reexecute } from '../replay/reexecute.ts';
export { type JournalSource, memorySource } from '../replay/source.ts';
export { type JournalPlace, type OpenJournal, openJournal } from './journal-file.ts';
export { type RecordOptions, type RunRecorder, recordRun } from './recorder.ts';
