/**
 * Reads a scenario file: text becomes a checked scenario, or a list of mistakes with their lines.
 */
import { scenarioIssues } from './checks.ts';
import { explain } from './explain.ts';
import { bounded, type PathIssue, pathText, ScenarioError, type ScenarioIssue } from './issues.ts';
import { lowerScenario } from './lower.ts';
import { parameterValues } from './parameters.ts';
import { type KnownProperty, propertyIssues } from './properties.ts';
import { archIn, scenarioSchema } from './schema.ts';
import type { Scenario } from './types.ts';
import { withAddedVariants } from './variants.ts';
import { readYaml } from './yaml.ts';

export type ParsedScenario =
  | { readonly ok: true; readonly scenario: Scenario }
  | { readonly ok: false; readonly issues: readonly ScenarioIssue[] };

/**
 * Parses and checks a scenario file, with its parameters at their defaults.
 * @param file names the file in messages; nothing is read.
 */
export function parseScenario(text: string, file: string, knownProperties: readonly KnownProperty[]): ParsedScenario {
  const read = readYaml(text, file);
  if (read.issues.length > 0) return { ok: false, issues: read.issues };
  const failed = (issues: readonly PathIssue[]): ParsedScenario => {
    const placed = issues.map(({ path, message }) => ({ file, line: read.lineOf(path), path: pathText(path), message }));
    return { ok: false, issues: bounded(placed.sort((a, b) => a.line - b.line)) };
  };
  if (read.value === null) return failed([{ path: [], message: 'found an empty file; expected a map with the keys of a scenario' }]);
  const parsed = scenarioSchema(archIn(read.value)).safeParse(read.value);
  if (!parsed.success) return failed(explain(parsed.error, read.value));
  const { scenario, issues: clashes } = withAddedVariants(parsed.data);
  const lowered = lowerScenario(scenario, parameterValues(scenario.params ?? {}));
  const issues = [...clashes, ...scenarioIssues(scenario, lowered), ...propertyIssues(scenario, knownProperties)];
  return issues.length > 0 ? failed(issues) : { ok: true, scenario };
}

/**
 * As `parseScenario`, for callers that cannot go on without the scenario.
 * @throws ScenarioError
 */
export function loadScenario(text: string, file: string, knownProperties: readonly KnownProperty[]): Scenario {
  const parsed = parseScenario(text, file, knownProperties);
  if (!parsed.ok) throw new ScenarioError(parsed.issues);
  return parsed.scenario;
}
