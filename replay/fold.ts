/**
 * The state of the world rebuilt from the records of a journal alone, and compared with the digests
 * that stand there.
 */
import { hexOf } from '../sim/canonical.ts';
import { FoldError, type FoldedState, Folder } from './folder.ts';
import type { Journal, StepDigest } from './reader.ts';

/**
 * The state at the end of a step. Only the texts of this state are parsed, not those of the steps
 * on the way.
 * @throws RangeError if there is no such step
 * @throws FoldError if the state does not have the digest that the journal says
 * @public
 */
export function stateAt(journal: Journal, step: number): FoldedState {
  const end = journal.stepEnd(step);
  const { seq, state: ids } = journal.stateIds(step);
  const { dictionary, actors } = journal;
  const locals = ids.locals.map((id, slot) => {
    if (id < 0) throw new FoldError(step, seq, `${actors[slot]} has no state yet`);
    return dictionary.local(id);
  });
  const inFlight = ids.inFlight.map((entry) => {
    const { type, payload } = dictionary.event(entry.event);
    return { seq: entry.seq, from: actors[entry.from]!, to: actors[entry.to]!, type, payload };
  });
  const folder = new Folder(actors);
  folder.restore(step, seq, locals, inFlight);
  const state = folder.state(end.vtime);
  if (state.digest !== end.digest)
    throw new FoldError(step, seq, `the journal says digest ${end.digest}, its records give ${state.digest}`);
  return state;
}

/** What a journal comes to when it is folded. @public */
export interface FoldReport {
  readonly identical: boolean;
  readonly steps: number;
  readonly records: number;
  /** Of the last step that fits; null if none does. */
  readonly digest: string | null;
  /**
   * The first step whose records do not give its digest; `found` is null where they contradict each
   * other.
   */
  readonly mismatch: FoldMismatch | null;
}

/** The first step whose records do not give its digest. @public */
export interface FoldMismatch {
  readonly step: number;
  readonly seq: number;
  readonly expected: string;
  readonly found: string | null;
  readonly reason: string;
}

/**
 * Folds step by step from the start; the folder stands at the end of the step.
 * @throws FoldError
 */
export function* foldSteps(journal: Journal): Generator<{ readonly end: StepDigest; readonly folder: Folder; readonly seq: number }, void> {
  const folder = new Folder(journal.actors);
  const records = journal.recordsFrom();
  let next = records.next();
  for (const end of journal.digests()) {
    let seq = 0;
    for (; !next.done && next.value.step === end.step; next = records.next()) {
      folder.apply(next.value);
      seq = next.value.seq;
    }
    yield { end, folder, seq };
  }
}

/** Folds a whole journal and compares the digest of every step. @public */
export function foldAll(journal: Journal): FoldReport {
  const { steps, records } = journal;
  let digest: string | null = null;
  const differs = (step: number, seq: number, found: string | null, reason: string): FoldReport => {
    const mismatch = { step, seq, expected: journal.stepEnd(step).digest, found, reason };
    return { identical: false, steps, records, digest, mismatch };
  };
  try {
    for (const { end, folder, seq } of foldSteps(journal)) {
      const { a, b } = folder.digest();
      if (a !== end.laneA || b !== end.laneB)
        return differs(end.step, seq, hexOf(a, b), 'the state has another digest than the journal says');
      digest = end.digest;
    }
  } catch (error) {
    if (error instanceof FoldError) return differs(error.step, error.seq, null, error.message);
    throw error;
  }
  return { identical: true, steps, records, digest, mismatch: null };
}
