/**
 * `verify`: whether a journal is what its writer wrote, a scenario deterministic and as expected,
 * and all that lies below a folder.
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { shippedNames } from '../api/shipped-scenarios.ts';
import { verifyJournal } from '../replay/integrity.ts';
import { salvage } from '../replay/recover.ts';
import { lossText } from '../replay/torn.ts';
import { looksLikePath } from './catalog.ts';
import { type Call, type Command, integer, MUTANT_OPTION } from './command.ts';
import { CliError, EXIT, failureOf, usageError } from './errors.ts';
import { COVERAGE_STATES, fullCoverageOf } from './full-coverage.ts';
import { noteInput } from './inputs.ts';
import type { Io } from './io.ts';
import { named, openSource, unsealedText } from './journal-file.ts';
import { type JunitCase, junitOf } from './junit.ts';
import { commandText, type Printer, styled } from './output.ts';
import { checkOutput, writeOutput } from './target.ts';
import { type ScenarioReport, verifyScenario } from './verify-scenario.ts';

interface Item {
  readonly kind: 'journal' | 'scenario';
  /** As the user may name it. */
  readonly name: string;
}

/** The exit code for all: what is only undecided hides nothing that is wrong. */
function worst(exits: readonly number[]): number {
  const decided = Math.max(EXIT.ok, ...exits.filter((exit) => exit !== EXIT.partial));
  return decided === EXIT.ok && exits.includes(EXIT.partial) ? EXIT.partial : decided;
}

interface Verified {
  readonly ok: boolean;
  readonly exit: number;
  readonly document: Readonly<Record<string, unknown>>;
  /** It holds as far as it goes, and there was or could be more of it. */
  readonly cut: boolean;
  /** What to say, one line each. */
  readonly lines: readonly string[];
}

function verifiedJournal(name: string, io: Io, root: string | undefined): Verified {
  const { source, live: isWritten, close } = openSource(name, io);
  try {
    const { problem, ...report } = verifyJournal(source, root === undefined ? {} : { root });
    const { ok, sealed, torn, records, steps } = report;
    const failure = problem ? failureOf(problem) : null;
    const live = isWritten && !sealed;
    const document = { ...report, live, problem: failure && { code: failure.code, message: failure.message } };
    const end = sealed ? 'sealed' : `not sealed: ${unsealedText({ torn, records, steps, live })}`;
    const lines = failure
      ? [failure.message]
      : [`${records} records, ${steps} steps, every checksum and digest fits; ${end}`, `root ${report.root}`];
    return { ok, exit: failure?.exit ?? EXIT.ok, cut: !sealed, document, lines };
  } finally {
    close();
  }
}

async function verifiedScenario(name: string, io: Io, { mutant, fullCoverage, maxStates }: Of): Promise<Verified> {
  const verified = await verifyScenario(name, io, mutant);
  if (!fullCoverage) return told(verified, mutant);
  const full = await fullCoverageOf(name, { mutant, maxStates }, io);
  const { ok, exit, document, lines } = told(verified, mutant, true);
  return {
    ok: ok && full.ok,
    exit: worst([exit, full.exit]),
    cut: full.exit === EXIT.partial,
    document: { ...document, ok: ok && full.ok, coverage: full.document },
    lines: [...(full.ok || !ok ? lines : []), ...full.lines],
  };
}

/** What the checks of a scenario without a mistake have shown: as much as runs can. */
function shownBy({ checks, schedules, unasked }: ScenarioReport, searched: boolean): string[] {
  const variants = new Set(checks.map(({ variant }) => variant)).size;
  const expects = unasked.length < variants;
  const holds = expects
    ? `, and no run that was made breaks what is not expected${searched ? '' : '; --full-coverage searches the other schedules'}`
    : '';
  return [
    `${checks.length} checks: both engines give the same bytes${holds}`,
    ...(unasked.length > 0 ? [`nothing is expected of ${unasked.join(', ')}: what breaks there was not judged`] : []),
    ...(expects && schedules === null && !searched
      ? ['no committed schedules beside it: whether expected violations happen was not checked']
      : []),
  ];
}

