/** A scenario of a module of the user's own, without the module: `--models` may be missing. */
import { ScenarioError, type ScenarioIssue } from '../sim/scenario/issues.ts';
import { CliError, failureOf } from './errors.ts';

export const MODELS_HINT = 'are these of a module of yours? --models FILE.js';

/** Where names stand that mechanisms bring: operations, options, properties. */
const BROUGHT = /^(?:processes|vms|variants|host\.options|properties)\b/;
const UNKNOWN = /^found (?:the key )?"[^"]*"; expected (?:one of|a property) /;

/** Whether names are unknown that are like none that is known. */
export const lacksModels = (issues: readonly ScenarioIssue[]): boolean =>
  issues.some(({ path, message }) => BROUGHT.test(path) && UNKNOWN.test(message) && !message.includes('did you mean'));

/** The same error; of a scenario with such names it says what to try. */
export function hinted(error: unknown): unknown {
  if (!(error instanceof ScenarioError) || !lacksModels(error.issues)) return error;
  const failure = failureOf(error);
  const attempt = [MODELS_HINT, ...(failure.attempt === undefined ? [] : [failure.attempt])].join('; ');
  return new CliError({ ...failure, attempt }, { cause: error });
}
