/**
 * Reading journals back: records a second of re-execution and of folding, and the time to look at
 * one step of a long file.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileSource } from '../replay/file-source.ts';
import { foldAll } from '../replay/fold.ts';
import { reportStep } from '../replay/inspect.ts';
import { openJournal } from '../replay/open.ts';
import type { Journal } from '../replay/reader.ts';
import { reexecute } from '../replay/reexecute.ts';
import { memorySource } from '../replay/source.ts';
import { Prng } from '../sim/prng.ts';
import { churn, finish, finishJournaled, openJournaled, sessionOf } from './churn.ts';
import { type Figure, median, prepared, quantile, race, type Table, timed, type Value } from './harness.ts';

/** About 275,000 records. */
const ROUNDS = 200;
const RACES = 5;
/** Over a million records. */
const LONG_ROUNDS = 740;
const LONG_RECORDS_MIN = 1_000_000;
const DECILES = 10;
const SHOW_AIM_MS = 50;
/**
 * What still counts as not growing with the position: the step of a checkpoint costs less than one
 * far behind it.
 */
const GROWTH_AIM = 1.5;

const contentOf = (rounds: number): Uint8Array => finishJournaled(openJournaled(churn(rounds), 'memo')).content!;

/** The last seq: the number of records. */
function parseAll(lines: readonly string[]): number {
  let seq = 0;
  for (const line of lines) seq = (JSON.parse(line) as { readonly seq: number }).seq;
  return seq;
}

function throughput(): Table {
  const scenario = churn(ROUNDS);
  const content = contentOf(ROUNDS);
  const open = (): Journal => openJournal(memorySource(content));
  const { records, steps } = open();
  const lines = (): string[] => Array.from(open().recordsFrom(), (record) => JSON.stringify(record));
  const assertIdentical = ({ identical }: { readonly identical: boolean }): void => {
    if (!identical) throw new Error('the journal does not replay; a rate of that says nothing');
  };
  const rates = race(
    [
      { name: 'run, memo, no journal', work: () => finish(sessionOf(scenario, 'memo')) },
      { name: 're-execute', work: () => assertIdentical(reexecute(open())), against: [{ base: 'run, memo, no journal' }] },
      prepared('JSON.parse of each record', lines, parseAll),
      { name: 'fold', work: () => assertIdentical(foldAll(open())), against: [{ base: 'JSON.parse of each record' }] },
    ],
    { unit: 'records', units: records, rounds: RACES, clock: 'cpu' },
  );
  return { title: `${records} records, ${steps} steps; every digest compared`, rates };
}

/** `count` steps of each tenth of the journal, in no order. */
function stepsToShow({ steps }: Journal, count: number, prng: Prng): { readonly decile: number; readonly step: number }[] {
  const wanted = Array.from({ length: DECILES * count }, (_, i) => {
    const decile = i % DECILES;
    return { decile, step: Math.floor(((decile + prng.below(1 << 20) / (1 << 20)) * steps) / DECILES) };
  });
  for (let i = wanted.length - 1; i > 0; i--) {
    const j = prng.below(i + 1);
    [wanted[i], wanted[j]] = [wanted[j]!, wanted[i]!];
  }
  return wanted;
}

function byDecile(samples: readonly (readonly number[])[]): Value[] {
  const values = samples.flatMap((times, i) => [
    { name: `tenth ${i + 1} of the journal, median`, value: median(times), unit: 'ms', aim: SHOW_AIM_MS },
    { name: `tenth ${i + 1} of the journal, p95`, value: quantile(times, 0.95), unit: 'ms', aim: SHOW_AIM_MS },
  ]);
  const growth = median(samples.at(-1)!) / median(samples[0]!);
  return [...values, { name: 'last tenth to first, medians', value: growth, unit: 'x', aim: GROWTH_AIM }];
}

/** Steps of one open journal, as a debugger or a server shows them. */
function showOpen(path: string): Table {
  const source = fileSource(path);
  const journal = openJournal(source);
  const samples: number[][] = Array.from({ length: DECILES }, () => []);
  const prng = new Prng(1);
  for (const { step } of stepsToShow(journal, 2, prng)) reportStep(journal, step);
  for (const { decile, step } of stepsToShow(journal, 40, prng)) samples[decile]!.push(timed(() => reportStep(journal, step)));
  source.close();
  return { title: `one step of ${journal.records} records in a file, the journal open and looked at before`, values: byDecile(samples) };
}

/** One step and nothing else, as `show --step` does it in a process of its own, start-up apart. */
function showFresh(path: string): Table {
  const samples: number[][] = Array.from({ length: DECILES }, () => []);
  const opens: number[] = [];
  const whole = fileSource(path);
  const wanted = stepsToShow(openJournal(whole), 20, new Prng(2));
  whole.close();
  for (const { decile, step } of wanted) {
    let journal: Journal | null = null;
    const source = fileSource(path);
    opens.push(timed(() => (journal = openJournal(source))));
    samples[decile]!.push(timed(() => reportStep(journal!, step)));
    source.close();
  }
  const open = { name: 'openJournal alone, median', value: median(opens), unit: 'ms' };
  return { title: 'one step of the same file, opened again each time', values: [open, ...byDecile(samples)] };
}

function showing(): Table[] {
  const folder = mkdtempSync(join(tmpdir(), 'worldswitch-bench-'));
  try {
    const path = join(folder, 'long.wsj');
    writeFileSync(path, contentOf(LONG_ROUNDS));
    const source = fileSource(path);
    const { records } = openJournal(source);
    source.close();
    if (records < LONG_RECORDS_MIN) throw new Error(`the long journal has ${records} records; raise LONG_ROUNDS`);
    return [showOpen(path), showFresh(path)];
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export const replay: Figure = {
  name: 'replay',
  summary: 'records a second of re-execution and folding, and milliseconds to show one step',
  run: () => [throughput(), ...showing()],
};
