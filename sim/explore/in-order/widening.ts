/**
 * What can still be said where a space is larger than the budget: searches within 0, 1, 2, … deviations, until one of them does not fit
 * either. Breadth first, a search that is cut has seen short schedules only; within a bound it has seen whole runs.
 */
import type { MemoEngine } from '../../engine/memo.ts';
import type { Search } from '../breadth/explorer.ts';
import type { Exploration, ExploreRequest } from '../explore.ts';
import { coverageLines } from '../guarantee.ts';
import { byProperty } from '../space/verdicts.ts';
import { WorldStep } from '../space/world-step.ts';
import { type BoundedFinding, BoundedSearch } from './bounded.ts';

/** States of each search: several hundred bytes each, unlike those of a whole search. */
const STATES_MAX = 200_000;

interface Widened {
  /** All schedules with so many deviations were searched; null if not even the in-order run fitted. */
  readonly deviations: number | null;
  /** Each property that broke, by the least deviating schedule. */
  readonly findings: readonly BoundedFinding[];
}

type Request = Pick<ExploreRequest, 'scenario' | 'maxStates' | 'from'> & { readonly engine: MemoEngine };

export function* widened({ scenario, maxStates, from, engine }: Request): Search<Widened> {
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

/** The report of a search whose states were used up, with what can be said within a bound. `bound` puts one into words. */
export function* withWidening(exploration: Exploration, request: Request, bound: (deviations: number) => string): Search<Exploration> {
  const { deviations, findings } = yield* widened(request);
  const { scenario } = request;
  const known = exploration.violations.map(({ property }) => property);
  const added = findings.filter(({ property }) => !known.includes(property));
  const violations = [
    ...exploration.violations,
    ...added.map((finding) => ({ ...finding, steps: finding.labels.length, least: true })),
  ].sort(byProperty);
  const covered = coveredAgain(exploration, request);
  if (deviations === null) return { ...covered, violations };
  const held = scenario.properties.always.filter((id) => !violations.some(({ property }) => property === id));
  const line =
    held.length > 0
      ? `Of ${bound(deviations)}, none breaks ${held.join(', ')}: these were searched by themselves.`
      : `Searched by themselves, to the end: ${bound(deviations)}.`;
  return { ...covered, violations, within: { deviations }, guarantee: [...covered.guarantee, line] };
}

/** Tells the coverage once more: since it was told, the engine has met more. */
function coveredAgain(exploration: Exploration, { engine }: Request): Exploration {
  const { ledger, guarantee } = exploration;
  const before = coverageLines(exploration.coverage);
  const coverage = ledger.note(engine).coverage(false);
  return {
    ...exploration,
    coverage: { ...exploration.coverage, ...coverage },
    guarantee: [...guarantee.filter((line) => !before.includes(line)), ...coverageLines(coverage)],
  };
}
