/** `run`: one run of a scenario, its journal, and what became of it. */

import type { WriterMode } from '../replay/writer.ts';
import { counted } from '../sim/counted.ts';
import { isWhole } from '../sim/end.ts';
import { meets } from '../sim/scenario/expectations.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { type EngineName, openSession, type SessionChooser } from '../sim/session.ts';
import { loadReference, resolved } from './catalog.ts';
import { type Call, type Command, integer, SCENARIO_OPTIONS } from './command.ts';
import { EXIT, usageError } from './errors.ts';
import type { Io } from './io.ts';
import { type Printer, styled } from './output.ts';
import { PCT_OPTIONS } from './pct-options.ts';
import { type Recorded, Recording } from './recording.ts';
import { exitOf, printJournal, printVerdict, runDocument, runWords, titleOf } from './report.ts';
import { scheduleOf } from './schedule.ts';
import { printStory } from './story.ts';
import { checkOutput } from './target.ts';

interface RunOptions {
  readonly variant?: string;
  readonly mutant?: string;
  readonly set?: Readonly<Record<string, string>>;
  readonly seed?: number;
  readonly chooser?: SessionChooser['name'];
  readonly depth?: number;
  readonly horizon?: number;
  readonly maxSteps?: number;
  readonly schedule?: string;
  readonly expect?: true;
  readonly output?: string;
  readonly engine?: EngineName;
  readonly mode?: WriterMode;
  readonly verbose?: true;
}

/** The options that a chooser uses. */
const LOOKS_AT: Readonly<Partial<Record<SessionChooser['name'], readonly (keyof RunOptions)[]>>> = {
  random: ['seed'],
  'random-uniform': ['seed'],
  pct: ['seed', 'depth', 'horizon', 'maxSteps'],
  pos: ['seed'],
  surw: ['seed', 'maxSteps'],
  starve: ['seed'],
};

/** The chooser that the options ask for, and the schedule that is part of the run's identity. */
function chooserOf(options: RunOptions, io: Io): { readonly spec: SessionChooser; readonly schedule: string } {
  const { chooser, seed = 0, schedule, depth, horizon, maxSteps: stepsMax } = options;
  if (schedule === undefined) {
    if (chooser === 'replay') throw usageError('the chooser replay needs --schedule');
    if (chooser === 'random' || chooser === 'random-uniform') return { spec: { name: chooser, seed }, schedule: '' };
    if (chooser === undefined || chooser === 'fifo') return { spec: { name: 'fifo' }, schedule: '' };
    // A number that is not measured must be given, and what is given is part of the run's identity.
    const asked = Object.entries({ depth, horizon, stepsMax }).flatMap(([key, value]) => (value === undefined ? [] : [`${key} ${value}`]));
    return { spec: { name: chooser, seed, depth, horizon, stepsMax }, schedule: asked.join(' ') };
  }
  if (chooser !== undefined && chooser !== 'replay') throw usageError(`--schedule is for the chooser replay, not for ${chooser}`);
  const { choices, match, text } = scheduleOf(schedule, io);
  return { spec: { name: 'replay', choices, match, after: { name: 'fifo' } }, schedule: text };
}

/** Runs a resolved scenario. */
export async function recordRun(scenario: ResolvedScenario, options: RunOptions, io: Io): Promise<Recorded> {
  const { spec, schedule } = chooserOf(options, io);
  const { output, mode = 'buffered', engine = 'live' } = options;
  const recording = new Recording({ output, mode, io });
  const { run, start } = openSession({ scenario, engine, chooser: spec, schedule, sink: recording.sink });
  recording.begin(start);
  return recording.carry(run);
}

export function printHeadline(printer: Printer, scenario: ResolvedScenario): void {
  const { summary, host, params } = scenario;
  printer.line(styled('bold', titleOf(scenario)), `: ${summary}`);
  const set = Object.entries(params).map(([key, value]) => `${key}=${String(value)}`);
  printer.line(
    styled(
      'dim',
      `  ${counted(host.cpus, 'CPU')}, preemption ${host.preemption}, kernel ${host.kernel}${set.length > 0 ? `, ${set.join(', ')}` : ''}`,
    ),
  );
}

export const marksOf = ({ end }: Recorded): ReadonlyMap<number, string> =>
  new Map(end.violation ? [[end.violation.step, `breaks ${end.violation.property}`]] : []);

