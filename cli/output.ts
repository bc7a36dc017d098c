/**
 * Text for people and JSON for programs. No text from a file may control a terminal: what does not
 * print is escaped here.
 */
import { styleText } from 'node:util';
import type { Io, Sink } from './io.ts';
import { modelWords } from './model-files.ts';

export type Style = 'bold' | 'cyan' | 'dim' | 'green' | 'red' | 'yellow';

/** Text with a style; the text itself is data like any other. */
export interface Styled {
  readonly style: Style;
  readonly text: string;
}
export type Part = string | Styled;

export const styled = (style: Style, text: string): Styled => ({ style, text });
const textOf = (part: Part): string => (typeof part === 'string' ? part : part.text);

/**
 * Controls (C0, DEL, C1), formats that do not print (bidi, zero width), line and paragraph
 * separators, half surrogate pairs.
 */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

function escaped(char: string): string {
  const code = char.codePointAt(0)!;
  return code <= 0xff ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u{${code.toString(16)}}`;
}

/** The text with everything escaped that does not print. */
export const visible = (text: string): string => text.replace(UNPRINTABLE, escaped);

/**
 * Escapes in JSON what `JSON.stringify` leaves as it is: the text means the same and cannot control
 * a terminal.
 */
function safeJson(value: unknown): string {
  const unit = (char: string): string => {
    let units = '';
    for (let i = 0; i < char.length; i++) units += `\\u${char.charCodeAt(i).toString(16).padStart(4, '0')}`;
    return units;
  };
  return JSON.stringify(value, null, 2).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, (char) => (char === '\n' ? char : unit(char)));
}

/** FORCE_COLOR decides, then NO_COLOR, then whether the output is a terminal. */
export function hasColours(sink: Pick<Sink, 'isTerminal'>, env: Io['env']): boolean {
  const { FORCE_COLOR: force, NO_COLOR: no, TERM: terminal } = env;
  if (force !== undefined) return force !== '0' && force !== 'false';
  return (no === undefined || no === '') && terminal !== 'dumb' && sink.isTerminal;
}

export class Printer {
  readonly sink: Sink;
  readonly #colours: boolean;

  constructor(sink: Sink, colours: boolean) {
    this.sink = sink;
    this.#colours = colours;
  }

  /** Prints one line; a line break in a part is escaped. */
  line(...parts: readonly Part[]): void {
    this.sink.write(`${parts.map((part) => this.#drawn(part)).join('')}\n`);
  }

  /** Text of several lines. */
  lines(text: string): void {
    for (const line of text.replace(/\n$/, '').split('\n')) this.line(line);
  }

  /** The one JSON document of a command. */
  json(value: unknown): void {
    this.sink.write(`${safeJson(value)}\n`);
  }

  #drawn(part: Part): string {
    const text = visible(textOf(part));
    if (typeof part === 'string' || !this.#colours || text === '') return text;
    return styleText(part.style, text, { validateStream: false });
  }
}

/** The columns that a text takes, once everything that does not print is escaped. */
const width = (part: Part): number => visible(textOf(part)).length;

/** The part cut to so many columns, unless next to nothing would be left of it. */
function clipped(part: Part, columns: number): Part {
  if (width(part) <= columns || columns < CLIPPED_MIN) return part;
  const text = `${visible(textOf(part)).slice(0, columns - 1)}…`;
  return typeof part === 'string' ? text : { ...part, text };
}

const CLIPPED_MIN = 16;

/**
 * Rows in columns; the last column is as wide as it is, or cut so that no row is wider than `clip`.
 */
export function table(printer: Printer, rows: readonly (readonly Part[])[], indent = '  ', clip?: number): void {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(0, ...rows.map((row) => width(row[i] ?? ''))));
  for (const row of rows) {
    const parts: Part[] = [indent];
    const last = row.findLastIndex((part) => textOf(part) !== '');
    let used = indent.length;
    row.slice(0, last + 1).forEach((part, i) => {
      if (i === last) parts.push(clip === undefined ? part : clipped(part, clip - used));
      else parts.push(part, ' '.repeat(widths[i]! - width(part) + 2));
      used += widths[i]! + 2;
    });
    printer.line(...parts);
  }
}

const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

/** A word as a POSIX shell takes it. */
export const quoted = (word: string): string => (PLAIN_WORD.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** A command to copy. */
export const commandText = (words: readonly string[]): string => ['worldswitch', ...words, ...modelWords()].map(quoted).join(' ');
