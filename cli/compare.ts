/** `compare`: every variant of a scenario explored, in one table. */
import { counted } from '../sim/counted.ts';
import { type ComparedVariant, compareOrRefuse, LONGEST_WAIT, type OutcomeRange, type RefusedVariant } from '../sim/explore/compare.ts';
import { countsText, together } from '../sim/explore/covered/holes.ts';
import type { Coverage } from '../sim/explore/covered/ledger.ts';
import { coverageLines } from '../sim/explore/guarantee.ts';
import type { Exploration, Violation } from '../sim/explore/request.ts';
import type { Outcome } from '../sim/host/mechanism.ts';
import { outcomesFor } from '../sim/host/outcomes.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { ownIn } from '../sim/paths/own.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { againstExpected, NO_PROPERTY, namesProperty } from '../sim/scenario/expectations.ts';
import type { Expectation, ResolvedScenario, Scenario } from '../sim/scenario/types.ts';
import { loadReference, resolved } from './catalog.ts';
import { type Call, type Command, integer, SCENARIO_OPTIONS } from './command.ts';
import { EXIT, usageError } from './errors.ts';
import { type IsOwn, plainHole, printHoles } from './holes.ts';
import { type Part, type Printer, styled, table, tableWidth } from './output.ts';
import { drive, shownAsRun } from './searching.ts';

interface CompareOptions {
  readonly mutant?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly maxStates?: number;
  readonly time?: number;
  readonly markdown?: true;
}

const STATES_DEFAULT = 5_000_000;

const told = ({ reachable, inAll }: OutcomeRange, exhausted: boolean): string =>
  inAll ? 'in all' : reachable ? 'reachable' : exhausted ? 'never' : 'not found';

/** The order in which violations are told: disturbances, preemptions, switches, steps. */
const deviatesLess = (one: Violation, other: Violation): number =>
  one.disturbances - other.disturbances || one.preemptions - other.preemptions || one.switches - other.switches || one.steps - other.steps;

function leastDeviating({ exploration: { violations } }: ComparedVariant): string {
  const [least] = [...violations].sort(deviatesLess);
  return least ? `${least.property}, ${counted(least.steps, 'step')}, ${counted(least.preemptions, 'preemption')}` : '';
}

type Row = (ComparedVariant | RefusedVariant) & {
  /** What the file expects of the variant; null: nothing, as of a mutant. */
  readonly expect: Expectation | null;
  /** What is not as expected, in sentences. */
  readonly notAsExpected: readonly string[];
  readonly namesProperty: boolean;
};
type SearchedRow = Row & ComparedVariant;

function rowOf(found: ComparedVariant | RefusedVariant, scenario: ResolvedScenario): Row {
  const expect = scenario.mutant === undefined ? scenario.expect : null;
  const rest = { expect, namesProperty: namesProperty(scenario) };
  if (expect === null) return { ...found, ...rest, notAsExpected: [] };
  if (found.verdict === 'refused') return { ...found, ...rest, notAsExpected: ['it is refused, which is not expected'] };
  const { exhausted, violations, undecided } = found.exploration;
  return { ...found, ...rest, notAsExpected: againstExpected(expect, violations, exhausted && undecided.length === 0) };
}

const isSearched = (row: Row): row is SearchedRow => row.verdict !== 'refused';

function cells(row: Row, outcomes: readonly Outcome[]): string[] {
  if (!isSearched(row)) {
    const { rule, step } = row.refused;
    return [row.variant, row.verdict, `${rule}, at ${step}`, ...outcomes.map(() => ''), ''];
  }
  const verdict = row.verdict !== 'unknown' ? row.verdict : row.exhausted ? 'not decided' : 'not exhausted';
  return [
    row.variant,
    verdict,
    leastDeviating(row),
    ...outcomes.map(({ name }) => told(row.outcomes[name]!, row.exhausted)),
    waitTold(row.outcomes[LONGEST_WAIT]!, row.exhausted),
  ];
}

/** The longest wait in a few words. */
function waitTold({ reachable, steps, forEver }: OutcomeRange, exhausted: boolean): string {
  if (!reachable) return exhausted ? 'never' : 'not found';
  if (forEver) return 'forever';
  if (steps === null) return 'no bound';
  return `${exhausted ? '' : 'at least '}${steps} steps`;
}

const headings = (outcomes: readonly Outcome[]) => [
  'variant',
  'verdict',
  'least deviating violation',
  ...outcomes.map(({ title }) => title),
  'longest wait',
];

