/** `inject`: one choice of a recorded run replaced, and what follows from it. */
import { changedBy, type Fork, type InjectAction, type InjectOptions, inject } from '../replay/inject.ts';
import type { Journal } from '../replay/reader.ts';
import type { WriterMode } from '../replay/writer.ts';
import { type Call, type Command, integer, type OptionSpec } from './command.ts';
import { CliError, EXIT, usageError } from './errors.ts';
import type { Io } from './io.ts';
import { noteForeign, withJournal } from './journal-file.ts';
import { commandText, type Printer, styled } from './output.ts';
import { type Recorded, Recording } from './recording.ts';
import { exitOf, printJournal, printVerdict, runDocument } from './report.ts';
import { printStory } from './story.ts';
import { checkOutput } from './target.ts';

/** What is injected, as the command line says it. */
export interface InjectFlags {
  readonly at?: string;
  readonly preempt?: string;
  readonly migrate?: string;
  readonly deliver?: string;
  readonly choose?: string;
  readonly disturb?: string;
  readonly then?: 'follow' | 'fifo' | 'random' | 'random-uniform';
  readonly seed?: number;
}

interface Options extends InjectFlags {
  readonly output?: string;
  readonly mode?: WriterMode;
  readonly verbose?: true;
}

const ACTIONS = ['preempt', 'migrate', 'deliver', 'choose', 'disturb'] as const;
const ACTIONS_TEXT = ACTIONS.map((action) => `--${action}`).join(', ');

function actionOf(options: InjectFlags): InjectAction {
  const given = ACTIONS.filter((action) => options[action] !== undefined);
  const [action] = given;
  if (given.length !== 1 || action === undefined) {
    throw usageError(`${given.length === 0 ? 'nothing to inject' : `${given.length} things to inject`}; expected one of ${ACTIONS_TEXT}`);
  }
  const operand = options[action]!;
  if (action !== 'migrate') return { [action]: operand } as unknown as InjectAction;
  const [, thread, cpu] = /^(.+)=(pcpu:\d+)$/.exec(operand) ?? [];
  if (thread === undefined || cpu === undefined)
    throw usageError(`found --migrate ${operand}; expected THREAD=CPU, as thread:netd/0=pcpu:1`);
  return { migrate: { thread, cpu } };
}

function afterOf({ then = 'follow', seed }: InjectFlags): InjectOptions['after'] {
  const draws = then === 'random' || then === 'random-uniform';
  if (seed !== undefined && !draws) throw usageError(`--seed is for --then random, not for --then ${then}`);
  return draws ? { name: then, seed: seed ?? 0 } : { name: then };
}

/** The flags that say what is injected, and where. */
export const INJECT_FLAGS = ['at', ...ACTIONS, 'then'] as const;

/** @throws CliError where a point or an action is missing, or more than one is given */
export function injectionOf(file: string, options: InjectFlags): InjectOptions {
  const action = actionOf(options);
  const { at } = options;
  if (at === undefined)
    throw usageError('where to inject is missing; expected --at POINT', { attempt: commandText(['show', file, '--points']) });
  return { at, action, after: afterOf(options) };
}

export interface Injected {
  readonly recorded: Recorded;
  readonly fork: Fork;
  readonly changed: ReturnType<typeof changedBy>;
  readonly leftAt: number | null;
}

/**
 * Forks a journal.
 * @throws PointError, InjectError; CliError if the recorded choices do not fit this model
 */
export async function recordInjection(
  journal: Journal,
  options: InjectOptions,
  to: Pick<Options, 'output' | 'mode'>,
  io: Io,
): Promise<Injected> {
  const recording = new Recording({ output: to.output, mode: to.mode ?? 'buffered', io });
  const injection = forked(journal, options, recording);
  const recorded = await recording.carry(injection.run);
  return { recorded, fork: injection.fork, changed: changedBy(journal, recorded.journal), leftAt: injection.leftAt() };
}

function forked(journal: Journal, options: InjectOptions, recording: Recording): ReturnType<typeof inject> {
  try {
    return inject(journal, options, (start) => recording.begin(start));
  } catch (error) {
    recording.discard();
    if (!(error instanceof Error && error.name === 'ScheduleError')) throw error;
    throw new CliError({
      code: 'diverged',
      exit: EXIT.broken,
      message: `the recorded choices before the fork no longer fit: ${error.message}`,
      attempt: 'worldswitch replay FILE says why',
    });
  }
}

export const injectDocument = ({ recorded, fork, changed, leftAt }: Injected) => ({ ...runDocument(recorded), fork, changed, leftAt });

