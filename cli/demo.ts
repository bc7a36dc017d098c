/**
 * `demo`: one race from start to end. A run that goes well, its replay, and one preemption that
 * breaks it.
 */
import { loadReference, resolved } from './catalog.ts';
import type { Call, Command } from './command.ts';
import { EXIT } from './errors.ts';
import { type Injected, injectDocument, printChanged, recordInjection } from './inject.ts';
import { commandText, type Printer, styled } from './output.ts';
import type { Recorded } from './recording.ts';
import { printReplay, type ReplayReport, replayed } from './replay.ts';
import { printJournal, printVerdict, runDocument } from './report.ts';
import { marksOf, printHeadline, recordRun } from './run.ts';
import { printStory } from './story.ts';

const SCENARIO = 'rmp-host-write-race';
/** Between the two stores of a daemon that emulates a device for the guest. */
const POINT = 'thread:netd/0@emulate_dma_write.store#2';
const CPU = 'pcpu:0';

const heading = (printer: Printer, number: number, text: string): void => {
  printer.line();
  printer.line(styled('bold', `${number}. ${text}`));
  printer.line();
};

function printInjection(printer: Printer, injected: Injected): void {
  const { recorded, fork } = injected;
  const marks = new Map([[fork.at, 'injected'], ...marksOf(recorded)]);
  printStory(printer, recorded.journal, { marks });
  printer.line();
  printVerdict(printer, recorded);
  printChanged(printer, injected);
  printJournal(printer, recorded, null);
}

/** Whether everything went as the demo says. */
const holds = (recorded: Recorded, replay: ReplayReport, { recorded: forked }: Injected): boolean =>
  recorded.end.verdict === 'clean' && replay.identical && forked.end.verdict === 'violation';

function printMoral(printer: Printer, path: string | null): void {
  printer.line();
  printer.line('The violation is the point: the design is sound in the obvious order, and one preemption breaks it.');
  if (path === null) return;
  printer.command([styled('bold', 'Go on:  ')], commandText(['inject', path, '--at', POINT, '--preempt', CPU, '--verbose']));
  printer.command(['        '], commandText(['run', SCENARIO, '--variant', 'map-lock-user', '--chooser', 'random', '--seed', '7']));
  printer.command(['        '], commandText(['scenarios']));
}

async function run({ io, out, json }: Call): Promise<number> {
  const scenario = resolved(loadReference(SCENARIO, io).scenario, {});
  if (!json) {
    heading(out, 1, 'A run on live actors, in order');
    printHeadline(out, scenario);
    out.line();
  }
  const recorded = await recordRun(scenario, { engine: 'live' }, io);
  try {
    if (!json) {
      printStory(out, recorded.journal, { marks: marksOf(recorded) });
      out.line();
      printVerdict(out, recorded);
      heading(out, 2, 'Its journal, executed again by the memo engine');
    }
    const replay = replayed(recorded.journal);
    if (!json) {
      printReplay(out, replay, 're-executed');
      heading(out, 3, `The same run with one preemption: ${CPU} at ${POINT}`);
    }
    const options = { at: POINT, action: { preempt: CPU }, after: { name: 'follow' } } as const;
    const injected = await recordInjection(recorded.journal, options, {}, io);
    try {
      if (json) out.json({ run: runDocument(recorded), replay, inject: injectDocument(injected) });
      else {
        printInjection(out, injected);
        printMoral(out, recorded.path);
      }
      return holds(recorded, replay, injected) ? EXIT.ok : EXIT.broken;
    } finally {
      injected.recorded.close();
    }
  } finally {
    recorded.close();
  }
}

export const COMMAND: Command = {
  operands: '',
  details: [
    `${SCENARIO} runs in order and stays clean; its journal is executed again, every digest equal; then the daemon is preempted between its two stores, and a process that did nothing wrong is killed. Exit code 0 if all three happen: here the violation is what is to be seen.`,
  ],
  options: [],
  isFixed: true,
  examples: [
    ['demo', 'what `npm start` runs'],
    ['demo --json', '{run, replay, inject}, each as its own command prints it'],
  ],
  run,
};
