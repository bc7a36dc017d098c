/**
 * Schedules as programs give them: indices with dots between them, indices, labels, or recorded
 * choices.
 */
import type { Choice } from '../events/journal.ts';

/**
 * Choices by index, as a text `0.1.0` or a list; by label; or as they were recorded: those have to
 * fit as a whole.
 * @public
 */
export type Schedule = string | readonly number[] | readonly string[] | readonly Choice[];

/**
 * A text is no schedule.
 * @public
 */
export class ScheduleTextError extends Error {
  override readonly name = 'ScheduleTextError';
}

type Scheduled = Pick<Choice, 'index'> & Partial<Choice>;

export interface Read {
  readonly choices: readonly Scheduled[];
  /** Part of the run's identity, in the form of the command line. */
  readonly text: string;
  readonly match: 'strict' | 'label' | 'index';
}

function indexOf(word: string, step: number): Scheduled {
  if (!/^[0-9]+$/.test(word))
    throw new ScheduleTextError(`step ${step} of the schedule is ${JSON.stringify(word)}; expected an index, as in 0.1.0`);
  return { index: Number(word) };
}

/** @throws ScheduleTextError */
export function scheduleOf(schedule: Schedule): Read {
  if (typeof schedule === 'string') {
    const choices = schedule === '' ? [] : schedule.split('.').map((word, i) => indexOf(word, i + 1));
    return { choices, text: choices.map(({ index }) => index).join('.'), match: 'index' };
  }
  const [first] = schedule;
  if (typeof first === 'string') {
    const labels = schedule as readonly string[];
    return { choices: labels.map((label) => ({ index: 0, label })), text: `labels ${labels.join(' ')}`, match: 'label' };
  }
  const choices = (schedule as readonly (number | Choice)[]).map((one) => (typeof one === 'number' ? { index: one } : one));
  const isWhole = typeof first === 'object';
  return { choices, text: choices.map(({ index }) => index).join('.'), match: isWhole ? 'strict' : 'index' };
}
