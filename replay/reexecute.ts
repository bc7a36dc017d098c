/**
 * Re-execution: the model on the recorded choices, every digest compared, and the first divergence
 * with both sides.
 */

import { canonical, hexOf } from '../sim/canonical.ts';
import { ScheduleError } from '../sim/choosers/chooser.ts';
import { ModelError } from '../sim/engine/port.ts';
import type { Run } from '../sim/run.ts';
import { openSession } from '../sim/session.ts';
import { WorldView } from '../sim/view.ts';
import { stateAt } from './fold.ts';
import { FoldError, type FoldedState } from './folder.ts';
import { foreignModel, scenarioOf } from './model.ts';
import type { Journal } from './reader.ts';

/** One actor as the journal has it and as the model has it now. @public */
export interface ActorDifference {
  readonly actor: string;
  readonly recorded: unknown;
  readonly found: unknown;
}

/** The first step at which a run and its journal differ. @public */
export interface Divergence {
  readonly step: number;
  /** The choice that was carried out, or could not be. */
  readonly label: string | null;
  readonly expected: string;
  /** Null where the step could not be carried out. */
  readonly found: string | null;
  /** The likely reason, in a sentence. */
  readonly cause: string;
  readonly actors: readonly ActorDifference[];
}

/** What the model did on the recorded choices. @public */
export interface Reexecution {
  readonly identical: boolean;
  readonly steps: number;
  readonly records: number;
  /** Of the last step that was equal; null if none was. */
  readonly digest: string | null;
  readonly divergence: Divergence | null;
  /** The run as it stands at the end, for a caller that goes on from there. */
  readonly run: Run;
}

/**
 * Carries out the recorded choices with the memo engine.
 * @throws JournalError where the file is damaged
 * @public
 */
export function reexecute(journal: Journal, { to = journal.steps }: { readonly to?: number } = {}): Reexecution {
  const last = Math.min(to, journal.steps);
  const { run } = openSession({
    scenario: scenarioOf(journal),
    engine: 'memo',
    chooser: { name: 'replay', choices: journal.choices(), match: 'strict' },
  });
  const { sequencer } = run;
  let equal: string | null = null;
  const report = (divergence: Divergence | null): Reexecution => ({
    identical: divergence === null,
    steps: divergence ? divergence.step - 1 : sequencer.step,
    records: sequencer.seq,
    digest: equal,
    divergence,
    run,
  });
  for (const end of journal.digests()) {
    if (end.step > last) break;
    const problem = stepTo(run, end.step);
    const { a, b } = sequencer.digest;
    if (problem !== null || a !== end.laneA || b !== end.laneB) return report(divergenceAt(journal, run, end.step, end.digest, problem));
    equal = end.digest;
  }
  return report(null);
}

/** Carries out step `step`; says why it could not. */
function stepTo(run: Run, step: number): string | null {
  try {
    if (step === 0) run.start();
    else run.advance();
  } catch (error) {
    if (error instanceof ScheduleError || error instanceof ModelError) return error.message;
    throw error;
  }
  if (run.sequencer.step === step) return null;
  return run.end?.violation
    ? `the run ended before it: ${run.end.violation.property}, ${run.end.violation.message}`
    : `the run ended before it (${run.end?.ended ?? 'nothing left to do'})`;
}

function divergenceAt(journal: Journal, run: Run, step: number, expected: string, problem: string | null): Divergence {
  const { a, b } = run.sequencer.digest;
  const label = step === 0 ? null : (journal.choices(step).next().value?.label ?? null);
  const actors = problem === null ? differences(journal, run, step) : [];
  const what =
    problem ?? (actors.length ? `${actors.map(({ actor }) => actor).join(', ')} changed otherwise` : 'messages in flight differ');
  const foreign = foreignModel(journal);
  const cause = foreign
    ? `${what}; ${foreign}`
    : `${what}; the model is the same, so the journal does not come from this scenario and these choices`;
  return { step, label, expected, found: problem === null ? hexOf(a, b) : null, cause, actors };
}

/** Which actors are not as the journal has them. */
function differences(journal: Journal, run: Run, step: number): ActorDifference[] {
  let recorded: FoldedState;
  try {
    recorded = stateAt(journal, step);
  } catch (error) {
    if (error instanceof FoldError) return [];
    throw error;
  }
  const { store, locals } = run.sequencer;
  const world = new WorldView(store, locals);
  return store.ids.flatMap((id, slot) => {
    const { value, context } = world.actor(slot);
    const theirs = recorded.actors.get(id) ?? null;
    return canonical(theirs) === canonical({ value, context }) ? [] : [{ actor: id, recorded: theirs, found: { value, context } }];
  });
}
