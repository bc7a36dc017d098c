/** One run and its verdict: a scenario run, a recorded run forked, or a recorded run replayed. */
import type { JsonObject, RunEnd, RunStart } from '../events/journal.ts';
import { runIdOf, toHex } from '../replay/identity.ts';
import { type Changed, changedBy, type Fork, type InjectOptions } from '../replay/inject.ts';
import { foreignModel } from '../replay/model.ts';
import type { Journal } from '../replay/reader.ts';
import { type Divergence, reexecute } from '../replay/reexecute.ts';
import { ModelError } from '../sim/engine/port.ts';
import { meets } from '../sim/scenario/expectations.ts';
import type { Expectation, ResolvedScenario } from '../sim/scenario/types.ts';
import { expectOther, type JournalPlace, type OpenJournal, withJournal } from './journal-file.ts';
import { forkOf, type OpenRun, type OpenRunOptions, openRun } from './open-run.ts';
import { type RecordOptions, recordRun } from './recorder.ts';
import type { ScenarioSource } from './scenario.ts';

/**
 * What to run, and where its journal goes.
 * @public
 */
export interface RunOptions extends OpenRunOptions, RecordOptions {}

/** The result of a run: the keys of `worldswitch run --json`. @public */
export interface RunReport {
  readonly scenario: string;
  readonly variant: string;
  readonly chooser: string;
  readonly seed: number;
  readonly verdict: RunEnd['verdict'];
  /** What broke, and after which step; null if nothing did. */
  readonly violation: RunEnd['violation'];
  /** Why it ended. */
  readonly ended: RunEnd['ended'];
  /** What the run did to host and guests, by name. */
  readonly outcomes: JsonObject;
  /** What the scenario expects of the variant; null if nothing. */
  readonly expect: Expectation | null;
  /** Whether the run is as expected; null where nothing is expected. */
  readonly expected: boolean | null;
  /** Evidence of each `sometimes` property that came true, by id. */
  readonly sometimes: Readonly<Record<string, string>>;
  readonly steps: number;
  readonly records: number;
  /** The digest of the world after the last step. */
  readonly digest: string;
  /** The SHA-256 chain over the journal. */
  readonly root: string;
  readonly runId: string;
  /** The journal, open. `close()` it if it is a file. */
  readonly journal: OpenJournal;
}

/** Carries a run to its end, and writes its journal. */
function recorded(open: OpenRun, options: RecordOptions): RunReport {
  const recorder = recordRun(open, options);
  try {
    return reportOf(open, open.toEnd(), recorder.seal());
  } catch (error) {
    // The records before the model broke a rule are evidence and stay; after any other error the
    // journal is removed.
    if (error instanceof ModelError) recorder.release();
    else recorder.discard();
    throw error;
  }
}

function reportOf({ start, met }: OpenRun, end: RunEnd, journal: OpenJournal): RunReport {
  const { name, variant, expect } = start.scenario as unknown as ResolvedScenario;
  const { steps, records, root } = journal;
  const { verdict, violation, ended, outcomes } = end;
  return {
    scenario: name,
    variant,
    chooser: start.chooser,
    seed: start.seed,
    verdict,
    violation,
    ended,
    outcomes,
    expect,
    expected: expect === null ? null : meets(end, expect),
    sometimes: Object.fromEntries(met),
    steps,
    records,
    digest: journal.stepEnd(steps).digest,
    root,
    runId: runIdText(start),
    journal,
  };
}

const runIdText = (start: RunStart): string => toHex(runIdOf(start));

/**
 * Runs a scenario once, to its end, as `worldswitch run` does.
 * @throws ScenarioError, ScenarioSourceError, ScheduleTextError; ScheduleError if the schedule does
 * not fit; JournalWriteError
 * @public
 */
export const run = (source: ScenarioSource, options: RunOptions = {}): RunReport => recorded(openRun(source, options), options);

/** The result of the fork of a recorded run. @public */
export interface InjectReport extends RunReport {
  /** The step whose choice was replaced, and what was chosen. */
  readonly fork: Fork;
  /** What differs from the recorded run. */
  readonly changed: Changed;
  /**
   * The step at which the recorded choices no longer fitted; null if all were followed, or none
   * were asked for.
   */
  readonly leftAt: number | null;
}

/**
 * Replaces one choice of a recorded run and goes on from there, as `worldswitch inject` does.
 * @throws PointError, InjectError where the choice cannot be made; ScheduleError if the recorded
 * choices before it no longer fit
 * @public
 */
export function inject(journal: JournalPlace | Journal, options: InjectOptions & RecordOptions): InjectReport {
  expectOther(journal, options.file);
  return withJournal(journal, (before) => {
    const { open, fork } = forkOf(before, options);
    const report = recorded(open, options);
    return { ...report, fork: fork.fork(), changed: changedBy(before, report.journal), leftAt: fork.leftAt() };
  });
}

/** The result of a replay: the keys of `worldswitch replay --json`. @public */
export interface ReplayReport {
  /** Every digest is equal. */
  readonly identical: boolean;
  /** The journal is whole. */
  readonly sealed: boolean;
  readonly steps: number;
  readonly records: number;
  /** The digest of the last step that was equal; null if none was. */
  readonly digest: string | null;
  /** The first step that differs, with both sides and a likely cause. */
  readonly divergence: Divergence | null;
  /** What the recorded run broke, if the replay got so far. */
  readonly violation: RunEnd['violation'];
  /** A sentence about the model that made the journal; null if it is this one. */
  readonly model: string | null;
}

/**
 * Carries out the recorded choices and compares every digest, as `worldswitch replay` does.
 * @throws JournalError, if it is damaged
 * @public
 */
export const replay = (journal: JournalPlace | Journal, options: { readonly to?: number } = {}): ReplayReport =>
  withJournal(journal, (before) => {
    const { identical, steps, records, digest, divergence } = reexecute(before, options);
    const violation = identical && steps === before.steps ? (before.end?.violation ?? null) : null;
    return { identical, sealed: before.sealed, steps, records, digest, divergence, violation, model: foreignModel(before) };
  });
