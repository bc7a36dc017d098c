/**
 * One step of a journal looked at: the state after it, what is in flight, and what could have come
 * next.
 */

import type { JsonObject } from '../events/journal.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { restore } from '../sim/restore.ts';
import type { Topology } from '../sim/store.ts';
import { stateAt } from './fold.ts';
import type { InFlight } from './folder.ts';
import { scenarioOf } from './model.ts';
import type { Journal } from './reader.ts';

export interface StepReport {
  readonly step: number;
  readonly digest: string;
  readonly vtime: number;
  /** `{value, context}` by actor. */
  readonly state: Readonly<Record<string, JsonObject>>;
  readonly inFlight: readonly InFlight[];
  /** What the chooser could have answered next; `taken` is what it answered. */
  readonly alternatives: readonly { readonly index: number; readonly label: string; readonly taken: boolean }[];
}

/** Machines are the same for every step of a journal, and dear to set up. */
const models = new WeakMap<Journal, Topology>();

function modelOf(journal: Journal): Topology {
  const known = models.get(journal) ?? topologyOf(scenarioOf(journal));
  models.set(journal, known);
  return known;
}

/**
 * The state comes from the records; the alternatives from the model, which must know that state.
 * @throws RangeError if there is no such step
 * @throws RestoreError if the model does not know the state
 */
export function reportStep(journal: Journal, step: number): StepReport {
  const state = stateAt(journal, step);
  const sequencer = restore(new MemoEngine(modelOf(journal)), state);
  const taken = step < journal.steps ? journal.choices(step + 1).next().value?.index : undefined;
  return {
    step,
    digest: state.digest,
    vtime: state.vtime,
    state: Object.fromEntries(state.actors),
    inFlight: state.inFlight,
    alternatives: sequencer.alternatives().map(({ label }, index) => ({ index, label, taken: index === taken })),
  };
}
