/** What a failed assertion says: the verdict, the counterexample as a story, and the commands. */
import { printViolation, toldByJournal } from '../cli/explain.ts';
import type { Sink } from '../cli/io.ts';
import { commandText, Printer } from '../cli/output.ts';
import { costText } from '../cli/report.ts';
import type { Journal } from '../replay/reader.ts';
import { inShort } from '../replay/schedule-text.ts';
import { JournalWriter } from '../replay/writer.ts';
import type { Violation } from '../sim/explore/request.ts';
import { nameOf } from '../sim/scenario/expectations.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { openSession } from '../sim/session.ts';
import { openJournal } from './journal-file.ts';
import { resolved } from './scenario.ts';
import type { ExploreReport } from './search.ts';
import { type Subject, type SubjectOptions, selectionWords } from './vitest-subject.ts';

const COLUMNS = 100;
/** A longer schedule stands on no command line. */
const SCHEDULE_CHARS_MAX = 600;

/** What was searched, in which bound. */
export interface Searched {
  readonly subject: Subject;
  readonly options: SubjectOptions;
  readonly report: ExploreReport;
  /** Further words of the command that searches again. */
  readonly words: readonly string[];
}

export const titleOf = ({ scenario, variant }: Pick<ExploreReport, 'scenario' | 'variant'>): string => `${scenario} (${variant})`;

/** The least deviating first: disturbances, preemptions, switches, steps. */
const deviation = ({ disturbances, preemptions, switches, steps }: Violation): readonly number[] => [
  disturbances,
  preemptions,
  switches,
  steps,
];

export function leastOf(violations: readonly Violation[]): Violation | undefined {
  return [...violations].sort((one, other) => {
    const [mine, theirs] = [deviation(one), deviation(other)];
    const at = mine.findIndex((value, i) => value !== theirs[i]);
    return at < 0 ? 0 : mine[at]! - theirs[at]!;
  })[0];
}

/** A violation in a line. */
export const brokenText = (violation: Violation): string => `${nameOf(violation)} breaks in ${costText(violation)}`;

/** The journal of the schedule that a search has found, in memory. */
function journalOf(scenario: ResolvedScenario, { labels, property }: Violation): Journal {
  const choices = labels.map((label) => ({ index: 0, label }));
  const chooser = { name: 'replay', choices, match: 'label', after: { name: 'fifo' } } as const;
  let writer: JournalWriter | null = null;
  const sink: NonNullable<Parameters<typeof openSession>[0]['sink']> = (block, names) => writer!.block(block, names);
  const { run, start } = openSession({ scenario, engine: 'memo', chooser, schedule: `labels ${labels.join(' ')}`, sought: property, sink });
  writer = JournalWriter.open(null, start, { mode: 'memory' });
  run.start();
  return openJournal(writer.seal(run.toEnd()!).content!);
}

/** Text as a printer lays it out. */
function printed(print: (printer: Printer) => void): string {
  let text = '';
  const sink: Sink = {
    isTerminal: false,
    columns: COLUMNS,
    limit: COLUMNS,
    closed: false,
    write: (data) => {
      text += String(data);
    },
    flush: () => {},
  };
  print(new Printer(sink, false));
  return text.trimEnd();
}

function commandsOf({ subject: { reference }, options, words }: Searched, schedule: string | null): string[] {
  if (reference === null) return [];
  const selection = selectionWords(options);
  return [
    commandText(['explore', reference, ...selection, ...words]),
    ...(schedule === null || schedule.length > SCHEDULE_CHARS_MAX || options.liveness
      ? []
      : [commandText(['run', reference, ...selection, '--schedule', schedule])]),
  ];
}

/** The commands that show it again, below each other. */
function printCommands(printer: Printer, searched: Searched, schedule: string | null): void {
  const commands = commandsOf(searched, schedule);
  printer.line();
  if (commands.length === 0) printer.line('See it: save the scenario as a file; worldswitch explore FILE searches it again');
  commands.forEach((command, i) => {
    printer.command([i === 0 ? 'See it: ' : '        '], command);
  });
}

/** A headline, the guarantee or the counterexample below it, and how to see it again. */
export function toldSearch(headline: string, searched: Searched, violation: Violation | undefined): string {
  const { subject, options, report } = searched;
  return printed((printer) => {
    printer.line(headline);
    printer.line();
    if (violation === undefined) {
      printer.brokenLines(report.guarantee);
      printCommands(printer, searched, null);
      return;
    }
    const journal = journalOf(resolved(subject.source, options), violation);
    printViolation(printer, toldByJournal(journal)!);
    printCommands(printer, searched, inShort(journal.choices()));
  });
}
