/** A path as indented pseudo-code: contexts in a column, one line for each item. */
import type { Filling } from '../../actors/path/filled.ts';
import { counted } from '../../sim/counted.ts';
import type { Said } from '../../sim/paths/messages.ts';
import type { CallLine, Line, Outline, StepLine, Taken, WhenLine } from '../../sim/paths/outline.ts';

/** One line: what stands in the columns before the code, and the code. */
export interface CodeRow {
  /** What coverage counts: a step, a call, a case; empty for a line that is not counted. */
  readonly ids: readonly string[];
  readonly letters: string;
  readonly depth: number;
  readonly text: string;
  /** A comment on the line before. */
  readonly isComment?: true;
  /** A step that says what no try has said. */
  readonly isUntried?: true;
}

/** Steps that decide a branch, of which the rest is counted. */
const DECIDING_MAX = 4;

const slotText = (slot: Filling | null): string => (slot === null ? '' : `  [slot ${slot.slot}: ${slot.owner}]`);
const list = (label: string, names: readonly string[]): string[] => (names.length > 0 ? [`${label} ${names.join(', ')}`] : []);
const giving = ({ type, locals }: Taken): string => (locals.length > 0 ? `${type} -> ${locals.join(', ')}` : type);

function saidText({ type, to, delivery, fields, how }: Said, asks: boolean): string {
  const verb = how === 'named' ? 'may send' : asks ? 'asks' : 'sends';
  const values = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`);
  const travels = delivery === 'bus' ? '' : ` (${delivery ?? 'not in the catalogue'})`;
  const whom = to.length === 1 && to[0] === '…' ? '' : ` ${asks && how === 'tried' ? 'of' : 'to'} ${to.join(' or ')}`;
  return `${verb} ${type}${values.join('')}${whom}${travels}`;
}

function stepText({ name, marks, sends, isOpen, answers, wakes, sets, locals, slot }: StepLine): string {
  // A step asks one thing and tells others.
  const asked = answers.length > 0 ? sends.findLast(({ how, delivery }) => how === 'tried' && delivery === 'bus') : undefined;
  const parts = [
    ...(marks.length > 0 ? [marks.join(', ')] : []),
    ...sends.map((said) => saidText(said, said === asked)),
    ...(isOpen ? ['sends what a run decides'] : []),
    ...list('takes', answers.map(giving)),
    ...list('ends on', wakes.map(giving)),
    ...list('sets', sets),
    ...list('locals', locals),
  ];
  return `${name}${parts.length > 0 ? `: ${parts.join('; ')}` : ''}${slotText(slot)}`;
}

const callText = ({ path, binds, slot }: CallLine): string =>
  `call ${path}${binds.length > 0 ? ` with ${binds.join(', ')}` : ''}${slotText(slot)}`;

/** A step of a called path is the last of it that is walked. */
const decidingText = (step: string): string => (step.includes('.') ? `the last step of ${step.split('.')[0]}` : step);

function whenText({ decidedAfter, decidedBefore, slot }: WhenLine): string {
  const all = [...new Set([...decidedAfter.map(decidingText), ...(decidedBefore.length > 0 ? ['the step before this path'] : [])])];
  const steps = all.slice(0, DECIDING_MAX);
  const more = all.length - steps.length;
  const places = more > 0 ? `${steps.join(', ')}, or ${counted(more, 'other place')}` : steps.join(' or ');
  return `when, decided at the end of ${places || 'no step that is reached'}:${slotText(slot)}`;
}

function rowsOf(line: Line, depth: number, withElse: boolean): CodeRow[] {
  const plain = (text: string, ids: readonly string[] = []): CodeRow => ({ ids, letters: '', depth, text });
  const inside = (items: readonly Line[], deeper: number): CodeRow[] => items.flatMap((item) => rowsOf(item, deeper, withElse));
  switch (line.kind) {
    case 'step':
    case 'stop': {
      const text = line.kind === 'stop' ? `stop ${stepText(line)}` : stepText(line);
      const isUntried = line.isOpen || line.sends.some(({ how }) => how === 'named');
      const row = { ...plain(text, line.ids), letters: line.letters.join('/'), ...(isUntried && { isUntried }) };
      const known = [line.source, line.grade === null ? null : `(${line.grade})`].filter((part) => part !== null).join(' ');
      return known === '' ? [row] : [row, { ...plain(`from ${known}`), depth: depth + 2, isComment: true }];
    }
    case 'call':
      return [plain(callText(line), line.ids), ...inside(line.items ?? [], depth + 1)];
    case 'loop':
      return [plain(`loop${slotText(line.slot)}`), ...inside(line.items, depth + 1)];
    case 'note':
      return [plain(`note${line.locals.length > 0 ? `: locals ${line.locals.join(', ')}` : ''}${slotText(line.slot)}`)];
    case 'leaveLoop':
      return [plain('leave the loop')];
    case 'leavePath':
      return [plain('leave the path')];
    case 'when': {
      const cases = line.cases.flatMap(({ test, ids, items }) => [
        { ...plain(test === 'otherwise' ? test : `case ${test}`, ids), depth: depth + 1 },
        ...inside(items, depth + 2),
      ]);
      const none = withElse && line.none ? [{ ...plain('no case holds', line.none.ids), depth: depth + 1 }] : [];
      return [plain(whenText(line)), ...cases, ...none];
    }
  }
}

/** The lines of a path; `withElse`: also where no case of a branch holds. */
export const codeRows = ({ items }: Pick<Outline, 'items'>, withElse = false): CodeRow[] =>
  items.flatMap((line) => rowsOf(line, 0, withElse));

/** Words in lines of so many columns; one that is longer stays whole. */
export function wrapped(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > columns) {
      lines.push(line);
      line = '';
    }
    line = line === '' && lines.length > 0 ? word.trimStart() : line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

const INDENT = 2;
const HANG = 4;
/** Code is given so much room, however deep it stands. */
const CODE_MIN = 24;

/**
 * Rows as lines of text, `before` in front of each: `limit` columns, and what does not fit goes on
 * below, indented.
 */
export function codeLines(rows: readonly CodeRow[], limit: number, before: (row: CodeRow) => string = () => ''): string[] {
  const letters = Math.max(1, ...rows.map((row) => row.letters.length));
  return rows.flatMap((row) => {
    const columns = `${before(row)}${row.letters.padEnd(letters)}  `;
    const indent = ' '.repeat(Math.min(INDENT * row.depth, Math.max(0, limit - columns.length - CODE_MIN)));
    const room = Math.max(CODE_MIN, limit - columns.length - indent.length - HANG);
    const blank = ' '.repeat(columns.length);
    return wrapped(row.text, room).map((text, i) =>
      `${i === 0 ? columns : blank}${indent}${i === 0 ? '' : ' '.repeat(HANG)}${text}`.trimEnd(),
    );
  });
}
