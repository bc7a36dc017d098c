/**
 * `show --explain`: a violation as a story, with what each step rests on, which variant removes it,
 * and how to see it again.
 */

import { GRADES, type Grade } from '../actors/path/path.ts';
import { shippedNames } from '../api/shipped-scenarios.ts';
import type { Deadlocked, RunEnd } from '../events/journal.ts';
import { scenarioOf } from '../replay/model.ts';
import type { Journal } from '../replay/reader.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { properties } from '../sim/properties/index.ts';
import { isExpected } from '../sim/scenario/expectations.ts';
import type { ResolvedScenario, Scenario } from '../sim/scenario/types.ts';
import { type StepSource, stepSources } from '../sim/step-sources.ts';
import { loadReference } from './catalog.ts';
import type { Io } from './io.ts';
import { type Moment, momentsOf } from './micro-steps.ts';
import { commandText, type Printer, styled } from './output.ts';
import { pastedTest } from './pasted-test.ts';
import { scenarioFile } from './scenario-file.ts';

/** A line of the story. */
interface Told {
  readonly step: number;
  readonly cpu: number | null;
  readonly actor: string;
  /** The kernel function or instruction, by its own name; or the decision. */
  readonly what: string;
  readonly effects: readonly string[];
  readonly source: StepSource | null;
}

export interface ToldViolation {
  readonly property: string;
  readonly message: string;
  readonly step: number;
  /** The run can go on forever from the end of step `from`. */
  readonly lasso?: { readonly from: number; readonly length: number };
  /** Of a deadlock: who waits for what. */
  readonly waits?: readonly Deadlocked[];
  /** What the same state or cycle breaks besides. */
  readonly also?: NonNullable<RunEnd['violation']>['also'];
  /** What the property rests on. */
  readonly source: string | null;
  readonly grade: Grade | null;
  readonly story: readonly Told[];
  /** The least known step of the story. */
  readonly weakest: (StepSource & { readonly step: string }) | null;
  /** The change of the model that the run was recorded with. */
  readonly mutant?: string;
  /**
   * Variants of the scenario that are expected not to break the property, with the switches they
   * set, and what they break instead. Nothing is expected of a mutant: for one, this is the variant
   * itself without the mutant.
   */
  readonly removedBy: readonly {
    readonly variant: string;
    readonly options: Readonly<Record<string, string>>;
    readonly breaks: readonly string[];
  }[];
  /**
   * Variants of which nothing is expected, such as those of a module of the user's own: only a
   * search can tell.
   */
  readonly untold: readonly string[];
}

export interface Explanation extends ToldViolation {
  readonly commands: readonly string[];
  readonly test: string;
}

/** The most lines of a story: what is before them is cut. */
const STORY_MAX = 40;

const matters = ({ isDecision, effects }: Moment): boolean => isDecision || effects.length > 0;
const shortly = (name: string): string => name.split('.').slice(-3).join(' > ');

function storyOf(journal: Journal, scenario: ResolvedScenario): Told[] {
  const sources = stepSources(topologyOf(scenario).machines);
  return [...momentsOf(journal, 1, journal.steps)]
    .filter((moment) => matters(moment) || moment.step === journal.steps)
    .slice(-STORY_MAX)
    .map(({ step, cpu, actor, microStep, label, isDecision, effects }) => ({
      step,
      cpu,
      actor,
      what: microStep === null || isDecision ? label : shortly(microStep),
      effects,
      source: microStep === null ? null : (sources.get(microStep) ?? null),
    }));
}

function weakestOf(story: readonly Told[]): Explanation['weakest'] {
  let weakest: Explanation['weakest'] = null;
  for (const { what, source } of story) {
    if (source === null || source.source === 'the scenario') continue;
    if (weakest === null || GRADES.indexOf(source.grade) > GRADES.indexOf(weakest.grade)) weakest = { ...source, step: what };
  }
  return weakest;
}

/** The shipped scenario that this journal is of, if there is one: commands can name it. */
function shippedOf({ name }: ResolvedScenario, io: Io): Scenario | null {
  return shippedNames().includes(name) ? loadReference(name, io).scenario : null;
}

/**
 * What the scenario offers instead: variants that are expected not to break the property, and those
 * without an expectation.
 */
function othersOf(
  { variant: own, variants, expect, mutant }: ResolvedScenario,
  violation: NonNullable<RunEnd['violation']>,
): Pick<Explanation, 'removedBy' | 'untold'> {
  const all = Object.entries(variants ?? { [own]: { options: {}, expect } });
  const others = all.filter(([variant]) => (variant === own) === (mutant !== undefined));
  return {
    removedBy: others.flatMap(([variant, { options, expect: expected }]) =>
      expected === null || isExpected(violation, expected)
        ? []
        : [{ variant, options: { ...options } as Record<string, string>, breaks: expected === 'clean' ? [] : expected.violates }],
    ),
    untold: others.flatMap(([variant, { expect: expected }]) => (expected === null ? [variant] : [])),
  };
}