function printMarkdown(printer: Printer, rows: readonly Row[], outcomes: readonly Outcome[]): void {
  const line = (words: readonly string[]) => printer.line(`| ${words.map((word) => word.replaceAll('|', '\\|')).join(' | ')} |`);
  line(headings(outcomes));
  line(headings(outcomes).map(() => '---'));
  for (const row of rows) line(cells(row, outcomes));
}

const coloured = (text: string): Part =>
  text === 'clean' || text === 'never'
    ? styled('green', text)
    : text === 'violation' || text === 'refused' || text === 'in all'
      ? styled('red', text)
      : text;

/** A row for each variant; a paragraph for each where a row has no room. */
function printRows(printer: Printer, rows: readonly Row[], outcomes: readonly Outcome[]): void {
  const lines = [headings(outcomes).map((heading) => styled('bold', heading)), ...rows.map((row) => cells(row, outcomes).map(coloured))];
  if (tableWidth(lines) <= printer.limit) table(printer, lines, '');
  else for (const row of rows) printParagraph(printer, row, outcomes);
}

function printParagraph(printer: Printer, row: Row, outcomes: readonly Outcome[]): void {
  const [variant, verdict, least, ...tellings] = cells(row, outcomes) as [string, string, string, ...string[]];
  const wait = tellings.pop()!;
  printer.line(styled('bold', `${variant}: `), coloured(verdict), least === '' ? '' : `: ${least}`);
  if (!isSearched(row)) return;
  const titles = (telling: string) => outcomes.filter((_, i) => tellings[i] === telling).map(({ title }) => title);
  const lines = [...new Set(tellings)].map((telling) => [coloured(telling), titles(telling).join(', ')]);
  table(printer, [...lines, ['longest wait', wait]]);
}

const coverageIn = ({ coverage: { whole, neverTaken, impossible } }: Exploration): Coverage => ({ whole, neverTaken, impossible });

const refusedDocument = (row: Row & RefusedVariant) => ({
  ...row,
  exhausted: false,
  states: 0,
  transitions: 0,
  violations: [],
  missed: [],
  outcomes: {},
  coverage: null,
});

const documentOf = ({ variant, verdict, expect, notAsExpected, namesProperty: names, exhausted, exploration, outcomes }: SearchedRow) => ({
  variant,
  verdict,
  expect,
  notAsExpected,
  namesProperty: names,
  exhausted,
  states: exploration.states,
  transitions: exploration.transitions,
  violations: exploration.violations.map(({ labels: _, ...violation }) => violation),
  missed: exploration.missed,
  outcomes,
  coverage: coverageIn(exploration),
});

/** What the step that a variant is refused at does, in a sentence. */
function printRefusals(printer: Printer, rows: readonly Row[]): void {
  const refused = rows.filter((row) => !isSearched(row));
  if (refused.length > 0) printer.line();
  for (const { variant, refused: why } of refused) printer.line(`${variant}: Refused: ${why.message}.`);
}

/**
 * The `sometimes` properties that no schedule of a variant has met: its race did not happen. One
 * that breaks something ends there, and may have met them behind that.
 */
function printMissed(printer: Printer, rows: readonly ComparedVariant[]): void {
  const missing = rows.filter(({ verdict, exploration }) => verdict !== 'violation' && exploration.missed.length > 0);
  if (missing.length > 0) printer.line();
  for (const { variant, exploration } of missing)
    printer.line(
      `${variant}: ${exploration.exhausted ? 'Never' : 'Not met in what was searched'}: ${exploration.missed.join(', ')}. What the scenario is about did not happen.`,
    );
}

/** What a verdict does not say: that nothing was asked, or that another one was expected. */
function notesOf(rows: readonly Row[]): string[] {
  const bare = rows.filter((row) => row.verdict === 'clean' && !row.namesProperty).map(({ variant }) => variant);
  return [
    ...(bare.length > 0 ? [`Clean (${bare.join(', ')}): ${NO_PROPERTY}.`] : []),
    ...rows.flatMap(({ variant, notAsExpected }) =>
      notAsExpected.length > 0 ? [`${variant}: Not as expected: ${notAsExpected.join('; ')}.`] : [],
    ),
  ];
}

function printNotes(printer: Printer, rows: readonly Row[]): void {
  const notes = notesOf(rows);
  if (notes.length > 0) printer.line();
  for (const note of notes) printer.line(note);
}

/** The outcomes that some variant can bring about, and those that happened all the same. */
const columnsOf = (rows: readonly ComparedVariant[], known: readonly Outcome[]): readonly Outcome[] =>
  known.filter(({ name }) => rows.some((row) => row.concerned.includes(name) || row.outcomes[name]!.reachable));

