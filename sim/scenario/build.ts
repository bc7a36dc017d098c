/** Scenarios in TypeScript: the same object as in a file, with types, checked in the same way. */
import { scenarioIssues } from './checks.ts';
import { explain } from './explain.ts';
import { type PathIssue, ScenarioError, withoutPlace } from './issues.ts';
import { lowerScenario } from './lower.ts';
import { parameterValues } from './parameters.ts';
import { plainCopy } from './plain.ts';
import { archIn, scenarioSchema } from './schema.ts';
import type { Scenario } from './types.ts';
import { withAddedVariants } from './variants.ts';

/**
 * Checks a scenario that code has built and returns a copy. Names of properties are checked when it
 * is resolved.
 * @throws ScenarioError
 */
export function scenario(source: Scenario): Scenario {
  const fail = (issues: readonly PathIssue[]): never => {
    throw new ScenarioError(withoutPlace(issues));
  };
  const copy = plainCopy(source);
  if (copy.issues.length > 0) fail(copy.issues);
  const parsed = scenarioSchema(archIn(copy.value)).safeParse(copy.value);
  if (!parsed.success) return fail(explain(parsed.error, copy.value));
  const { scenario: whole, issues: clashes } = withAddedVariants(parsed.data);
  const issues = [...clashes, ...scenarioIssues(whole, lowerScenario(whole, parameterValues(whole.params ?? {})))];
  return issues.length > 0 ? fail(issues) : whole;
}
