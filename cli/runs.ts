/** `runs`: the journals that were written where nothing else was asked for. */
import { openJournal } from '../replay/open.ts';
import { type Call, type Command, integer } from './command.ts';
import { EXIT, failureOf } from './errors.ts';
import type { Io } from './io.ts';
import { openSource } from './journal-file.ts';
import { type Part, styled, table } from './output.ts';
import { RUNS_FOLDER } from './recording.ts';
import { journalsIn, type StoredRun } from './runs-folder.ts';

interface Listed {
  readonly file: string;
  readonly scenario: string | null;
  readonly variant: string | null;
  /** `clean`, `violation`, `in progress`, `unsealed`, or `damaged` where it cannot be read. */
  readonly verdict: string;
  readonly property: string | null;
  readonly steps: number | null;
  readonly bytes: number;
  /** When the file was written last, in UTC. */
  readonly written: string;
  /** Why it cannot be read. */
  readonly failure: string | null;
}

function listed({ file, bytes, writtenAt }: StoredRun, io: Io): Listed {
  const about = { file, bytes, written: new Date(writtenAt).toISOString() };
  try {
    const { source, live, close } = openSource(file, io);
    try {
      const journal = openJournal(source);
      const { name, variant } = journal.start.scenario as { readonly name?: string; readonly variant?: string };
      return {
        ...about,
        scenario: name ?? null,
        variant: variant ?? null,
        verdict: journal.end?.verdict ?? (live ? 'in progress' : 'unsealed'),
        property: journal.end?.violation?.property ?? null,
        steps: journal.steps,
        failure: null,
      };
    } finally {
      close();
    }
  } catch (error) {
    const { exit, message } = failureOf(error);
    if (exit === EXIT.internal) throw error;
    return { ...about, scenario: null, variant: null, verdict: 'damaged', property: null, steps: null, failure: message };
  }
}

const STYLES = { clean: 'green', violation: 'red', unsealed: 'yellow', damaged: 'red' } as const;

const coloured = (verdict: string): Part => styled(STYLES[verdict as keyof typeof STYLES] ?? 'yellow', verdict);

const sizeText = (bytes: number): string => (bytes < 10_000 ? `${bytes} B` : `${Math.round(bytes / 1000)} kB`);

function cells(run: Listed): Part[] {
  const { scenario, variant, verdict, property, steps, bytes, written, failure, file } = run;
  return [
    written.slice(0, 19).replace('T', ' '),
    scenario === null ? '-' : `${scenario} (${variant ?? '-'})`,
    coloured(verdict),
    steps === null ? '-' : `${steps} steps`,
    sizeText(bytes),
    [file, ...(property === null ? [] : [property]), ...(failure === null ? [] : [failure])].join('  '),
  ];
}

function run({ io, out, json, options }: Call): number {
  const { limit } = options as { readonly limit?: number };
  const all = journalsIn(io, true);
  const runs = all.slice(0, limit).map((stored) => listed(stored, io));
  if (json) out.json(runs);
  else if (all.length === 0) out.line(`./${RUNS_FOLDER} holds no journals`);
  else {
    table(
      out,
      [['written (UTC)', 'scenario', 'verdict', 'steps', 'size', 'journal'].map((title) => styled('dim', title)), ...runs.map(cells)],
      '',
    );
    if (runs.length < all.length) out.line(styled('dim', `  ${all.length - runs.length} older ones; --limit N`));
  }
  return EXIT.ok;
}

export const COMMAND: Command = {
  operands: '',
  details: [
    `The newest comes first; it is called \`latest\` wherever a journal is asked for. Runs that were given a name with -o are not in ./${RUNS_FOLDER}.`,
  ],
  options: [{ flags: '--limit <n>', description: 'at most so many', parse: integer(1) }],
  isFixed: true,
  examples: [
    ['runs', 'what was run here'],
    ['show latest --explain', 'why the newest run broke a property'],
  ],
  run,
};