/** Parameters that differ from what the scenario has. */
const paramsOf = ({ params = {} }: Scenario, scenario: ResolvedScenario): readonly string[] =>
  Object.entries(scenario.params).flatMap(([name, value]) => (params[name]?.default === value ? [] : ['--set', `${name}=${value}`]));

/** Where to look further. */
function commandsOf(
  file: string,
  step: number,
  shipped: Scenario | null,
  scenario: ResolvedScenario,
  { removedBy, untold }: Pick<Explanation, 'removedBy' | 'untold'>,
): string[] {
  const { name, mutant } = scenario;
  const set = shipped ? paramsOf(shipped, scenario) : [];
  return [
    commandText(['replay', file]),
    commandText(['show', file, '--step', String(step)]),
    commandText(['shrink', file]),
    ...(shipped ? [commandText(['compare', name, ...(mutant === undefined ? [] : ['--mutant', mutant]), ...set])] : []),
    // The file of a user's own scenario stands in no journal.
    ...(shipped ? [...removedBy.slice(0, 1).map(({ variant }) => variant), ...untold] : []).map((variant) =>
      commandText(['explore', name, '--variant', variant, ...set]),
    ),
  ];
}

/** What a journal alone tells of its violation; null where it shows none. */
export function toldByJournal(journal: Journal): ToldViolation | null {
  const violation = journal.end?.violation;
  if (!violation) return null;
  const scenario = scenarioOf(journal);
  const property = properties().find(({ id }) => id === violation.property);
  const story = storyOf(journal, scenario);
  return {
    ...violation,
    source: property?.source ?? null,
    grade: property?.grade ?? null,
    story,
    weakest: weakestOf(story),
    ...(scenario.mutant !== undefined && { mutant: scenario.mutant }),
    ...othersOf(scenario, violation),
  };
}

/** Null where the journal shows no violation. */
export function explanationOf(journal: Journal, file: string, io: Io): Explanation | null {
  const told = toldByJournal(journal);
  const violation = journal.end?.violation;
  if (!told || !violation) return null;
  const scenario = scenarioOf(journal);
  const shipped = shippedOf(scenario, io);
  return {
    ...told,
    commands: commandsOf(file, violation.step, shipped, scenario, told),
    test: pastedTest(journal, scenario, violation, shipped === null ? scenarioFile(scenario.name, io) : null),
  };
}

function printRemedies(printer: Printer, { mutant, removedBy, untold }: ToldViolation): void {
  for (const { variant, options, breaks } of removedBy) {
    const set = Object.entries(options).map(([name, value]) => `${name}: ${value}`);
    const instead = breaks.length ? `, which breaks ${breaks.join(', ')} instead` : '';
    const removes =
      mutant === undefined ? `Removed by variant ${variant}` : `Removed without mutant ${mutant}, by variant ${variant} as it is`;
    printer.line(removes, set.length ? ` (${set.join(', ')})` : '', instead);
  }
  if (untold.length > 0) printer.line(`Nothing is expected of ${untold.join(', ')}: a search can tell.`);
  else if (removedBy.length === 0)
    printer.line(
      mutant === undefined ? 'No variant of the scenario is expected to remove it.' : 'It is not expected to go away without the mutant.',
    );
}

/** The violation, the story that leads to it, and what removes it. */
export function printViolation(printer: Printer, violation: ToldViolation): void {
  const { property, message, step, lasso, also = [], source, grade, story, weakest } = violation;
  printer.line(styled('red', `${property} broke at step ${step}`));
  printer.line(`  ${message}`);
  for (const other of also) printer.line(`  and ${other.property}: ${other.message}`);
  if (source) printer.line(styled('dim', `  the property rests on: ${source} (${grade})`));
  printer.line();
  for (const told of story) {
    const where = told.cpu === null ? '        ' : `pcpu:${told.cpu}  `;
    printer.line(
      `  ${String(told.step).padStart(5)}  ${where}`,
      styled('cyan', told.actor),
      `  ${told.what}`,
      told.effects.length ? `: ${told.effects.join('; ')}` : '',
    );
    if (told.source && told.source.source !== 'the scenario')
      printer.line(styled('dim', `                   ${told.source.source} (${told.source.grade})`));
  }
  if (lasso) printer.line(`  Back to step ${lasso.from}: a fair schedule can repeat the last ${lasso.length} steps forever.`);
  printer.line();
  if (weakest) printer.line(`Least known on the way: ${weakest.step}, grade ${weakest.grade} (${weakest.source})`);
  printRemedies(printer, violation);
}

export function printExplanation(printer: Printer, explanation: Explanation): void {
  const { commands, test } = explanation;
  printViolation(printer, explanation);
  printer.line();
  commands.forEach((command, i) => {
    printer.command([styled('bold', i === 0 ? 'See it: ' : '        ')], command);
  });
  printer.line();
  printer.line(styled('dim', 'As a test in this folder, where worldswitch and vitest are installed:'));
  printer.lines(test);
}
