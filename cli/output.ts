/**
 * Text for people and JSON for programs. No text from a file may control a terminal: what does not
 * print is escaped here.
 */
import { styleText } from 'node:util';
import type { Io, Sink } from './io.ts';
import { commandLines, linesOf, type Range } from './layout.ts';
import { modelWords } from './model-files.ts';

export type Style = 'bold' | 'cyan' | 'dim' | 'green' | 'red' | 'yellow';

/** Text with a style; the text itself is data like any other. */
export interface Styled {
  readonly style: Style;
  readonly text: string;
  /** Never cut, also where a row is. */
  readonly isWhole?: true;
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

/** How far the lines that a line is broken into are indented. */
const HANG = 4;

export class Printer {
  readonly sink: Sink;
  readonly #colours: boolean;

  constructor(sink: Sink, colours: boolean) {
    this.sink = sink;
    this.#colours = colours;
  }

  /** Columns that no line may exceed; without one, lines are as long as they are. */
  get limit(): number {
    return this.sink.limit ?? Number.POSITIVE_INFINITY;
  }

  /** Prints one line, broken where it does not fit; a line break in a part is escaped. */
  line(...parts: readonly Part[]): void {
    if (this.sink.limit === null) {
      this.#write(parts);
      return;
    }
    const text = parts.map((part) => visible(textOf(part))).join('');
    if (text.length <= this.limit) this.#write(parts);
    else {
      const hang = Math.min(text.search(/[^ ]|$/) + HANG, Math.floor(this.limit / 2));
      linesOf(text, this.limit, this.limit - hang).forEach((range, i) => {
        this.#write([' '.repeat(i === 0 ? 0 : hang), ...between(parts, range)]);
      });
    }
  }

  /** Prints a command to copy behind a few words: a shell reads it, however it is broken. */
  command(before: readonly Part[], command: string): void {
    const at = before.reduce((columns, part) => columns + width(part), 0);
    const lines = commandLines(visible(command), at, this.limit);
    lines.forEach((line, i) => {
      this.#write([...(i === 0 ? before : []), line]);
    });
  }

  /** Text of several lines that are kept: a file, or text that was laid out before. */
  lines(text: string): void {
    for (const line of text.replace(/\n$/, '').split('\n')) this.#write([line]);
  }

  /** The same, broken where a line does not fit. */
  brokenLines(text: string): void {
    for (const line of text.replace(/\n$/, '').split('\n')) this.line(line);
  }

  /** The one JSON document of a command. */
  json(value: unknown): void {
    this.sink.write(`${safeJson(value)}\n`);
  }

  #write(parts: readonly Part[]): void {
    this.sink.write(`${parts.map((part) => this.#drawn(part)).join('')}\n`);
  }

  #drawn(part: Part): string {
    const text = visible(textOf(part));
    if (typeof part === 'string' || !this.#colours || text === '') return text;
    return styleText(part.style, text, { validateStream: false });
  }
}

/** The columns that a text takes, once everything that does not print is escaped. */
const width = (part: Part): number => visible(textOf(part)).length;

const restyled = (part: Part, text: string): Part => (typeof part === 'string' ? text : { ...part, text });

/** What of the parts stands between two places of their text. */
function between(parts: readonly Part[], [from, to]: Range): Part[] {
  let at = 0;
  return parts.map((part) => {
    const text = visible(textOf(part));
    const begin = at;
    at += text.length;
    return restyled(part, text.slice(Math.max(0, from - begin), Math.max(0, to - begin)));
  });
}

/** The part cut to so many columns, unless next to nothing would be left of it. */
function clipped(part: Part, columns: number): Part {
  const isKept = typeof part !== 'string' && part.isWhole;
  if (width(part) <= columns || columns < CLIPPED_MIN || isKept) return part;
  return restyled(part, `${visible(textOf(part)).slice(0, columns - 1)}…`);
}

const CLIPPED_MIN = 16;
/** The last cell of a row is broken beside the others where it has so much room. */
const BESIDE_MIN = 32;

/**
 * Rows in columns. A row that does not fit is broken between cells; with `isCut`, its last cell is
 * cut instead.
 */
export function table(printer: Printer, rows: readonly (readonly Part[])[], indent = '  ', isCut = false): void {
  const columns = Math.max(0, ...rows.map((row) => row.length));
  const widths = Array.from({ length: columns }, (_, i) => Math.max(0, ...rows.map((row) => width(row[i] ?? ''))));
  for (const row of rows) {
    const cells = row.slice(0, row.findLastIndex((part) => textOf(part) !== '') + 1);
    for (const line of rowLines(cells, widths, { indent: indent.length, limit: printer.limit, isCut })) printer.line(...line);
  }
}

interface RowLayout {
  readonly indent: number;
  readonly limit: number;
  readonly isCut: boolean;
}

/** The columns that a table takes of which no row is broken. */
export const tableWidth = (rows: readonly (readonly Part[])[]): number =>
  rows
    .reduce<number[]>((widths, row) => row.map((cell, i) => Math.max(widths[i] ?? 0, width(cell))), [])
    .reduce((sum, columns) => sum + columns + 2, -2);

/** The lines of one row. */
function rowLines(cells: readonly Part[], widths: readonly number[], { indent, limit, isCut }: RowLayout): Part[][] {
  const hang = indent + HANG;
  const lines: Part[][] = [];
  let line: Part[] = [' '.repeat(indent)];
  let at = indent;
  /** Between the cell before and this one; nothing, where this one begins a line. */
  let gap = 0;
  const next = (column: number): void => {
    lines.push(line);
    line = [' '.repeat(column)];
    at = column;
    gap = 0;
  };
  cells.forEach((whole, i) => {
    const isLast = i === cells.length - 1;
    const cell = isLast && isCut ? clipped(whole, limit - at - gap) : whole;
    const columns = width(cell);
    if (columns === 0) {
      gap += widths[i]! + 2;
      return;
    }
    // The last cell of a row has no other below it that it would have to stand in line with.
    if (isLast && columns > limit - at - gap && columns <= limit - at - 2) gap = Math.min(gap, 2);
    if (columns > limit - at - gap && at > hang && (!isLast || limit - at - gap < BESIDE_MIN)) next(hang);
    line.push(' '.repeat(gap));
    at += gap;
    const ranges = columns > limit - at ? linesOf(visible(textOf(cell)), limit - at) : null;
    if (ranges) {
      const column = at;
      ranges.forEach((range, n) => {
        if (n > 0) next(column);
        line.push(...between([cell], range));
      });
      at = column + columns;
      gap = 0;
    } else {
      line.push(cell);
      at += columns;
      gap = widths[i]! + 2 - columns;
    }
  });
  return [...lines, line];
}

const PLAIN_WORD = /^[\w@%+=:,./-]+$/;

/** A word as a POSIX shell takes it. */
export const quoted = (word: string): string => (PLAIN_WORD.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`);

/** One line of progress on a terminal, in place of the one before; '' takes it away. */
export function showProgress(sink: Sink, text: string): void {
  if (sink.isTerminal) sink.write(`\r\x1b[K${visible(text).slice(0, sink.columns - 1)}`);
}

/** A command to copy. */
export const commandText = (words: readonly string[]): string => ['worldswitch', ...words, ...modelWords()].map(quoted).join(' ');
