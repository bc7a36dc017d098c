/**
 * One step of a journal looked at: the state after it, what is in flight, and what could have come
 * next.
 */

import type { JsonObject } from '../events/journal.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { restore } from '../sim/restore.ts';
import type { Sequencer } from '../sim/sequencer.ts';
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
  /** How many alternatives there are. */
  readonly count: number;
  /**
   * What the chooser could have answered next; `taken` is what it answered, which is always there.
   */
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
 * `limit`: of the moves, and of the offers that are no moves, so many are listed at most.
 * @throws RangeError if there is no such step
 * @throws RestoreError if the model does not know the state
 */
export function reportStep(journal: Journal, step: number, limit: number = Number.POSITIVE_INFINITY): StepReport {
  const state = stateAt(journal, step);
  const sequencer = restore(new MemoEngine(modelOf(journal)), state);
  const taken = step < journal.steps ? journal.choices(step + 1).next().value?.index : undefined;
  return {
    step,
    digest: state.digest,
    vtime: state.vtime,
    state: Object.fromEntries(state.actors),
    inFlight: state.inFlight,
    count: sequencer.count,
    alternatives: indicesOf(sequencer, limit, taken).map((index) => ({
      index,
      label: sequencer.alternative(index).label,
      taken: index === taken,
    })),
  };
}

/** The first alternatives and the first of those that are no moves, `limit` of each, and `also`. */
export function indicesOf({ count, lineup }: Sequencer, limit: number, also?: number): number[] {
  const first = (from: number, to: number) => Array.from({ length: Math.max(0, Math.min(limit, to - from)) }, (_, i) => from + i);
  const indices = [...first(0, lineup.offersAt), ...first(lineup.offersAt, count)];
  if (also === undefined || also >= count || indices.includes(also)) return indices;
  return [...indices, also].sort((a, b) => a - b);
}