function printExpectation(printer: Printer, variant: string, expect: ResolvedScenario['expect'], isMet: boolean): void {
  if (expect === null) return;
  const wanted = expect === 'clean' ? 'clean' : `one of ${expect.violates.join(', ')}`;
  printer.line(`  expected of ${variant}: ${wanted}; `, styled(isMet ? 'green' : 'yellow', isMet ? 'met' : 'not met by this run'));
}

async function run({ io, out, err, json, args, options: given }: Call): Promise<number> {
  const options = given as RunOptions;
  const [reference] = args as [string];
  const { scenario } = loadReference(reference, io);
  if (options.output !== undefined) checkOutput(options.output, io, { json });
  const ready = resolved(scenario, options);
  const { expect, variant } = ready;
  if (options.expect && expect === null)
    throw usageError(`${ready.name} expects nothing of variant ${variant}`, { attempt: 'the same without --expect' });
  const { chooser = 'fifo' } = options;
  for (const name of ['depth', 'horizon', 'maxSteps'] as const) {
    if (options[name] !== undefined && !LOOKS_AT[chooser]?.includes(name))
      throw usageError(`--${name === 'maxSteps' ? 'max-steps' : name} is not for the chooser ${chooser}`, { attempt: '--chooser pct' });
  }
  if (options.seed !== undefined && LOOKS_AT[chooser] === undefined) err.line(`note: the chooser ${chooser} does not look at --seed`);
  const recorded = await recordRun(ready, options, io);
  try {
    const isMet = expect !== null && meets(recorded.end, expect);
    const code = options.expect && isWhole(recorded.end.ended) ? (isMet ? EXIT.ok : EXIT.broken) : exitOf(recorded.end);
    if (json) {
      out.json({ ...runDocument(recorded), ...(options.expect && { expected: isMet }) });
      return code;
    }
    const printer = options.output === '-' ? err : out;
    printHeadline(printer, ready);
    printer.line();
    printStory(printer, recorded.journal, { verbose: options.verbose === true, marks: marksOf(recorded) });
    printer.line();
    printVerdict(printer, recorded);
    printExpectation(printer, variant, expect, isMet);
    printJournal(printer, recorded, runWords(reference, recorded, options));
    return code;
  } finally {
    recorded.close();
  }
}

export const COMMAND: Command = {
  operands: '<scenario>',
  details: [
    'SCENARIO is a shipped name, a path (with a / or the ending .yaml), or - for standard input.',
    'A schedule is a list of indices, 0.1.0 or 2.0*77, or @FILE with such a line, with what `run --json` printed, or with choices as JSON lines or array {"index", "count", "label"}. Choices with labels must fit; indices only need to exist. When the schedule is used up, fifo goes on.',
    'Exit code 1 says that a property broke, expected or not; with --expect, that the run is not what the scenario expects of the variant: clean, or one of the violations it lists. 4: interrupted, or the bound of steps was hit; the journal is kept.',
  ],
  options: [
    ...SCENARIO_OPTIONS,
    {
      flags: '--chooser <name>',
      description: 'who decides (default: fifo, or replay with --schedule)',
      choices: ['fifo', 'random', 'random-uniform', 'replay', 'pct', 'pos', 'surw', 'starve'],
    },
    { flags: '--seed <n>', description: 'seed of a chooser that draws (default: 0)', parse: integer(0) },
    ...PCT_OPTIONS,
    { flags: '--max-steps <n>', description: 'pct, surw: as in the sample that is drawn again', parse: integer(1) },
    { flags: '--schedule <s>', description: 'choices to repeat: 0.1.0, or @file' },
    { flags: '--expect', description: 'exit 0 if and only if the run is as the scenario expects' },
    { flags: '-o, --output <file>', description: 'the journal (default: ./worldswitch-runs/<run id>.wsj); - for standard output' },
    {
      flags: '--engine <name>',
      description: 'live actors, or memoized (default: live); the journals are equal',
      choices: ['live', 'memo'],
    },
    { flags: '--mode <name>', description: 'how the journal is written (default: buffered)', choices: ['buffered', 'sync', 'memory'] },
    { flags: '-v, --verbose', description: 'show every step' },
  ],
  examples: [
    ['run rmp-host-write-race', 'in order: every CPU runs until it blocks'],
    ['run rmp-host-write-race --chooser random --seed 7', 'another interleaving, the same each time'],
    ['run rmp-host-write-race --chooser pct --depth 3 --seed 4', 'random priorities: long stretches, few changes'],
    ['run rmp-churn --set rounds=100 --engine memo --json', 'for programs'],
    ['run ./mine.yaml --variant fixed --expect', 'exit code says whether it is as expected'],
  ],
  run,
};
