/**
 * A schedule as the command line takes it: dotted indices, or a file with indices or whole choices.
 */
import type { Choice } from '../events/journal.ts';
import { dotted, indicesIn, ScheduleTextError, STEPS_MAX } from '../replay/schedule-text.ts';
import { parseJson } from '../sim/json-text.ts';
import { readText } from './catalog.ts';
import { CliError, EXIT } from './errors.ts';
import type { Io } from './io.ts';

/** What a schedule may hold per step. */
export type ScheduledChoice = Pick<Choice, 'index'> & Partial<Choice>;

export interface Schedule {
  readonly choices: readonly ScheduledChoice[];
  /** Dotted indices: what the run's identity is made of. */
  readonly text: string;
  /** Choices with labels must fit as a whole, indices alone only by their place. */
  readonly match: 'strict' | 'index';
}

const SCHEDULE_BYTES_MAX = 1 << 26;
/** The most values of a schedule as JSON. */
const VALUES_MAX = 1 << 22;
const EXPECTED = 'indices as 0.1.0 or 2.0*77; or a file with such a line, or with {"index", "count", "label"} as JSON lines or array';

const wrong = (message: string): CliError => new CliError({ code: 'schedule_invalid', exit: EXIT.usage, message, expected: EXPECTED });

/** How often a character stands in the text, or one more than a schedule may have. */
function countOf(char: string, text: string): number {
  let count = 0;
  for (let at = text.indexOf(char); at >= 0 && count <= STEPS_MAX; at = text.indexOf(char, at + 1)) count++;
  return count;
}

function checkCount(count: number, where: string): void {
  if (count > STEPS_MAX) throw wrong(`${where}: it has more than ${STEPS_MAX} steps`);
}

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function indicesOf(text: string, where: string): ScheduledChoice[] {
  try {
    // One object for all equal indices: a row may have millions.
    const known = new Map<number, ScheduledChoice>();
    return indicesIn(text).map((index) => {
      const choice = known.get(index) ?? { index };
      known.set(index, choice);
      return choice;
    });
  } catch (error) {
    throw error instanceof ScheduleTextError ? wrong(`${where}: ${error.message}`) : error;
  }
}

function choiceOf(value: unknown, where: string, step: number): ScheduledChoice {
  if (isIndex(value)) return { index: value };
  const { index, count, label } = (value ?? {}) as { readonly index?: unknown; readonly count?: unknown; readonly label?: unknown };
  const isWhole = isIndex(index) && isIndex(count) && typeof label === 'string';
  if (isWhole) return { index, count, label };
  if (isIndex(index) && count === undefined && label === undefined) return { index };
  throw wrong(`${where}: step ${step} is ${JSON.stringify(value)?.slice(0, 80)}, which is no choice`);
}

function parsed(text: string, where: string): unknown {
  try {
    return parseJson(text, VALUES_MAX);
  } catch (error) {
    throw wrong(`${where}: ${(error as Error).message}`);
  }
}

function fileChoices(text: string, where: string): ScheduledChoice[] {
  const trimmed = text.trim();
  if (trimmed.startsWith('[')) {
    const values = parsed(trimmed, where) as unknown[];
    checkCount(values.length, where);
    return values.map((value, i) => choiceOf(value, where, i + 1));
  }
  if (!trimmed.startsWith('{')) return indicesOf(trimmed.replace(/\s+/g, ''), where);
  const whole = wholeDocument(trimmed);
  if (whole !== null) return indicesOf(whole, where);
  checkCount(countOf('\n', trimmed), where);
  return trimmed
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line, i) => choiceOf(parsed(line, `${where}:${i + 1}`), where, i + 1));
}

/** The schedule in what `run --json` prints; null if the text is no such document. */
function wholeDocument(text: string): string | null {
  try {
    const { schedule } = parseJson(text, VALUES_MAX) as { readonly schedule?: unknown };
    return typeof schedule === 'string' ? schedule : null;
  } catch {
    return null;
  }
}

function textIn(file: string, io: Io): string {
  const { text } = readText(file, io, SCHEDULE_BYTES_MAX);
  if (text.length > SCHEDULE_BYTES_MAX) throw wrong(`${file}: it has more than ${SCHEDULE_BYTES_MAX} bytes`);
  return text;
}

/** @throws CliError */
export function scheduleOf(argument: string, io: Io): Schedule {
  const choices = argument.startsWith('@')
    ? fileChoices(textIn(argument.slice(1), io), argument.slice(1))
    : indicesOf(argument, '--schedule');
  const hasLabels = choices.length > 0 && choices.every(({ label }) => label !== undefined);
  return { choices, text: dotted(choices), match: hasLabels ? 'strict' : 'index' };
}
