/** `show --explain`: a violation as a story, with what each step rests on, which variant removes it, and how to see it again. */

import type { Grade } from '../actors/paths/path.ts';
import { scenarioOf } from '../replay/model.ts';
import type { Journal } from '../replay/reader.ts';
import { properties } from '../sim/properties/index.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import type { ResolvedScenario, Scenario } from '../sim/scenario/types.ts';
import { type StepSource, stepSources } from '../sim/step-sources.ts';
import { topologyOf } from '../sim/topology.ts';
import { loadReference, shippedNames } from './catalog.ts';
import type { Io } from './io.ts';
import { type Moment, momentsOf } from './micro-steps.ts';
import { commandText, type Printer, styled } from './output.ts';

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

export interface Explanation {
  readonly property: string;
  readonly message: string;
  readonly step: number;
  /** The run can go on for ever from the end of step `from`. */
  readonly lasso?: { readonly from: number; readonly length: number };
  /** What the property rests on. */
  readonly source: string | null;
  readonly grade: Grade | null;
  readonly story: readonly Told[];
  /** The least known step of the story. */
  readonly weakest: (StepSource & { readonly step: string }) | null;
  /** Variants of the scenario that are expected to be clean, with the switches they set. */
  readonly removedBy: readonly { readonly variant: string; readonly options: Readonly<Record<string, string>> }[];
  readonly commands: readonly string[];
  readonly test: string;
}

/** Lines of the story; before these it is cut. */
const STORY_MAX = 40;
const GRADES: readonly Grade[] = ['read', 'manual', 'memory', 'decision', 'inferred'];

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

/** The scenario as shipped, if this journal is of a shipped one: a journal holds one variant only. */
function shippedOf({ name }: ResolvedScenario, io: Io): Scenario | null {
  return shippedNames().includes(name) ? loadReference(name, io).scenario : null;
}

function removedBy(shipped: Scenario | null): Explanation['removedBy'] {
  if (!shipped) return [];
  return variantNames(shipped).flatMap((variant) =>
    shipped.expect?.[variant] === 'clean' ? [{ variant, options: { ...shipped.variants?.[variant] } as Record<string, string> }] : [],
  );
}

/** A case to paste, with the schedule in it: it fails as long as the property breaks. */
function testOf({ name, variant, mutant }: ResolvedScenario, journal: Journal, property: string): string {
  const schedule = [...journal.choices()].map(({ index }) => index).join('.');
  return [
    `it('does not break ${property} under the recorded schedule', () => {`,
    ...journal.start.modules.map((module) => `  register(mechanism); // ${module.name}, a module of your own`),
    `  const known = knownProperties();`,
    `  const scenario = resolveScenario(loadScenario(readFileSync('scenarios/${name}.yaml', 'utf8'), '${name}', known), {`,
    `    variant: '${variant}',`,
    ...(mutant === undefined ? [] : [`    mutant: '${mutant}',`]),
    `    knownProperties: known,`,
    `  });`,
    `  const choices = '${schedule}'.split('.').map((index) => ({ index: Number(index) }));`,
    `  const { run } = openSession({ scenario, engine: 'memo', chooser: { name: 'replay', choices, match: 'index', after: { name: 'fifo' } } });`,
    `  run.start();`,
    `  expect(run.toEnd()?.violation?.property).not.toBe('${property}');`,
    `});`,
  ].join('\n');
}

/** Null where the journal shows no violation. */
export function explanationOf(journal: Journal, file: string, io: Io): Explanation | null {
  const violation = journal.end?.violation;
  if (!violation) return null;
  const scenario = scenarioOf(journal);
  const property = properties().find(({ id }) => id === violation.property);
  const story = storyOf(journal, scenario);
  const shipped = shippedOf(scenario, io);
  const clean = removedBy(shipped);
  return {
    ...violation,
    source: property?.source ?? null,
    grade: property?.grade ?? null,
    story,
    weakest: weakestOf(story),
    removedBy: clean,
    commands: [
      commandText(['replay', file]),
      commandText(['show', file, '--step', String(violation.step)]),
      commandText(['shrink', file]),
      ...(shipped ? [commandText(['compare', scenario.name])] : []),
      ...clean.slice(0, 1).map(({ variant }) => commandText(['explore', scenario.name, '--variant', variant])),
    ],
    test: testOf(scenario, journal, violation.property),
  };
}

export function printExplanation(printer: Printer, explanation: Explanation): void {
  const { property, message, step, lasso, source, grade, story, weakest, removedBy: clean, commands, test } = explanation;
  printer.line(styled('red', `${property} broke at step ${step}`));
  printer.line(`  ${message}`);
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
  if (lasso) printer.line(`  Back to step ${lasso.from}: a fair schedule can repeat the last ${lasso.length} steps for ever.`);
  printer.line();
  if (weakest) printer.line(`Least known on the way: ${weakest.step}, grade ${weakest.grade} (${weakest.source})`);
  for (const { variant, options } of clean) {
    const set = Object.entries(options).map(([name, value]) => `${name}: ${value}`);
    printer.line(`Removed by variant ${variant}`, set.length ? `: ${set.join(', ')}` : '');
  }
  if (clean.length === 0) printer.line('No variant of the scenario is expected to remove it.');
  printer.line();
  commands.forEach((command, i) => {
    printer.line(styled('bold', i === 0 ? 'See it: ' : '        '), command);
  });
  printer.line();
  printer.line(
    styled(
      'dim',
      'As a test (imports: node:fs, vitest, worldswitch/sim/{properties/index,registry,scenario/load,scenario/resolve,session}):',
    ),
  );
  for (const line of test.split('\n')) printer.line(line);
}
