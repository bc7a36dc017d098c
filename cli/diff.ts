/** `diff`: where two journals part, and what only one of them did. */
import { type Difference, diff, type Only } from '../replay/diff.ts';
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

function print(printer: Printer, [a, b]: readonly string[], { same, first, onlyA, onlyB }: Difference): void {
  if (same) {
    printer.line(styled('green', 'Same'), ': every step has the same digest');
    return;
  }
  printer.line(styled('yellow', `They part at step ${first!.step}`));
  printer.line(`  ${a!}: ${first!.a ?? '(ended)'}`);
  printer.line(`  ${b!}: ${first!.b ?? '(ended)'}`);
  printSide(printer, a!, onlyA);
  printSide(printer, b!, onlyB);
}

async function run({ io, out, json, args }: Call): Promise<number> {
  const [fileA, fileB] = args as [string, string];
  const difference = await withJournal(fileA, io, (a) => withJournal(fileB, io, (b) => diff(a, b)));
  if (json) out.json(difference);
  else print(out, args, difference);
  return difference.same ? EXIT.ok : EXIT.broken;
}

export const COMMAND: Command = {
  operands: '<a> <b>',
  details: [
    'The first divergence is the first step whose digest differs. After it, deliveries are aligned by receiver, sender and content: the nth time an actor takes the same event is the same on both sides, in whatever order the steps of different actors came.',
    'Exit code 0: the same; 1: they differ.',
  ],
  options: [],
  examples: [['diff before.wsj after.wsj', 'what an injection changed']],
  run,
};
