/** What `expect` may name beside properties, and whether a violation is what is expected. */
import { type RunEnd, STUCK_KINDS } from '../../events/journal.ts';
import { DEADLOCK, isWhole } from '../end.ts';
import type { Expectation, ResolvedScenario } from './types.ts';

/** A violation whose run never ends, whatever property it breaks. */
const ENDLESS = 'endless';

/** Names of runs that get nowhere, told by a property under `eventually`. */
const ENDLESS_NAMES: readonly string[] = [...STUCK_KINDS, ENDLESS];

/** All that is no property and can be expected. */
export const STUCK_NAMES: readonly string[] = [DEADLOCK, ...ENDLESS_NAMES];

/** Whether a property under `eventually` has to be asked for before this name can be found. */
export const isEndlessName = (name: string): boolean => ENDLESS_NAMES.includes(name);

/** Whether a scenario names a property that has to hold, or what it is made of brings one. */
export const namesProperty = ({ properties: { always, eventually } }: Pick<ResolvedScenario, 'properties'>): boolean =>
  always.length + eventually.length > 0;

/** What a clean verdict is about where it names none. */
export const NO_PROPERTY = 'the scenario names no property that has to hold, so only deadlocks were looked for';

type Found = Pick<NonNullable<RunEnd['violation']>, 'property' | 'kind' | 'lasso'>;

/** Whether a violation goes by this name: its property, its kind, or that its run never ends. */
export const goesBy = ({ property, kind, lasso }: Found, name: string): boolean =>
  name === property || name === kind || (name === ENDLESS && lasso !== undefined);

/** Whether a variant is expected to do this. */
export const isExpected = (violation: Found, expect: Expectation): boolean =>
  expect !== 'clean' && expect.violates.some((name) => goesBy(violation, name));

/** Whether a run ended as its scenario says that the variant may end. */
export function meets({ verdict, violation, ended }: RunEnd, expect: Expectation): boolean {
  if (expect === 'clean') return verdict === 'clean' && isWhole(ended);
  return violation !== null && isExpected(violation, expect);
}

/** What a search found broken. */
export interface FoundBroken extends Found {
  readonly message: string;
}

/**
 * What a search found against what is expected, one sentence each. `isWhole`: nothing else can
 * break under any schedule.
 */
export function againstExpected(expect: Expectation, broken: readonly FoundBroken[], isWhole: boolean): string[] {
  const expected = expect === 'clean' ? [] : expect.violates;
  const missing = isWhole ? expected.filter((name) => !broken.some((found) => goesBy(found, name))) : [];
  return [
    ...broken
      .filter((found) => !isExpected(found, expect))
      .map((found) => `the search finds ${nameOf(found)}, which is not expected: ${found.message}`),
    ...missing.map((name) => `no schedule reaches ${name}, which is expected`),
  ];
}

/** The property of a violation, with the kind by which it may be expected as well. */
export const nameOf = ({ property, kind }: Found): string => (kind === undefined ? property : `${property} (${kind})`);
