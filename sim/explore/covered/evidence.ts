/**
 * Evidence: how well the micro-steps that a search came into are known, by the grade of their
 * sources.
 */
import { GRADES, type Grade } from '../../../actors/path/path.ts';
import type { MemoEngine } from '../../engine/memo.ts';

export interface Evidence {
  readonly grade: Grade;
  /** A micro-step known no better than that. */
  readonly step: string;
  readonly source: string;
}

interface StepLike {
  readonly step?: string;
  readonly grade?: Grade;
  readonly source?: string;
}

const placeOf = ({ step, source }: Evidence): string => `${step} ${source}`;

/** The least known of several; of two that are known as little, always the same one. */
export const weakestOf = (all: readonly (Evidence | null)[]): Evidence | null =>
  all
    .filter((one) => one !== null)
    .sort((a, b) => GRADES.indexOf(b.grade) - GRADES.indexOf(a.grade) || (placeOf(a) < placeOf(b) ? -1 : 1))[0] ?? null;

/** The least known micro-step among all local states that a search came into. */
export function weakestEvidence(engine: MemoEngine): Evidence | null {
  const met = new Map<string, Evidence>();
  for (const { index, locals } of engine.store.kinds) {
    for (const local of engine.reachedLocals(index)) {
      for (const meta of Object.values(locals.values[local]!.getMeta() as Record<string, StepLike | undefined>)) {
        if (!meta?.grade || !meta.step || meta.source === 'the scenario') continue;
        const evidence = { grade: meta.grade, step: meta.step, source: meta.source ?? '' };
        met.set(placeOf(evidence), evidence);
      }
    }
  }
  return weakestOf([...met.values()]);
}
