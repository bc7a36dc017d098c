/**
 * From arguments to an exit code: finds the command, parses, runs it, and turns what went wrong
 * into one message.
 */
import { Command as Commander, CommanderError, Option } from 'commander';
import { type Call, type Command, type CommandEntry, JSON_OPTION, MODELS_OPTION } from './command.ts';
import { COMMANDS } from './commands.ts';
import { blamed, CliError, EXIT, type Failure, failureDocument, failureOf, usageError } from './errors.ts';
import { noteInput } from './inputs.ts';
import type { Io } from './io.ts';
import { commandLines, linesOf } from './layout.ts';
import { placeOf, withPlace } from './module-place.ts';
import { hasColours, Printer, styled } from './output.ts';
import { namedRun } from './runs-folder.ts';
import { VERSION_FLAGS, versionDocument, versionText } from './version.ts';

const INTRODUCTION = `A deterministic simulator of a multi-core virtualization host: run a race, replay it, change one decision in it.

First steps:
  worldswitch demo                       a race from start to end
  worldswitch scenarios                  what can be run
  worldswitch run rmp-host-write-race    one run`;

const EXIT_CODES = `Exit codes: 0 done, nothing broke or differed; 1 a property broke, or a difference was found; 2 usage, unknown name, invalid input, missing file; 3 a journal that is damaged, not one, or too new; 4 interrupted or out of budget; 70 internal error.`;

interface Surroundings {
  readonly io: Io;
  readonly out: Printer;
  readonly err: Printer;
  readonly json: boolean;
}

const PROSE_COLUMNS_MAX = 100;
/** On the narrowest terminal options leave less room beside them than commander would break for. */
const HELP_COLUMNS_MIN = 8;
/** Of examples in a help text. */
const INDENT = 2;

/** A paragraph in lines of at most so many columns. */
const wrapped = (paragraph: string, columns: number): string =>
  linesOf(paragraph, Math.min(columns, PROSE_COLUMNS_MAX))
    .map(([from, to]) => paragraph.slice(from, to))
    .join('\n');

function examplesText({ details = [], examples }: Command, columns: number): string {
  const prose = details.map((paragraph) => `${wrapped(paragraph, columns)}\n\n`).join('');
  const lines = examples.flatMap(([line, does]) => {
    const [first, ...rest] = commandLines(`worldswitch ${line}`, INDENT, columns);
    return [`${' '.repeat(INDENT)}# ${does}`, `${' '.repeat(INDENT)}${first}`, ...rest];
  });
  return `\n${prose}Examples:\n${lines.join('\n')}`;
}

/** Of two values of one option the last would count, without a word of the first. */
function refuseSecond(commander: Commander, option: Option): void {
  let first: string | null = null;
  commander.on(`option:${option.name()}`, (value: string | null) => {
    if (value === null) return;
    if (first !== null) throw usageError(`${option.long} is given twice, as ${first} and as ${value}; expected it once`);
    first = value;
  });
}

/** Puts options, operands and examples of a command on commander's. */
function describe(
  commander: Commander,
  command: Command,
  columns: number,
  run: (args: string[], options: Record<string, unknown>) => Promise<void>,
): void {
  if (command.operands !== '') commander.arguments(command.operands);
  for (const { flags, description, choices, parse, repeats } of [
    ...command.options,
    ...(command.isFixed ? [] : [MODELS_OPTION]),
    JSON_OPTION,
  ]) {
    const option = new Option(flags, description);
    if (choices) option.choices(choices);
    if (parse) option.argParser(parse);
    commander.addOption(option);
    if (!repeats) refuseSecond(commander, option);
  }
  const required = command.options.filter(({ isRequired }) => isRequired).map(({ flags }) => flags);
  if (required.length > 0) commander.usage(['[options]', ...required, command.operands].join(' '));
  commander.addHelpText('after', examplesText(command, columns));
  commander.action(async (...given: unknown[]) => {
    // Commander gives the operands, the options, and itself.
    const operands = given
      .slice(0, -2)
      .flat()
      .filter((operand) => operand !== undefined) as string[];
    await run(operands, given.at(-2) as Record<string, unknown>);
  });
}

function emptyProgram({ io, out, err }: Surroundings): Commander {
  const program = new Commander('worldswitch');
  program
    .description(INTRODUCTION)
    .helpCommand(false)
    .option('-V, --version', 'print the version')
    .addHelpText('after', `\n${wrapped(EXIT_CODES, io.out.columns)}\n\nworldswitch COMMAND --help shows options and examples of a command.`)
    .configureHelp({ showGlobalOptions: false, minWidthToWrap: HELP_COLUMNS_MIN })
    .configureOutput({
      // What commander does not break itself, such as a line of usage, has to fit as well.
      writeOut: (text) => out.brokenLines(text),
      writeErr: (text) => err.brokenLines(text),
      outputError: () => {},
      getOutHelpWidth: () => io.out.columns,
      getErrHelpWidth: () => io.err.columns,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .exitOverride();
  return program;
}

/** The command that the arguments name: the first that is no option. */
const namedIn = (argv: readonly string[]): CommandEntry | undefined => {
  const name = argv.find((word) => !word.startsWith('-'));
  return COMMANDS.find((command) => command.name === name);
};

async function withoutModels(run: () => number | Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'ScenarioError') throw error;
    const { hinted } = await import('./lacks-models.ts');
    throw hinted(error);
  }
}

