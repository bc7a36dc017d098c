/** Where text breaks that has to fit a terminal. */

/** A part of a text, from one place to another. */
export type Range = readonly [from: number, to: number];

/** Behind these a word may break that is longer than a line: between values, else inside one. */
const SOFT = [',;|>', ',;|>:./)'];

/**
 * The lines of a text: the first of at most `first` columns, the others of `rest`. A line breaks
 * between words; a word breaks where it is longer than a line.
 */
export function linesOf(text: string, first: number, rest = first): readonly Range[] {
  const lines: Range[] = [];
  let from = 0;
  for (let columns = first; text.length - from > columns; columns = rest) {
    const to = breakAfter(text, from, columns);
    lines.push([from, to]);
    from = to;
    while (text[from] === ' ') from++;
  }
  return [...lines, [from, text.length]];
}

function breakAfter(text: string, from: number, columns: number): number {
  let begin = from;
  while (text[begin] === ' ') begin++;
  let space = text.lastIndexOf(' ', from + columns);
  while (text[space - 1] === ' ') space--;
  if (space > begin) return space;
  const end = from + columns;
  // A short line is worth less than a whole value.
  for (const soft of SOFT) for (let to = end; to > begin + columns / 3; to--) if (soft.includes(text[to - 1]!)) return to;
  return end;
}

/** The least of a long word that is begun on a line: a character, its quotes, and the backslash. */
const PIECE_MIN = 8;

const WORD = /(?:'[^']*'|\\.|[^ '\\])+/g;

/**
 * A command in lines that a shell puts together again: a line breaks by a backslash, between words,
 * or inside a word that is longer than a line. The first line begins at column `at`.
 */
export function commandLines(command: string, at: number, columns: number): readonly string[] {
  const indent = Math.min(at + 2, Math.floor(columns / 2));
  const lines: string[] = [];
  let line = '';
  let left = columns - at;
  const next = (begin: string): void => {
    lines.push(line);
    line = begin;
    left = columns;
  };
  (command.match(WORD) ?? []).forEach((word, i) => {
    const isQuoted = /^'[^']*'$/.test(word);
    const isLong = (isQuoted || !word.includes("'")) && word.length > columns - indent - 2;
    const hasRoom = isLong ? left - line.length >= PIECE_MIN : line.length + 1 + word.length + 2 <= left;
    if (i > 0 && !hasRoom) {
      line += ' \\';
      next(' '.repeat(indent));
    } else if (i > 0) line += ' ';
    // A quoted word is closed at the end of a line, and opened again.
    const quote = isQuoted ? "'" : '';
    let rest = isQuoted ? word.slice(1, -1) : word;
    while (isLong && line.length + rest.length + 4 > left) {
      const room = Math.max(1, left - line.length - 3);
      line += `${quote}${rest.slice(0, room)}${quote}\\`;
      rest = rest.slice(room);
      // A space in front would end the word.
      next('');
    }
    line += `${quote}${rest}${quote}`;
  });
  return [...lines, line];
}
