/** What `conform` prints for people. */
import type { Counts, RecordingReport, Refusal, ThreadReport, Verdict } from '../trace/conform/report.ts';
import { type Part, type Printer, type Style, styled, table } from './output.ts';

const STYLES: Readonly<Record<Verdict, Style>> = { conforms: 'green', cannot: 'red', unknown: 'yellow' };
/** Doubts of one recording that are told. */
const DOUBTS_MAX = 10;

const number = (value: number): string => value.toLocaleString('en');
const verdictPart = (verdict: Verdict): Part => styled(STYLES[verdict], verdict);

/** What a thread did, without what it never did. */
function countsText({ ioctls, fixed, entries, exits, preemptions, sleeps, interrupts, giveUps }: Counts): string {
  const parts: readonly (readonly [number, string, string])[] = [
    [ioctls, 'KVM_RUN', 'KVM_RUN'],
    [fixed, 'fixed micro-step', 'fixed micro-steps'],
    [entries, 'entry', 'entries'],
    [exits, 'exit', 'exits'],
    [preemptions, 'preemption', 'preemptions'],
    [sleeps, 'sleep', 'sleeps'],
    [interrupts, 'interrupt', 'interrupts'],
    [giveUps, 'give-up', 'give-ups'],
  ];
  return parts
    .filter(([count]) => count > 0)
    .map(([count, one, many]) => `${number(count)} ${count === 1 ? one : many}`)
    .join(', ');
}

function printRefusal(out: Printer, file: string, { line, text, context, after, letters, steps, more }: Refusal): void {
  out.line('    ', styled('bold', `${file}:${line}`), `: ${text}`);
  if (context !== null) out.line('    the line has ', context);
  out.line('    known last: ', after === null ? 'nothing' : `${after.step}, line ${after.line}`);
  if (steps.length === 0) {
    out.line('    possible there: nothing');
    return;
  }
  out.line('    possible there, in ', letters, ':');
  for (const step of steps) out.line('      ', step);
  if (more > 0) out.line(`      and ${more} more`);
}

function printThread(out: Printer, file: string, thread: ThreadReport): void {
  out.line('  ', verdictPart(thread.verdict), `  ${thread.comm}-${thread.pid}`);
  out.line('    ', countsText(thread.counts));
  if (thread.refusal === null) return;
  printRefusal(out, file, thread.refusal);
  if (thread.refusals > 1) out.line(`    and ${number(thread.refusals - 1)} more lines that the model cannot do`);
}

function printRecording(out: Printer, { file, format, lines, host, maps, threads, doubts }: RecordingReport): void {
  const { arch, kernel, preemption } = host;
  out.line(styled('bold', file), `  ${format}, ${number(lines)} lines; ${arch}, ${kernel}, ${preemption}; ${maps.at(-1) ?? ''}`);
  for (const thread of threads) printThread(out, file, thread);
  for (const { what, count, line, attempt } of doubts.slice(0, DOUBTS_MAX)) {
    out.line('  ', styled('yellow', 'unknown'), `  ${what}: ${number(count)}, the first in line ${line}`);
    out.line('    try: ', attempt);
  }
  if (doubts.length > DOUBTS_MAX) out.line(`  and ${doubts.length - DOUBTS_MAX} more that are unknown`);
}

const HEADS: readonly (readonly [keyof Counts, string])[] = [
  ['ioctls', 'KVM_RUN'],
  ['fixed', 'fixed'],
  ['entries', 'entries'],
  ['preemptions', 'preempted'],
  ['sleeps', 'slept'],
  ['giveUps', 'gave up'],
];

const total = ({ threads }: RecordingReport, count: keyof Counts): number => threads.reduce((sum, thread) => sum + thread.counts[count], 0);

/** The end of a path by which recordings of several folders are told apart. */
const shortName = (file: string): string => file.split('/').slice(-2).join('/');

/** One recording in full; of several those that do not conform, and a table of all. */
export function reportText(out: Printer, reports: readonly RecordingReport[]): void {
  const told = reports.length === 1 ? reports : reports.filter(({ verdict }) => verdict !== 'conforms');
  for (const report of told) printRecording(out, report);
  if (reports.length === 1) return;
  if (told.length > 0) out.line();
  table(
    out,
    [
      ['', ...HEADS.map(([, head]) => head), ''],
      ...reports.map((report) => [
        verdictPart(report.verdict),
        ...HEADS.map(([count]) => number(total(report, count))),
        shortName(report.file),
      ]),
    ],
    '',
  );
}
