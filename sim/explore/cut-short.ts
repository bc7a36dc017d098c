/**
 * A search whose budget of states was used up: its report, with what whole searches within a bound
 * can still say.
 */
import { DeadEnds, withWaits } from '../rows/dead-ends.ts';
import { WorldStep } from '../rows/world-step.ts';
import { coverageLines } from './guarantee.ts';
import { type WideningRequest, widened } from './in-order/widening.ts';
import type { Exploration, Search } from './request.ts';
import { byProperty } from './space/verdicts.ts';

/**
 * The report of a search whose states were used up, with what can be said within a bound. `bound`
 * puts one into words.
 */
export function* withWidening(
  exploration: Exploration,
  request: WideningRequest,
  bound: (deviations: number) => string,
): Search<Exploration> {
  const { deviations, findings } = yield* widened(request);
  const { scenario } = request;
  const known = exploration.violations.map(({ property }) => property);
  const added = findings.filter(({ property }) => !known.includes(property));
  const ends = new DeadEnds(new WorldStep(request.engine, request.from));
  const violations = [
    ...exploration.violations,
    ...added.map((finding) => withWaits(ends, { ...finding, steps: finding.labels.length, least: true })),
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
function coveredAgain(exploration: Exploration, { engine }: WideningRequest): Exploration {
  const { ledger, guarantee } = exploration;
  const before = coverageLines(exploration.coverage);
  const coverage = ledger.note(engine).coverage(false);
  return {
    ...exploration,
    coverage: { ...exploration.coverage, ...coverage },
    guarantee: [...guarantee.filter((line) => !before.includes(line)), ...coverageLines(coverage)],
  };
}
