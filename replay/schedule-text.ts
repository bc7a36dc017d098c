/** Schedules as text: indices with dots between them, equal ones in a row by their number. */
import type { Choice } from '../events/journal.ts';

/** A text is no schedule. @public */
export class ScheduleTextError extends Error {
  override readonly name = 'ScheduleTextError';
}

/** The most steps of a schedule. */
export const STEPS_MAX = 1 << 20;
/** Shorter rows of equal indices are written out. */
const ROW_MIN = 4;
/** One word and what ends it. */
const WORD = /(?<index>[0-9]{1,9})(?:\*(?<times>[1-9][0-9]*))?(?:[.,]|$)/y;

/**
 * The indices of a text such as `0.1.0` or `2.0*77`; commas do as dots.
 * @throws ScheduleTextError naming the step
 */
export function indicesIn(text: string): number[] {
  const indices: number[] = [];
  const word = new RegExp(WORD);
  while (word.lastIndex < text.length) {
    const at = word.lastIndex;
    const groups = word.exec(text)?.groups;
    if (!groups) throw noIndex(text.slice(at), indices.length + 1);
    const { index, times = '1' } = groups;
    if (indices.length + Number(times) > STEPS_MAX) throw new ScheduleTextError(`the schedule has over ${STEPS_MAX} steps; expected fewer`);
    for (let left = Number(times); left > 0; left--) indices.push(Number(index));
  }
  if (/[.,]$/.test(text)) throw noIndex('', indices.length + 1);
  return indices;
}

function noIndex(rest: string, step: number): ScheduleTextError {
  const [word] = rest.split(/[.,]/, 1);
  return new ScheduleTextError(
    `step ${step} of the schedule is ${JSON.stringify(word!.slice(0, 40))}; expected an index, as in 0.1.0 or 2.0*77`,
  );
}

const PART_STEPS = 1 << 14;

/** All indices: what the identity of a run is made of. */
export function dotted(choices: Iterable<Pick<Choice, 'index'>>): string {
  const parts: string[] = [];
  let part: number[] = [];
  // One string that grows by each index costs more than the run from some millions on.
  for (const { index } of choices) {
    part.push(index);
    if (part.length < PART_STEPS) continue;
    parts.push(part.join('.'));
    part = [];
  }
  if (part.length > 0) parts.push(part.join('.'));
  return parts.join('.');
}

const rowText = (index: number, times: number): string =>
  times < ROW_MIN ? Array<number>(times).fill(index).join('.') : `${index}*${times}`;

/** The same for people: rows of equal indices by their number. */
export function inShort(choices: Iterable<Pick<Choice, 'index'>>): string {
  const rows: string[] = [];
  let last = -1;
  let times = 0;
  for (const { index } of choices) {
    if (index !== last && times > 0) {
      rows.push(rowText(last, times));
      times = 0;
    }
    last = index;
    times++;
  }
  return [...rows, ...(times > 0 ? [rowText(last, times)] : [])].join('.');
}
