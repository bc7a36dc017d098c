/** What is said about a finished run: as a document, and as text. */
import type { ComesBack, RunEnd } from '../events/journal.ts';
import { dotted, inShort } from '../replay/schedule-text.ts';
import { counted } from '../sim/counted.ts';
import { isWhole } from '../sim/end.ts';
import { NO_PROPERTY, namesProperty } from '../sim/scenario/expectations.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import type { Selection } from './catalog.ts';
import { EXIT } from './errors.ts';
import { commandText, type Printer, styled } from './output.ts';
import type { Recorded } from './recording.ts';

/** A schedule that fits on a command line. */
const SCHEDULE_CHARS_MAX = 600;

const scheduleText = ({ journal }: Recorded): string => dotted(journal.choices());

/** What runs, in a few words. */
export const titleOf = ({ name, variant, mutant }: Pick<ResolvedScenario, 'name' | 'variant' | 'mutant'>): string =>
  `${name} (${variant}${mutant === undefined ? '' : `, mutant ${mutant}`})`;

/** The keys that `run --json` and `inject --json` have in common. */
export function runDocument(recorded: Recorded) {
  const { start, end, runId, steps, records, digest, root, path } = recorded;
  const scenario = start.scenario as unknown as ResolvedScenario;
  const { name, variant, mutant, expect } = scenario;
  return {
    scenario: name,
    variant,
    ...(mutant !== undefined && { mutant }),
    seed: start.seed,
    chooser: start.chooser,
    verdict: end.verdict,
    violation: end.violation,
    ended: end.ended,
    comesBack: end.comesBack ?? null,
    outcomes: end.outcomes,
    expect,
    namesProperty: namesProperty(scenario),
    sometimes: Object.fromEntries(recorded.met),
    steps,
    records,
    digest,
    root,
    runId,
    journal: path,
    schedule: scheduleText(recorded),
  };
}

/** 1 for a broken property, 4 for a run that did not come to its end. */
export function exitOf({ verdict, ended }: RunEnd): number {
  if (verdict === 'violation') return EXIT.broken;
  return isWhole(ended) ? EXIT.ok : EXIT.partial;
}

const ENDED: Readonly<Record<RunEnd['ended'], string>> = {
  done: 'nothing was left to do',
  halted: 'the machine has halted, and nothing was left to do',
  violation: 'a property broke',
  deadlock: 'nothing can happen any more',
  owed: 'what is owed never happens',
  bound: 'the bound of steps was hit: no verdict about what follows',
  repeats: 'in this order it only repeats: no verdict about other orders',
  stopped: 'stopped: no verdict about what follows',
};

const endedText = ({ ended, comesBack }: RunEnd): string =>
  ended === 'done' && comesBack ? 'all are at rest, and nothing has to happen any more' : ENDED[ended];

/** Of a run that could go on: that more of it may be more of the same. */
const comesBackText = ({ from, length }: ComesBack): string =>
  `Back in the state of step ${from}: the last ${counted(length, 'step')} can repeat forever.`;

interface Deviating {
  readonly steps: number;
  readonly disturbances: number;
  readonly preemptions: number;
  readonly switches: number;
}

/** How far a schedule is from the run in order. */
export const costText = ({ steps, disturbances, preemptions, switches }: Deviating): string =>
  [
    counted(steps, 'step'),
    counted(disturbances, 'disturbance'),
    counted(preemptions, 'preemption'),
    counted(switches, 'switch', 'switches'),
  ].join(', ');

