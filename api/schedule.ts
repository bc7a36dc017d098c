/**
 * Schedules as programs give them: indices with dots between them, indices, labels, or recorded
 * choices.
 */
import type { Choice } from '../events/journal.ts';
import { dotted, indicesIn } from '../replay/schedule-text.ts';

/**
 * Choices by index, as a text `0.1.0` or `2.0*77`, or a list; by label; or as they were recorded:
 * those have to fit as a whole.
 * @public
 */
export type Schedule = string | readonly number[] | readonly string[] | readonly Choice[];

type Scheduled = Pick<Choice, 'index'> & Partial<Choice>;

export interface Read {
  readonly choices: readonly Scheduled[];
  /** Part of the run's identity, in the form of the command line. */
  readonly text: string;
  readonly match: 'strict' | 'label' | 'index';
}

/** @throws ScheduleTextError */
export function scheduleOf(schedule: Schedule): Read {
  if (typeof schedule === 'string') {
    const choices = indicesIn(schedule).map((index) => ({ index }));
    return { choices, text: dotted(choices), match: 'index' };
  }
  const [first] = schedule;
  if (typeof first === 'string') {
    const labels = schedule as readonly string[];
    return { choices: labels.map((label) => ({ index: 0, label })), text: `labels ${labels.join(' ')}`, match: 'label' };
  }
  const choices = (schedule as readonly (number | Choice)[]).map((one) => (typeof one === 'number' ? { index: one } : one));
  const isWhole = typeof first === 'object';
  return { choices, text: dotted(choices), match: isWhole ? 'strict' : 'index' };
}