function told(report: ScenarioReport, mutant: string | undefined, searched = false): Verified {
  const { ok, checks, schedules } = report;
  const failed = checks
    .filter((check) => !check.ok)
    .flatMap(({ variant, what, found, again }) => [`${variant}: ${what}: ${found}`, ...(again ? [`  See it: ${commandText(again)}`] : [])]);
  const lines = ok ? shownBy(report, searched) : failed;
  return {
    ok,
    exit: ok ? EXIT.ok : EXIT.broken,
    cut: false,
    document: { ...(mutant !== undefined && { mutant }), ok, checks, schedules },
    lines,
  };
}

/** Options that apply to one operand, not to a folder. */
interface Of {
  readonly root?: string | undefined;
  readonly mutant?: string | undefined;
  readonly fullCoverage?: true;
  readonly maxStates?: number;
}

const verified = async ({ kind, name }: Item, io: Io, of: Of): Promise<Verified> =>
  kind === 'journal' ? verifiedJournal(name, io, of.root) : verifiedScenario(name, io, of);

/** Verifies one of many: an error in reading it is its own result and does not end the others. */
async function verifiedOfMany(item: Item, io: Io, of: Of): Promise<Verified> {
  try {
    return await verified(item, io, of);
  } catch (error) {
    const { code, exit, message } = failureOf(error);
    if (exit === EXIT.internal || exit === EXIT.partial) throw error;
    return { ok: false, exit, cut: false, document: { ok: false, problem: { code, message } }, lines: message.split('\n') };
  }
}

/** Journals and scenarios below a folder, in order of their names. */
function itemsBelow(folder: string, shown: string): Item[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry): Item[] => {
      const name = join(shown, entry.name);
      if (entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
        return itemsBelow(join(folder, entry.name), name);
      const path = name.includes('/') ? name : `./${name}`;
      if (entry.isFile() && entry.name.endsWith('.wsj')) return [{ kind: 'journal', name: path }];
      return entry.isFile() && /\.ya?ml$/.test(entry.name) ? [{ kind: 'scenario', name: path }] : [];
    });
}

/** What the operand names: one thing, or a folder of them. */
function itemsOf(operand: string, io: Io): Item[] {
  if (operand === '-') return [{ kind: 'journal', name: operand }];
  if (!looksLikePath(operand) && shippedNames().includes(operand)) return [{ kind: 'scenario', name: operand }];
  const path = resolve(io.cwd, operand);
  if (existsSync(path) && statSync(path).isDirectory()) {
    const items = itemsBelow(path, operand);
    if (items.length === 0)
      throw new CliError({
        code: 'nothing_found',
        exit: EXIT.usage,
        message: `${operand} holds no journal (.wsj) and no scenario (.yaml)`,
      });
    return items;
  }
  const isScenario = /\.ya?ml$/.test(operand) || !(existsSync(path) || operand.endsWith('.wsj') || looksLikePath(operand));
  return [{ kind: isScenario ? 'scenario' : 'journal', name: operand }];
}

function print(printer: Printer, { name }: Item, { exit, cut, lines }: Verified): void {
  const [first = '', ...rest] = lines;
  const isWrong = exit !== EXIT.ok && exit !== EXIT.partial;
  const mark = isWrong ? styled('red', 'BAD ') : cut ? styled('yellow', 'cut ') : styled('green', 'ok  ');
  printer.line(mark, `${name}: ${first}`);
  for (const line of rest) printer.line(`      ${line}`);
}

/** Copies what is good of a journal; the original stays as it is. */
function salvaged(name: string, output: string, { io, out, err, json }: Call): number {
  const { source, close } = openSource(name, io);
  try {
    checkOutput(output, io, { json, option: '--salvage' });
    const { records, steps, bytes, lost, content } = salvage(source);
    writeOutput(output, content, io, '--salvage');
    if (json) out.json({ ok: true, journal: output, records, steps, bytes, lost });
    else {
      (output === '-' ? err : out).line(
        styled('green', 'salvaged '),
        `${output}: ${records} records, ${steps} steps, not sealed${lost ? `: ${lossText(lost)}` : ''}`,
      );
    }
    return EXIT.ok;
  } catch (error) {
    throw named(error, name);
  } finally {
    close();
  }
}

