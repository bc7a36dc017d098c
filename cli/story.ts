/** A run as a timeline to read: a line for each step that matters, a column for each CPU. */
import { HitCounter } from '../replay/points.ts';
import type { Journal } from '../replay/reader.ts';
import { type Moment, momentsOf, shortName } from './micro-steps.ts';
import { type Part, type Printer, styled, table } from './output.ts';

export interface StoryOptions {
  /** Every step, however many. */
  readonly verbose?: boolean;
  /** Steps to point at: a violation, a fork. */
  readonly marks?: ReadonlyMap<number, string>;
}

const ROWS_MAX = 52;
const HEAD_ROWS = 12;
/** In a longer journal only this many steps at either end are read. */
const WINDOW_STEPS = 5_000;
const LANES_MAX = 8;
const CHUNK_ROWS = 500;

/** A moment, and the point that names it where all before it were counted. */
interface Row extends Moment {
  readonly name: string;
}

function* rowsOf(journal: Journal, from: number, to: number): Generator<Row, void> {
  const counter = from <= 1 ? new HitCounter() : null;
  for (const moment of momentsOf(journal, from, to)) {
    const { actor, microStep } = moment;
    // Hits are known only where all steps before were counted.
    const point = microStep === null ? '' : (counter?.point(actor, microStep, shortName(microStep)) ?? `${actor}@${shortName(microStep)}`);
    yield { ...moment, name: point.slice(actor.length + 1) };
  }
}

const matters = ({ isDecision, effects }: Row): boolean => isDecision || effects.length > 0;

/** The rows to show, and how many steps they leave out in between. */
function chosen(journal: Journal, { marks }: StoryOptions): { readonly head: Row[]; readonly tail: Row[] } {
  const { steps } = journal;
  const wanted = (row: Row): boolean => matters(row) || row.step === steps || marks?.has(row.step) === true;
  const isShort = steps <= 2 * WINDOW_STEPS;
  const head = [...rowsOf(journal, 1, isShort ? steps : WINDOW_STEPS)].filter(wanted);
  const rest = isShort ? [] : [...rowsOf(journal, steps - WINDOW_STEPS + 1, steps)].filter(wanted);
  if (isShort && head.length <= ROWS_MAX) return { head, tail: [] };
  const tail = (isShort ? head : rest).slice(HEAD_ROWS - ROWS_MAX);
  return { head: head.slice(0, HEAD_ROWS), tail };
}

const cpusOf = ({ actors }: Journal): number => actors.filter((id) => id.startsWith('pcpu:')).length;

interface Layout {
  readonly cpus: number;
  readonly nameColumns: number;
}

const NAME_COLUMNS_MIN = 28;
const NAME_SHARE = 0.36;

/** Where lines have a limit, a step is one line; elsewhere nothing is cut. */
const layoutOf = ({ limit }: Printer, journal: Journal): Layout => ({
  cpus: cpusOf(journal),
  nameColumns: Math.max(NAME_COLUMNS_MIN, Math.floor(limit * NAME_SHARE)),
});

function lanes(cpu: number | null, cpus: number): Part[] {
  if (cpus > LANES_MAX) return [cpu === null ? '-' : String(cpu)];
  return [Array.from({ length: cpus }, (_, i) => (i === cpu ? '●' : '·')).join(' ')];
}

/** On a narrow terminal the end of a name says most. */
const shortened = (name: string, columns: number): string => (name.length > columns ? `…${name.slice(1 - columns)}` : name);

function cells(row: Row, { cpus, nameColumns }: Layout, mark: string | undefined): Part[] {
  const what = shortened(row.microStep === null || row.isDecision ? row.label : row.name, nameColumns);
  const effects = row.effects.join('; ');
  const told = mark === undefined ? effects : `${mark}${effects === '' ? '' : `; ${effects}`}`;
  return [
    String(row.step).padStart(5),
    ...lanes(row.cpu, cpus),
    row.isDecision ? styled('yellow', row.actor) : row.actor,
    row.isDecision ? styled('yellow', what) : what,
    mark === undefined ? told : { style: 'red', text: told, isWhole: true },
  ];
}

function header(cpus: number): Part[] {
  const numbers = cpus > LANES_MAX ? 'cpu' : Array.from({ length: cpus }, (_, i) => String(i)).join(' ');
  return [' step', numbers, 'who', 'micro-step', 'what it did'].map((title) => styled('dim', title));
}

/** Prints the steps that matter, or all. */
export function printStory(printer: Printer, journal: Journal, options: StoryOptions = {}): void {
  const layout = layoutOf(printer, journal);
  const { cpus } = layout;
  const drawn = (rows: readonly Row[]): Part[][] => rows.map((row) => cells(row, layout, options.marks?.get(row.step)));
  if (options.verbose) {
    printAll(printer, journal, cpus, drawn);
    return;
  }
  const { head, tail } = chosen(journal, options);
  const last = head.at(-1);
  const first = tail[0];
  const gap: Part[][] = last && first ? [['    …', '', styled('dim', `${first.step - last.step - 1} steps left out`)]] : [];
  table(printer, [header(cpus), ...drawn(head), ...gap, ...drawn(tail)], ' ', true);
  const shown = head.length + tail.length;
  if (shown < journal.steps) printer.line(styled('dim', `  ${shown} of ${journal.steps} steps; --verbose shows all`));
}

function printAll(printer: Printer, journal: Journal, cpus: number, drawn: (rows: readonly Row[]) => Part[][]): void {
  let rows: Row[] = [];
  let isFirst = true;
  const flush = (): void => {
    table(printer, [...(isFirst ? [header(cpus)] : []), ...drawn(rows)], ' ', true);
    isFirst = false;
    rows = [];
  };
  for (const row of rowsOf(journal, 1, journal.steps)) {
    if (printer.sink.closed) return;
    if (rows.push(row) === CHUNK_ROWS) flush();
  }
  flush();
}
