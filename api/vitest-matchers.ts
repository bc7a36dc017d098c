/** The matchers: what they ask a search or a replay, and what they say of the answer. */
import { canonical } from '../sim/canonical.ts';
import type { Limits, Violation } from '../sim/explore/request.ts';
import { progress } from '../sim/properties/liveness.ts';
import { goesBy, NO_PROPERTY, namesProperty, STUCK_NAMES } from '../sim/scenario/expectations.ts';
import { unknownName } from '../sim/scenario/issues.ts';
import { validateResolved } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { type JournalPlace, withJournal } from './journal-file.ts';
import { replay } from './run.ts';
import { resolved, scenario } from './scenario.ts';
import { explore } from './search.ts';
import { type SubjectOptions, subjectOf, withModels } from './vitest-subject.ts';
import { brokenText, leastOf, type Searched, titleOf, toldSearch } from './vitest-told.ts';

/** How far `toBeClean()` searches: all schedules unless limits are given. @public */
export interface CleanOptions extends SubjectOptions, Limits {
  /** States before the search gives up, and with it the assertion. */
  readonly statesMax?: number;
}

/**
 * What `toBreak()` expects of the least deviating schedule that breaks the property, each as an
 * exact number.
 * @public
 */
export interface BreakOptions extends SubjectOptions {
  readonly disturbances?: number;
  readonly preemptions?: number;
  readonly switches?: number;
  readonly steps?: number;
  readonly statesMax?: number;
}

/** What a matcher of vitest gives. */
interface Result {
  readonly pass: boolean;
  readonly message: () => string;
}

const LIMITS = ['deviations', 'preemptions', 'switches'] as const;
const COSTS = ['disturbances', 'preemptions', 'switches', 'steps'] as const;

function searched(received: unknown, options: CleanOptions): Searched {
  const subject = subjectOf(received);
  const { models: _, ...asked } = options;
  const words = LIMITS.flatMap((name) => (asked[name] === undefined ? [] : [`--${name}`, String(asked[name])]));
  const states = asked.statesMax === undefined ? [] : ['--max-states', String(asked.statesMax)];
  return { subject, options, report: explore(subject.source, asked), words: [...words, ...states] };
}

/** Why a search that broke nothing is no proof; null if it is one. */
function doubtOf({ report: { exhausted, limit, undecided, missed } }: Searched): string | null {
  if (!exhausted) return `was not searched to the end (${limit ?? 'stopped'})`;
  if (undecided.length > 0) return `was searched, and that does not decide ${undecided.join(', ')}`;
  return missed.length > 0 ? `never meets ${missed.join(', ')}: the race does not happen` : null;
}

/** The message is made while the modules take part; only a failure needs it. */
const result = (pass: boolean, isNot: boolean, message: () => string): Result => {
  const text = pass === isNot ? message() : '';
  return { pass, message: () => text };
};

/** A search that decides neither way fails with and without `not`. */
const inconclusive = (isNot: boolean, message: () => string): Result => result(isNot, isNot, message);

export const cleanResult = (received: unknown, options: CleanOptions, isNot: boolean): Result =>
  withModels(options.models ?? {}, () => {
    const found = searched(received, options);
    const { report } = found;
    const title = titleOf(report);
    const least = leastOf(report.violations);
    if (least) return result(false, isNot, () => toldSearch(`${title} is not clean: ${brokenText(least)}`, found, least));
    const doubt = doubtOf(found);
    if (doubt !== null) return inconclusive(isNot, () => toldSearch(`${title} ${doubt}; expected it to be decided`, found, undefined));
    const bare = namesProperty(resolved(found.subject.source, options)) ? '' : `; ${NO_PROPERTY}`;
    if (bare !== '') process.emitWarning(`toBeClean(): ${title} is clean under ${report.bound}${bare}`);
    return result(true, isNot, () =>
      toldSearch(`${title} is clean under ${report.bound}${bare}; expected something to break`, found, undefined),
    );
  });

