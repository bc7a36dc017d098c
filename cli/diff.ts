/** `diff`: where two journals part, and what only one of them did. */
import { type Difference, diff, type Only } from '../replay/diff.ts';
import type { Journal } from '../replay/reader.ts';
import type { Call, Command } from './command.ts';
import { EXIT } from './errors.ts';
import { withJournal } from './journal-file.ts';
import { type Printer, styled } from './output.ts';

/** Entries of each side in text; --json has up to a thousand. */
const SHOWN_MAX = 30;

function printSide(printer: Printer, name: string, only: readonly Only[]): void {
  printer.line(styled('bold', `only ${name}`), `: ${only.length}`);
  for (const { step, actor, type, occurrence } of only.slice(0, SHOWN_MAX))
    printer.line(`  step ${step}  ${actor} takes ${type}`, styled('dim', occurrence ? `   for the ${occurrence + 1}. time` : ''));
  if (only.length > SHOWN_MAX) printer.line(styled('dim', `  and ${only.length - SHOWN_MAX} more`));
}

/** What a journal has at a step: its choice; at step 0 and behind the end there is none. */
function sideText({ records, steps, sealed }: Journal, step: number, label: string | null): string {
  if (label !== null) return label;
  if (records > 0 && step <= steps) return '(the start)';
  return sealed ? '(ended)' : '(lost: not sealed)';
}

interface Side {
  readonly file: string;
  readonly journal: Journal;
}

function print(printer: Printer, a: Side, b: Side, { same, first, onlyA, onlyB }: Difference): void {
  if (same) {
    printer.line(styled('green', 'Same'), ': every step has the same digest');
    return;
  }
  printer.line(styled('yellow', `They part at step ${first!.step}`));
  const { step } = first!;
  printer.line(`  ${a.file}: ${sideText(a.journal, step, first!.a)}`);
  printer.line(`  ${b.file}: ${sideText(b.journal, step, first!.b)}`);
  printSide(printer, a.file, onlyA);
  printSide(printer, b.file, onlyB);
}

async function run({ io, out, json, args }: Call): Promise<number> {
  const [fileA, fileB] = args as [string, string];
  return withJournal(fileA, io, (a) => {
    // Read to its end before the other is opened: what is wrong with it is told by its name.
    for (const _ of a.choices(0));
    return withJournal(fileB, io, (b) => {
      const difference = diff(a, b);
      if (json) out.json({ ...difference, sealed: { a: a.sealed, b: b.sealed } });
      else print(out, { file: fileA, journal: a }, { file: fileB, journal: b }, difference);
      return difference.same ? EXIT.ok : EXIT.broken;
    });
  });
}

export const COMMAND: Command = {
  operands: '<journal> <other>',
  details: [
    'The first divergence is the first step whose digest differs. After it, deliveries are aligned by receiver, sender and content: the nth time an actor takes the same event is the same on both sides, in whatever order the steps of different actors came.',
    'Exit code 0: the same; 1: they differ.',
  ],
  options: [],
  examples: [['diff before.wsj after.wsj', 'what an injection changed']],
  run,
};