const verdictStyle = (verdict: string): 'green' | 'red' | 'yellow' =>
  verdict === 'clean' ? 'green' : verdict.startsWith('violation') ? 'red' : 'yellow';

export function printChanged(printer: Printer, { fork, changed, leftAt }: Injected): void {
  const { firstDifferentStep, verdictBefore, verdictAfter, outcomes } = changed;
  printer.line(styled('bold', 'Changed: '), firstDifferentStep === null ? 'nothing' : `from step ${firstDifferentStep} on`);
  printer.line('  verdict ', styled(verdictStyle(verdictBefore), verdictBefore), ' -> ', styled(verdictStyle(verdictAfter), verdictAfter));
  for (const [name, after] of Object.entries(outcomes.after)) {
    const before = outcomes.before[name];
    if (before !== after) printer.line(`  ${name} ${String(before ?? 'unknown')} -> ${String(after)}`);
  }
  if (leftAt !== null && leftAt > fork.at) printer.line(`  the recorded choices were followed up to step ${leftAt - 1}`);
}

function run({ io, out, err, json, args, options: given }: Call): Promise<number> {
  const options = given as Options;
  const [file] = args as [string];
  const injection = injectionOf(file, options);
  return withJournal(file, io, async (journal) => {
    if (options.output !== undefined) checkOutput(options.output, io, { json });
    noteForeign(journal, io);
    const injected = await recordInjection(journal, injection, options, io);
    const { recorded, fork } = injected;
    try {
      if (json) out.json(injectDocument(injected));
      else {
        const printer = options.output === '-' ? err : out;
        const violation = recorded.end.violation;
        const marks = new Map([[fork.at, 'injected'], ...(violation ? [[violation.step, `breaks ${violation.property}`] as const] : [])]);
        printer.line(styled('bold', `Step ${fork.at} of ${file}: ${fork.label}`), ' instead of what was chosen');
        const { microStep } = fork;
        // A name without a hit that happens more than once may have meant another time.
        if (microStep && microStep.hits > 1) {
          const { actor, name, hit, hits } = microStep;
          printer.line(styled('dim', `  time ${hit} of the ${hits} that ${actor} executes ${name}`));
        }
        printer.line();
        printStory(printer, recorded.journal, { verbose: options.verbose === true, marks });
        printer.line();
        printVerdict(printer, recorded);
        printChanged(printer, injected);
        printJournal(printer, recorded, null);
      }
      return exitOf(recorded.end);
    } finally {
      recorded.close();
    }
  });
}

/** What to inject and how to go on, for each command that injects. */
export const INJECT_OPTIONS: readonly OptionSpec[] = [
  { flags: '--at <point>', description: 'where: a step, or actor@micro-step#hit' },
  { flags: '--preempt <cpu>', description: 'the task on this pCPU is preempted' },
  { flags: '--migrate <thread=cpu>', description: 'a queued thread moves to another pCPU' },
  { flags: '--deliver <label>', description: 'a message in flight arrives: its label or its type' },
  { flags: '--choose <label>', description: 'any alternative, by its label' },
  { flags: '--disturb <label>', description: 'an error or a spurious exit, by its label' },
  {
    flags: '--then <how>',
    description: 'what comes after: the recorded choices as long as they fit (default), or a chooser',
    choices: ['follow', 'fifo', 'random', 'random-uniform'],
  },
];

export const COMMAND: Command = {
  operands: '<journal>',
  details: [
    'POINT is a step number, or a micro-step by name: thread:netd/0@emulate_dma_write.store#2 is before its second store, thread:netd/0@emulate_dma_write.store+#2 after it. The choice of that step is replaced; everything before it stays as it was. `worldswitch show FILE --points` lists points and what can be chosen there.',
    'Exit code 1 if a property breaks in the new run.',
  ],
  options: [
    ...INJECT_OPTIONS,
    { flags: '--seed <n>', description: 'seed of --then random (default: 0)', parse: integer(0) },
    { flags: '-o, --output <file>', description: 'the new journal (default: ./worldswitch-runs/<run id>.wsj); - for standard output' },
    { flags: '--mode <name>', description: 'how the journal is written (default: buffered)', choices: ['buffered', 'sync', 'memory'] },
    { flags: '-v, --verbose', description: 'show every step' },
  ],
  examples: [
    ["inject run.wsj --at 'thread:netd/0@emulate_dma_write.store#2' --preempt pcpu:0", 'preempt the daemon before its second store'],
    ['inject run.wsj --at 2 --migrate thread:netd/0=pcpu:1 --then fifo', 'move a queued thread, then go on in order'],
    ["inject run.wsj --at 40 --choose 'exec(pcpu:1)' --json", 'let another CPU go first, for programs'],
  ],
  run,
};