export function printVerdict(printer: Printer, { start, end, steps, met }: Recorded): void {
  const { violation, ended, comesBack, outcomes } = end;
  if (violation) {
    printer.line(styled('red', `Broken: ${violation.property}`), ` after ${counted(violation.step, 'step')}`);
    printer.line(`  ${violation.message}`);
    for (const { property, message } of violation.also ?? []) printer.line(`  and ${property}: ${message}`);
    const { lasso } = violation;
    if (lasso) printer.line(`  Back to step ${lasso.from}: a fair schedule can repeat the last ${counted(lasso.length, 'step')} forever.`);
  } else {
    const whole = isWhole(ended);
    printer.line(styled(whole ? 'green' : 'yellow', whole ? 'Clean' : 'Unfinished'), `: ${counted(steps, 'step')}; ${endedText(end)}`);
    if (!namesProperty(start.scenario as unknown as ResolvedScenario)) printer.line(`  ${NO_PROPERTY}`);
    if (comesBack) printer.line(`  ${comesBackText(comesBack)}`);
    if (ended === 'repeats') printer.line('  --chooser random takes ticks and preemptions; worldswitch explore decides for all schedules');
  }
  for (const [property, evidence] of met) printer.line(`  came true: ${property}: ${evidence}`);
  const happened = Object.entries(outcomes).filter(([, count]) => count !== 0);
  if (happened.length > 0) printer.line(`  outcomes: ${happened.map(([name, count]) => `${name} ${String(count)}`).join(', ')}`);
}

/** Where the journal lies and what can be done with it. `again` runs the same once more. */
export function printJournal(printer: Printer, recorded: Recorded, again: readonly string[] | null): void {
  const { path, records, digest, root, end, steps } = recorded;
  printer.line(`  journal ${path ?? '(in memory)'}   ${records} records   digest ${digest}`);
  printer.line(`  root    ${root}`);
  const commands: string[][] = [];
  if (again) commands.push([...again]);
  if (path !== null) {
    const step = end.violation?.step ?? steps;
    commands.push(['show', path, '--step', String(step)], ['replay', path], ['show', path, '--points']);
  }
  printCommands(printer, commands);
}

/** Commands to go on with, one on each line, so that each can be copied. */
export function printCommands(printer: Printer, commands: readonly (readonly string[])[], indent = ''): void {
  commands.forEach((words, i) => {
    printer.command([indent, styled('bold', i === 0 ? 'See it: ' : '        ')], commandText(words));
  });
}

/** The words that select what a scenario runs with. */
export const selectionWords = ({ variant, mutant, set = {} }: Selection): string[] => [
  ...(variant === undefined ? [] : ['--variant', variant]),
  ...(mutant === undefined ? [] : ['--mutant', mutant]),
  ...Object.entries(set).flatMap(([name, value]) => ['--set', `${name}=${value}`]),
];

/** How the choices of a run were asked for. */
export interface Chosen {
  readonly schedule?: string | undefined;
  readonly depth?: number | undefined;
  readonly horizon?: number | undefined;
  readonly maxSteps?: number | undefined;
}

/** Standard input is read once, and so is what the shell passes as `/dev/fd/N`. */
const isReadOnce = (word: string | undefined): boolean => word !== undefined && /^@?(?:-$|\/dev\/|\/proc\/)/.test(word);

/**
 * The words that repeat a run, by schedule where it is short enough, because that survives a change
 * of the chooser. Null: none do.
 */
export function runWords(reference: string, recorded: Recorded, asked: Selection & Chosen): string[] | null {
  const { start, end } = recorded;
  const schedule = inShort(recorded.journal.choices());
  const isNeeded = start.chooser === 'replay' || (end.violation !== null && start.chooser !== 'fifo');
  const isShort = isNeeded && schedule.length <= SCHEDULE_CHARS_MAX;
  if (isReadOnce(reference) || (!isShort && isReadOnce(asked.schedule))) return null;
  const how = isShort ? ['--schedule', schedule] : chosenWords(start, asked);
  return ['run', reference, ...selectionWords(asked), ...how];
}

function chosenWords({ chooser, seed }: Recorded['start'], { schedule, depth, horizon, maxSteps }: Chosen): string[] {
  if (schedule !== undefined) return ['--schedule', schedule];
  if (chooser === 'fifo') return [];
  const numbers = Object.entries({ seed, depth, horizon, 'max-steps': maxSteps });
  return ['--chooser', chooser, ...numbers.flatMap(([name, value]) => (value === undefined ? [] : [`--${name}`, String(value)]))];
}