/** @throws RangeError if the scenario checks nothing of that name */
function expectChecked(property: string, received: unknown, options: BreakOptions): void {
  if (typeof property !== 'string') throw new TypeError(`toBreak(): found ${String(property)}; expected the name of a property`);
  const { always, eventually } = resolved(subjectOf(received).source, options).properties;
  const names = [...always, ...eventually, ...(options.liveness ? [progress.id] : []), ...STUCK_NAMES];
  if (!names.includes(property)) throw new RangeError(unknownName(property, 'a property that the scenario checks', names));
}

/** What of a violation is not as expected, in words. */
const othersOf = (violation: Violation, options: BreakOptions): string[] =>
  COSTS.flatMap((name) => {
    const expected = options[name];
    return expected === undefined || expected === violation[name] ? [] : [`${violation[name]} ${name}; expected ${expected}`];
  });

export const breakResult = (received: unknown, property: string, options: BreakOptions, isNot: boolean): Result =>
  withModels(options.models ?? {}, () => {
    expectChecked(property, received, options);
    const { variant, set, mutant, liveness, statesMax } = options;
    const found = searched(received, {
      ...(variant !== undefined && { variant }),
      ...(set && { set }),
      ...(mutant !== undefined && { mutant }),
      ...(liveness !== undefined && { liveness }),
      ...(statesMax !== undefined && { statesMax }),
    });
    const { report } = found;
    const title = titleOf(report);
    const broken = leastOf(report.violations.filter((violation) => goesBy(violation, property)));
    if (broken === undefined) {
      const other = leastOf(report.violations);
      if (!report.exhausted || report.undecided.includes(property))
        return inconclusive(isNot, () => toldSearch(`${title} ${doubtOf(found)}, and ${property} has not broken`, found, undefined));
      const instead = other ? `, but ${brokenText(other)}` : '';
      return result(false, isNot, () => toldSearch(`${title} breaks ${property} under no schedule${instead}`, found, other));
    }
    const others = othersOf(broken, options);
    if (others.length > 0 && !broken.least)
      return inconclusive(isNot, () => toldSearch(`${title}: ${brokenText(broken)}, which may not be the least`, found, broken));
    const headline = `${title}: ${brokenText(broken)}${others.length > 0 ? `: ${others.join(', ')}` : '; expected it to hold'}`;
    return result(others.length === 0, isNot, () => toldSearch(headline, found, broken));
  });

/** Keys of a scenario that decide what a run does. */
const DECIDING = ['params', 'model', 'mutant', 'host', 'vms', 'processes', 'sections', 'time', 'allow'] as const;

/** Why a journal is of another scenario; null if it is of this one. */
function strangerOf(recorded: ResolvedScenario, received: unknown, options: SubjectOptions): string | null {
  const { variant = recorded.variant, set = recorded.params, mutant = recorded.mutant, liveness } = options;
  const { source } = subjectOf(received);
  const written = scenario(source);
  if (recorded.name !== written.name) return `it is of ${recorded.name}, and not of ${written.name}`;
  const mine = resolved(source, {
    variant,
    set,
    ...(mutant !== undefined && { mutant }),
    ...(liveness !== undefined && { liveness }),
  });
  if (recorded.variant !== mine.variant) return `it is of the variant ${recorded.variant}, and not of ${mine.variant}`;
  const differing = DECIDING.filter((key) => canonical(recorded[key] ?? null) !== canonical(mine[key] ?? null));
  return differing.length === 0 ? null : `the scenario has changed since: ${differing.join(', ')} differ`;
}

export const replayResult = (received: unknown, journal: JournalPlace, options: SubjectOptions, isNot: boolean): Result =>
  withModels(options.models ?? {}, () => {
    const named = typeof journal === 'string' ? journal : 'the journal';
    const stranger = withJournal(journal, ({ start }) => strangerOf(validateResolved(start.scenario), received, options));
    if (stranger !== null) return result(false, isNot, () => `${named} does not replay: ${stranger}`);
    const { identical, steps, divergence } = replay(journal);
    const differs = divergence === null ? '' : `step ${divergence.step} (${divergence.label ?? 'the start'}) differs: ${divergence.cause}`;
    return result(identical, isNot, () =>
      identical ? `${named} replays: ${steps} steps, every digest is equal; expected a difference` : `${named} does not replay: ${differs}`,
    );
  });