/** What some variant has of the user's own modules. */
function ownOf(rows: readonly ComparedVariant[], scenario: Scenario, options: CompareOptions): IsOwn {
  const all = rows.map(({ variant }) => {
    const ready = resolved(scenario, { ...options, variant });
    return ownIn(ready, topologyOf(ready));
  });
  return (hole) => all.some((isOwn) => isOwn(hole));
}

/** Prints what could not happen in each row, and what no row has taken. */
function printCoverage(printer: Printer, rows: readonly ComparedVariant[], isOwn: IsOwn): void {
  printer.line();
  for (const { variant, exploration } of rows) for (const line of coverageLines(exploration.coverage)) printer.line(`${variant}: ${line}`);
  const all = together(rows.map(({ exploration }) => exploration.ledger));
  if (all.holes.length === 0) return;
  const isWhole = rows.every(({ exploration }) => exploration.coverage.whole);
  printer.line(`${isWhole ? 'No variant takes' : 'No variant has taken in what was searched'}: ${countsText(all.holes)}.`);
  printHoles(printer, all, isOwn);
}

async function run({ io, out, err, json, args, options: given }: Call): Promise<number> {
  const options = given as CompareOptions;
  const [reference] = args as [string];
  if (json && options.markdown) throw usageError('--json and --markdown are two forms of one table; leave one out');
  const { scenario } = loadReference(reference, io);
  const { maxStates = scenario.bounds?.states ?? STATES_DEFAULT, time, mutant } = options;
  const rows: Row[] = [];
  let stopped = false;
  for (const variant of variantNames(scenario)) {
    if (stopped) break;
    const ready = resolved(scenario, { ...options, variant });
    const { result, interrupted } = await drive(compareOrRefuse(ready, { maxStates, isTimed: time !== undefined }), io, {
      seconds: time,
      what: `${scenario.name} ${variant}`,
    }).catch(shownAsRun({ scenario: ready, prefix: [], folder: undefined, io }));
    rows.push(rowOf(result, ready));
    stopped = interrupted;
  }
  const searched = rows.filter(isSearched);
  const outcomes = columnsOf(searched, outcomesFor(scenario.host.arch));
  if (json)
    out.json({
      scenario: scenario.name,
      ...(mutant !== undefined && { mutant }),
      rows: rows.map((row) => (isSearched(row) ? documentOf(row) : refusedDocument(row))),
      coverage: { neverTaken: together(searched.map(({ exploration }) => exploration.ledger)).holes.map(plainHole) },
    });
  else if (options.markdown) {
    printMarkdown(out, rows, outcomes);
    for (const note of notesOf(rows)) err.line(`note: ${note}`);
  } else {
    printRows(out, rows, outcomes);
    printRefusals(out, rows);
    printMissed(out, searched);
    printNotes(out, rows);
    if (searched.length > 0) printCoverage(out, searched, ownOf(searched, scenario, options));
  }
  if (mutant !== undefined && !json) err.line(`note: the model is the mutant ${mutant}`);
  if (searched.some(({ exhausted }) => !exhausted))
    err.line(`note: not every search was exhausted; raise --max-states${time === undefined ? '' : ' or --time'}. "not found" is no proof.`);
  if (stopped || rows.some(({ verdict }) => verdict === 'unknown')) return EXIT.partial;
  return rows.some(({ verdict }) => verdict !== 'clean') ? EXIT.broken : EXIT.ok;
}

export const COMMAND: Command = {
  operands: '<scenario>',
  details: [
    'Outcomes are taken over all schedules, to wherever each run ends by itself: "in all" of them, "reachable" in some, "never"; in --json each has a witness, the choices by label.',
    'A column stands there if what takes part in some variant can bring it about, or did. A variant whose paths sleep with preemption off, leave a count unbalanced, or drop a lock that they do not hold, is "refused", with the step or the lock.',
    'Below the table stands which `sometimes` properties a variant never meets: what its race is about did not happen.',
    'Exit code 1: some variant violates a property, or is refused. 4: some search ended before it had a verdict.',
  ],
  options: [
    ...SCENARIO_OPTIONS.filter(({ flags }) => !flags.startsWith('--variant')),
    {
      flags: '--max-states <n>',
      description: `states of each search (default: the scenario's bounds.states, or ${STATES_DEFAULT})`,
      parse: integer(1),
    },
    { flags: '--time <s>', description: 'seconds for each variant', parse: integer(1) },
    { flags: '--markdown', description: 'the table as Markdown' },
  ],
  examples: [
    ['compare rmpadjust-vs-rmpupdate', 'what each answer of the hardware means for the host'],
    ['compare rmp-host-write-race --markdown', 'the table for a mail'],
  ],
  run,
};
