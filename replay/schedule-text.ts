/** Schedules as text: indices with dots between them, equal ones in a row by their number. */
import type { Choice } from '../events/journal.ts';

/** A text is no schedule. @public */
export class ScheduleTextError extends Error {
  override readonly name = 'ScheduleTextError';
}

/** More steps than any run that a text could be typed for. */
const STEPS_MAX = 1 << 24;
/** Shorter rows of equal indices are written out. */
const ROW_MIN = 4;
const WORD = /^(?<index>[0-9]{1,9})(?:\*(?<times>[1-9][0-9]*))?$/;

/**
 * The indices of a text such as `0.1.0` or `2.0*77`; commas do as dots.
 * @throws ScheduleTextError naming the step
 */
export function indicesIn(text: string): number[] {
  const indices: number[] = [];
  for (const word of text === '' ? [] : text.split(/[.,]/)) {
    const groups = WORD.exec(word)?.groups;
    const step = indices.length + 1;
    if (!groups)
      throw new ScheduleTextError(
        `step ${step} of the schedule is ${JSON.stringify(word.slice(0, 40))}; expected an index, as in 0.1.0 or 2.0*77`,
      );
    const { index, times = '1' } = groups;
    if (indices.length + Number(times) > STEPS_MAX)
      throw new ScheduleTextError(`step ${step} is repeated ${times} times; at most ${STEPS_MAX} steps in all`);
    for (let left = Number(times); left > 0; left--) indices.push(Number(index));
  }
  return indices;
}

/** All indices: what the identity of a run is made of. */
export function dotted(choices: Iterable<Pick<Choice, 'index'>>): string {
  let text = '';
  for (const { index } of choices) text += text === '' ? index : `.${index}`;
  return text;
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
