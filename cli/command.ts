/** What a command is: its words, its options with their checks, examples, and what it does. */
import { InvalidArgumentError } from 'commander';
import type { Io } from './io.ts';
import type { Printer } from './output.ts';

export interface OptionSpec {
  readonly flags: string;
  readonly description: string;
  readonly choices?: readonly string[];
  /** The command does not go without it, and says so itself. */
  readonly isRequired?: true;
  /** Text to value; `previous` is what the same option gave before. Throws InvalidArgumentError. */
  readonly parse?: (text: string, previous: unknown) => unknown;
  /** May be given more than once; else a second value would silently be the one that counts. */
  readonly repeats?: true;
}

/** A command as it was called. */
export interface Call {
  readonly io: Io;
  /** Data: what the command was asked for. */
  readonly out: Printer;
  /** Notes that are not part of the data. */
  readonly err: Printer;
  /** One JSON document on `out` and nothing else. */
  readonly json: boolean;
  readonly args: readonly string[];
  readonly options: Readonly<Record<string, unknown>>;
}

export interface Command {
  /** Operands as commander takes them: `<file>`, `[name]`, `<files...>`. */
  readonly operands: string;
  /** Paragraphs for `--help`, below the summary. */
  readonly details?: readonly string[];
  readonly options: readonly OptionSpec[];
  /**
   * The command reads nothing that a module of the user's own could change: it takes no `--models`.
   */
  readonly isFixed?: true;
  /** Command lines without the program's name, each with what it does. */
  readonly examples: readonly (readonly [line: string, does: string])[];
  /** Returns the exit code. */
  run(call: Call): number | Promise<number>;
}

/** An integer in decimal. */
export const integer =
  (min: number, max: number = Number.MAX_SAFE_INTEGER) =>
  (text: string): number => {
    const value = Number(text);
    if (/^[0-9]+$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Expected an integer from ${min} to ${max}.`);
  };

/** `NAME=VALUE`, any number of times, and once for a name. */
function assignment(text: string, previous: unknown): Readonly<Record<string, string>> {
  const at = text.indexOf('=');
  if (at < 1) throw new InvalidArgumentError('Expected NAME=VALUE.');
  const name = text.slice(0, at);
  const known = (previous ?? {}) as Readonly<Record<string, string>>;
  if (Object.hasOwn(known, name)) throw new InvalidArgumentError(`Expected ${name} once; it is ${known[name]!} already.`);
  return Object.fromEntries([...Object.entries(known), [name, text.slice(at + 1)]]);
}

/** Parses an option that may be repeated: all its values, in order. */
export const collect = (text: string, previous: unknown): readonly string[] => [
  ...((previous as readonly string[] | undefined) ?? []),
  text,
];

/** On every command that looks at a scenario or a journal. */
export const MODELS_OPTION: OptionSpec = {
  flags: '--models <file>',
  description: 'a module of your own with mechanisms, patches, variants (docs/extend.md); its code runs; may be repeated',
  parse: collect,
  repeats: true,
};

export const JSON_OPTION: OptionSpec = { flags: '--json', description: 'print one JSON document' };

/** Also for commands that take every variant of a scenario. */
export const MUTANT_OPTION: OptionSpec = {
  flags: '--mutant <name>',
  description: 'change one line of the model, to see what notices it; machines lists them',
};

export const SCENARIO_OPTIONS: readonly OptionSpec[] = [
  { flags: '--variant <name>', description: "the scenario's variant (default: its first)" },
  { flags: '--set <name=value>', description: 'set a parameter of the scenario; may be repeated', parse: assignment, repeats: true },
  MUTANT_OPTION,
];

/** A command as the program lists it: the rest is loaded when it is called. */
export interface CommandEntry {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly COMMAND: Command }>;
}
