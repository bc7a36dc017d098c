/**
 * `replay`: the model on the recorded choices with every digest compared, or the state folded from
 * the records alone.
 */
import { foldAll, foldSteps } from '../replay/fold.ts';
import { foreignModel } from '../replay/model.ts';
import type { Journal } from '../replay/reader.ts';
import { type Divergence, reexecute } from '../replay/reexecute.ts';
import { hexOf } from '../sim/canonical.ts';
import { type Call, type Command, integer } from './command.ts';
import { EXIT } from './errors.ts';
import { checkStep, withJournal } from './journal-file.ts';
import { commandText, type Printer, styled } from './output.ts';

export interface ReplayReport {
  readonly identical: boolean;
  readonly sealed: boolean;
  readonly steps: number;
  readonly records: number;
  readonly digest: string | null;
  readonly divergence: Divergence | null;
}

/** Re-executes with the memo engine. */
export function replayed(journal: Journal, to?: number): ReplayReport {
  const { identical, steps, records, digest, divergence } = reexecute(journal, to === undefined ? {} : { to });
  return { identical, sealed: journal.sealed, steps, records, digest, divergence };
}

/** Folds the whole journal, or its beginning. */
function folded(journal: Journal, to?: number): ReplayReport {
  const { sealed } = journal;
  if (to === undefined) {
    const { identical, steps, records, digest, mismatch } = foldAll(journal);
    return { identical, sealed, steps, records, digest, divergence: mismatch && divergenceOf(mismatch) };
  }
  let digest: string | null = null;
  let records = 0;
  for (const { end, folder, seq } of foldSteps(journal)) {
    const { a, b } = folder.digest();
    const found = hexOf(a, b);
    const divergence =
      found === end.digest ? null : divergenceOf({ step: end.step, expected: end.digest, found, reason: 'the records give another state' });
    if (divergence) return { identical: false, sealed, steps: end.step - 1, records, digest, divergence };
    digest = end.digest;
    records = seq;
    if (end.step >= to) break;
  }
  return { identical: true, sealed, steps: Math.min(to, journal.steps), records, digest, divergence: null };
}

const divergenceOf = ({
  step,
  expected,
  found,
  reason,
}: {
  step: number;
  expected: string;
  found: string | null;
  reason: string;
}): Divergence => ({
  step,
  label: null,
  expected,
  found,
  cause: reason,
  actors: [],
});

export function printReplay(printer: Printer, { identical, steps, records, digest, divergence }: ReplayReport, how: string): void {
  if (identical) {
    printer.line(
      styled('green', 'Identical'),
      `: ${steps} steps, ${records} records; every digest is equal (${how}); digest ${digest ?? 'none'}`,
    );
    return;
  }
  if (!divergence) return;
  printer.line(styled('red', `Different at step ${divergence.step}`), divergence.label === null ? '' : `: ${divergence.label}`);
  printer.line(`  digest recorded ${divergence.expected}, found ${divergence.found ?? 'none'}`);
  printer.line(`  ${divergence.cause}`);
  for (const { actor, recorded, found } of divergence.actors) {
    printer.line(`  ${actor}`);
    printer.line(`    recorded ${JSON.stringify(recorded)}`);
    printer.line(`    found    ${JSON.stringify(found)}`);
  }
}

function run({ io, out, err, json, args, options }: Call): Promise<number> {
  const [file] = args as [string];
  const { fold, to } = options as { readonly fold?: true; readonly to?: number };
  return withJournal(file, io, (journal, live) => {
    checkStep(journal, to);
    const report = fold ? folded(journal, to) : replayed(journal, to);
    const foreign = foreignModel(journal);
    const { torn, root } = journal;
    // What the recorded run ended with, if the replay got so far.
    const violation = report.identical && report.steps === journal.steps ? (journal.end?.violation ?? null) : null;
    const how = fold ? 'fold' : 're-execute';
    if (json) out.json({ ...report, violation, how, runId: journal.header.runId, root, live, torn, model: foreign });
    else {
      printReplay(out, report, fold ? 'folded from the records' : 're-executed');
      if (violation) out.line(`  the run breaks ${violation.property} after ${violation.step} steps, as recorded: ${violation.message}`);
      for (const { property, message } of violation?.also ?? []) out.line(`  and ${property}: ${message}`);
      if (foreign) out.line(`  ${foreign}`);
      if (!report.identical && file !== '-') {
        out.command(
          [styled('bold', 'See it: ')],
          commandText(['show', file, '--step', String(Math.max(0, (report.divergence?.step ?? 1) - 1))]),
        );
      }
    }
    if (!json && foreign && !fold && report.identical) err.line('note: another model gives the same digests for these choices');
    return report.identical ? EXIT.ok : EXIT.broken;
  });
}

export const COMMAND: Command = {
  operands: '<journal>',
  details: [
    'Exit code 0 if every digest is equal, also those of a run that breaks a property, which is then named. 1 if a digest differs: the first difference is shown with both sides and a likely cause. --fold needs no model: it rebuilds the state from the records, so that old journals stay readable.',
  ],
  options: [
    { flags: '--fold', description: 'rebuild the state from the records instead of running the model' },
    { flags: '--to <step>', description: 'stop after this step', parse: integer(0) },
  ],
  examples: [
    ['replay run.wsj', 're-execute and compare every digest'],
    ['replay run.wsj --fold --json', 'from the records alone, for programs'],
    ['replay - < run.wsj', 'from standard input'],
  ],
  run,
};