async function run(call: Call): Promise<number> {
  const { io, json, args, options } = call;
  const [operand] = args as [string];
  const { junit, salvage: copy, ...of } = options as Of & { readonly junit?: string; readonly salvage?: string };
  const { root, mutant, fullCoverage, maxStates } = of;
  if (root !== undefined && !/^[0-9a-fA-F]{64}$/.test(root))
    throw usageError(`found --root ${root}; expected the 64 hexadecimal digits that the run printed`);
  const items = itemsOf(operand, io);
  const isOne = items.length === 1 && items[0]!.name === operand;
  if (root !== undefined && !(isOne && items[0]!.kind === 'journal')) throw usageError('--root is for one journal');
  if (mutant !== undefined && !(isOne && items[0]!.kind === 'scenario')) throw usageError('--mutant is for one scenario');
  if (fullCoverage && items.every(({ kind }) => kind === 'journal')) throw usageError('--full-coverage is for scenarios');
  if (maxStates !== undefined && !fullCoverage) throw usageError('--max-states is for --full-coverage');
  if (copy !== undefined) {
    if (!(isOne && items[0]!.kind === 'journal')) throw usageError('--salvage is for one journal');
    return salvaged(operand, copy, call);
  }
  if (junit !== undefined) {
    for (const { name } of items) noteInput(name, io);
    checkOutput(junit, io, { json, option: '--junit' });
  }
  const out = junit === '-' ? call.err : call.out;
  const documents: Readonly<Record<string, unknown>>[] = [];
  const cases: JunitCase[] = [];
  let exit: number = EXIT.ok;
  for (const item of items) {
    const result = isOne ? await verified(item, io, of) : await verifiedOfMany(item, io, of);
    exit = worst([exit, result.exit]);
    documents.push({ ...item, ...result.document });
    cases.push({ ...item, ok: result.ok, lines: result.lines });
    if (!json) print(out, item, result);
  }
  if (junit !== undefined) writeOutput(junit, [Buffer.from(junitOf(cases))], io, '--junit');
  if (json) out.json(isOne ? documents[0] : { ok: exit === EXIT.ok, items: documents });
  return exit;
}

export const COMMAND: Command = {
  operands: '<journal|scenario|folder>',
  details: [
    'A journal: every checksum, the chain, the index, and every digest by fold; with --root, that it is the one the root was printed for. A scenario: every variant runs on both engines, twice, and the journals must be equal byte for byte; what it expects is held against the committed schedules (regressions/NAME.json beside it) and some seeds. That is a few schedules of all: what others break shows with --full-coverage, or with `explore`. A folder: everything below it.',
    'With --full-coverage every variant is searched as well, and what the search breaks is held against `expect`: exit code 1 if something breaks that is not expected, if something expected breaks under no schedule, if a micro-step, branch or operation of its programs was taken under none of them and the `uncovered` of its file names it not, or if an entry there names nothing. Where a variant could only be searched in part, what was not taken is undecided: exit code 4.',
    'With --mutant a scenario runs under a changed model: exit code 1 says that its committed schedules and seeds notice the change.',
    'A journal without a seal is marked `cut`, with what it lost: what is left of it fits, and the exit code is 0.',
    'Exit code 3 for a damaged journal, 1 for another root or a scenario that is not as expected.',
  ],
  options: [
    { flags: '--root <hex>', description: 'the root that the run printed: finds a forger, where checksums find accidents' },
    MUTANT_OPTION,
    {
      flags: '--full-coverage',
      description: 'ask that the variants of a scenario together take all of its programs, but for its `uncovered`',
    },
    {
      flags: '--max-states <n>',
      description: `with --full-coverage: states of each variant; beyond, schedules that deviate least (default: bounds.states, or ${COVERAGE_STATES})`,
      parse: integer(1),
    },
    { flags: '--salvage <file>', description: 'copy what is good of a damaged or torn journal to another file; - for standard output' },
    { flags: '--junit <file>', description: 'the results as JUnit XML, for continuous integration; - for standard output' },
  ],
  examples: [
    ['verify run.wsj --root HEX', 'a file against the root kept elsewhere'],
    ['verify damaged.wsj --salvage good.wsj', 'what can still be replayed'],
    ['verify rmp-host-write-race', 'a scenario'],
    ['verify rmpadjust-vs-rmpupdate --full-coverage', 'whether its variants take every micro-step of its programs'],
    ['verify scenarios --junit out.xml', 'for continuous integration'],
    ['verify scenarios --json', 'everything below a folder, for programs'],
  ],
  run,
};