/**
 * Runs a command while mechanisms of the user's own are registered: before anything is read, and no
 * longer than it takes.
 */
async function withModels(files: readonly string[], io: Io, run: () => number | Promise<number>): Promise<number> {
  if (files.length === 0) return withoutModels(run);
  for (const file of files) noteInput(file, io);
  const { loadModels } = await import('./models.ts');
  const unload = await loadModels(files.map((file) => ({ file, cwd: io.cwd })));
  try {
    return await run();
  } catch (error) {
    const failure = failureOf(error);
    const told = failure.exit === EXIT.internal ? blamed(failure, files) : failure;
    throw new CliError({ ...told, message: withPlace(told.message, placeOf(error, io.cwd)) }, { cause: error });
  } finally {
    unload();
  }
}

async function dispatch(argv: readonly string[], around: Surroundings): Promise<number> {
  const { out, err, json } = around;
  if (VERSION_FLAGS.includes(argv[0] ?? '')) {
    if (json) out.json(versionDocument());
    else out.line(versionText());
    return EXIT.ok;
  }
  const [first, second] = argv;
  const asked = first === 'help' ? [...(second === undefined ? [] : [second]), '--help'] : argv;
  const named = namedIn(asked);
  const word = asked.find((candidate) => !candidate.startsWith('-'));
  // There is no help on a command that does not exist, so the error comes first.
  const words = word !== undefined && !named ? [word] : asked;
  const program = emptyProgram(around);
  let code: number = EXIT.ok;
  for (const entry of COMMANDS) {
    const commander = program.command(entry.name).description(`${entry.summary[0]!.toUpperCase()}${entry.summary.slice(1)}.`);
    commander.summary(entry.summary);
    if (entry !== named) continue;
    const { COMMAND } = await entry.load();
    describe(commander, COMMAND, around.io.out.columns, async (args, { models = [], ...options }) => {
      const operands = COMMAND.operands.includes('journal') ? args.map((operand) => namedRun(operand, around.io)) : args;
      code = await withModels(models as readonly string[], around.io, () =>
        COMMAND.run({ ...around, args: operands, options } satisfies Call),
      );
    });
  }
  if (words.length === 0) {
    err.lines(program.helpInformation());
    return EXIT.usage;
  }
  await program.parseAsync(words, { from: 'user' });
  return code;
}

function report(failure: Failure, error: unknown, argv: readonly string[], { io, out, err, json }: Surroundings): number {
  if (json) out.json(failureDocument(failure));
  const [headline, ...rest] = failure.message.split('\n');
  err.line(styled('red', 'worldswitch: '), headline!);
  for (const line of rest) err.line(line);
  if (failure.expected !== undefined) err.line('  expected: ', failure.expected);
  const named = namedIn(argv);
  const help = failure.code === 'usage' ? `worldswitch ${named ? `${named.name} ` : ''}--help` : undefined;
  const attempt = failure.attempt ?? help;
  if (attempt !== undefined) err.line('  try: ', attempt);
  if (io.env.WORLDSWITCH_DEBUG) for (let one = error; one instanceof Error; one = one.cause) err.lines(one.stack ?? '');
  return failure.exit;
}

/** Commander throws for help, too. */
function unlessHelp(error: unknown): number {
  const isHelp = error instanceof CommanderError && ['commander.helpDisplayed', 'commander.help'].includes(error.code);
  if (isHelp && error.exitCode === 0) return EXIT.ok;
  throw error;
}

/**
 * Runs one command line.
 * @returns the exit code; nothing is thrown
 */
export async function runCli(argv: readonly string[], io: Io): Promise<number> {
  const end = argv.indexOf('--');
  const json = (end < 0 ? argv : argv.slice(0, end)).includes('--json');
  const printer = (sink: Io['out']): Printer => new Printer(sink, hasColours(sink, io.env));
  const around: Surroundings = { io, out: printer(io.out), err: printer(io.err), json };
  let code: number;
  try {
    code = await dispatch(argv, around).catch(unlessHelp);
    io.out.flush();
  } catch (error) {
    code = report(failureOf(error), error, argv, around);
  }
  try {
    io.out.flush();
  } catch {
    // The document of a failure finds no room: the failure is told on standard error all the same.
  }
  io.err.flush();
  return code;
}
