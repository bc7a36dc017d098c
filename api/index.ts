/**
 * `worldswitch`: what the commands do, for programs. A scenario goes in, a verdict comes out.
 * docs/api.md has a program for each.
 */
import './shipped.ts';

export type { Choice, Deadlocked, JournalRecord, Json, JsonObject, RunEnd, RunStart, StuckKind } from '../events/journal.ts';
export type { Changed, Fork, InjectAction, InjectOptions } from '../replay/inject.ts';
export { InjectError } from '../replay/inject.ts';
export { PointError } from '../replay/points.ts';
export type { Journal } from '../replay/reader.ts';
export type { ActorDifference, Divergence } from '../replay/reexecute.ts';
export { ScheduleTextError } from '../replay/schedule-text.ts';
export { ScheduleError } from '../sim/choosers/chooser.ts';
export type { OutcomeRange, Refusal } from '../sim/explore/compare.ts';
export type { Progress, Violation } from '../sim/explore/request.ts';
export { ScenarioError, type ScenarioIssue } from '../sim/scenario/issues.ts';
export type * from '../sim/scenario/types.ts';
export type { Alternative } from '../sim/sequencer.ts';
export type { ActorView } from '../sim/view.ts';
export { type JournalPlace, type OpenJournal, openJournal } from './journal-file.ts';
export { OpenRun, type OpenRunOptions, openInjection, openReplay, openRun } from './open-run.ts';
export type { RecordOptions } from './recorder.ts';
export {
  type InjectReport,
  inject,
  type ReplayReport,
  type RunOptions,
  type RunReport,
  replay,
  run,
} from './run.ts';
export { type ScenarioOptions, type ScenarioSource, ScenarioSourceError, scenario } from './scenario.ts';
export type { Schedule } from './schedule.ts';
export {
  type ComparedRow,
  type CompareOptions,
  type CompareReport,
  compare,
  type ExploreOptions,
  type ExploreReport,
  explore,
  type SearchOptions,
} from './search.ts';
