/**
 * What can still be said where a space is larger than the budget: searches within 0, 1, 2, …
 * deviations, until one of them does not fit either. Breadth first, a search that is cut has seen
 * short schedules only; within a bound it has seen whole runs.
 */
import type { MemoEngine } from '../../engine/memo.ts';
import { WorldStep } from '../../rows/world-step.ts';
import type { ExploreRequest, Search } from '../request.ts';
import { type BoundedFinding, BoundedSearch } from './bounded.ts';

/** States of each search: several hundred bytes each, unlike those of a whole search. */
const STATES_MAX = 200_000;

export interface Widened {
  /**
   * All schedules with so many deviations were searched; null if not even the in-order run fitted.
   */
  readonly deviations: number | null;
  /** Each property that broke, by the least deviating schedule. */
  readonly findings: readonly BoundedFinding[];
}

export type WideningRequest = Pick<ExploreRequest, 'scenario' | 'maxStates' | 'from'> & { readonly engine: MemoEngine };

export function* widened({ scenario, maxStates, from, engine }: WideningRequest): Search<Widened> {
  const found = new Map<string, BoundedFinding>();
  const states = Math.min(maxStates, STATES_MAX);
  let deviations: number | null = null;
  for (let limit = 0; ; limit++) {
    const world = new WorldStep(engine, from);
    const search = new BoundedSearch({ scenario, limits: { deviations: limit }, states, world, ...(from && { from }) });
    const report = yield* search.run();
    for (const finding of report.findings) if (!found.has(finding.property)) found.set(finding.property, finding);
    if (!report.exhausted) break;
    deviations = limit;
    if (report.closed) break;
  }
  return { deviations, findings: [...found.values()] };
}
