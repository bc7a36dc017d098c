/** The points of a run by name, with what could have been chosen at each. */

import { stateAt } from '../replay/fold.ts';
import { indicesOf } from '../replay/inspect.ts';
import { scenarioOf } from '../replay/model.ts';
import { HitCounter } from '../replay/points.ts';
import type { Journal } from '../replay/reader.ts';
import { MemoEngine } from '../sim/engine/memo.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { restore } from '../sim/restore.ts';
import { momentsOf, shortName } from './micro-steps.ts';

export interface ListedPoint {
  readonly step: number;
  /** As `--at` takes it; null for a step that executes no micro-step. */
  readonly point: string | null;
  readonly actor: string;
  readonly microStep: string | null;
  /** What was chosen. */
  readonly label: string;
  /** How many alternatives there were. */
  readonly count: number;
  /**
   * What could have been chosen, of many the first moves and the first other offers; empty if this
   * model does not know the state.
   */
  readonly alternatives: readonly string[];
}

export interface PointFilter {
  readonly from?: number | undefined;
  readonly limit: number;
  readonly actor?: string | undefined;
}

/** Moves, and other offers, that are listed of one step. */
const ALTERNATIVES_MAX = 32;

/** What could be chosen at each step from `from` on. */
function* alternativesFrom(journal: Journal, from: number): Generator<Pick<ListedPoint, 'count' | 'alternatives'>, void> {
  let sequencer: ReturnType<typeof restore>;
  try {
    sequencer = restore(new MemoEngine(topologyOf(scenarioOf(journal))), stateAt(journal, from - 1));
  } catch (error) {
    if (error instanceof Error && (error.name === 'RestoreError' || error.name === 'ResolvedScenarioError')) return;
    throw error;
  }
  for (const { index, label } of journal.choices(from)) {
    const { count } = sequencer;
    // The journal is of another model, so what this one offers is not what the run had.
    if (index >= count || sequencer.alternative(index).label !== label) return;
    yield { count, alternatives: indicesOf(sequencer, ALTERNATIVES_MAX, index).map((at) => sequencer.alternative(at).label) };
    sequencer.take(index);
  }
}

/** Every step in order; all before `from` are counted, so that a point names its hit. */
export function* listPoints(journal: Journal, { from = 1, limit, actor }: PointFilter): Generator<ListedPoint, void> {
  const counter = new HitCounter();
  let left = limit;
  if (journal.steps < from) return;
  const alternatives = alternativesFrom(journal, from);
  for (const moment of momentsOf(journal)) {
    const { step, microStep, label } = moment;
    const point = microStep === null ? null : counter.point(moment.actor, microStep, shortName(microStep));
    if (step < from) continue;
    const offered = alternatives.next().value ?? { count: 0, alternatives: [] };
    if (actor !== undefined && moment.actor !== actor) continue;
    yield { step, point, actor: moment.actor, microStep, label, ...offered };
    if (--left === 0) return;
  }
}
