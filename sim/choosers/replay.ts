/**
 * Repeats recorded choices. A choice is kept as index, count and label: strictly all three must
 * fit, or the label alone decides.
 */
import type { Choice } from '../../events/journal.ts';
import { type ChoiceView, type Chooser, ScheduleError, toldOf } from './chooser.ts';

export interface ReplayOptions {
  /**
   * `strict`: index, count and label must all fit. `label`: the label decides, wherever it stands.
   * `index`: no label is known.
   */
  readonly match: 'strict' | 'label' | 'index';
  /**
   * Goes on when the schedule is used up, or no longer fits under `label`. Without one that is an
   * error.
   */
  readonly after?: Chooser;
}

export class ReplayChooser implements Chooser {
  readonly name = 'replay';
  readonly #choices: Iterator<Pick<Choice, 'index'> & Partial<Choice>>;
  readonly #options: ReplayOptions;
  #peeked: IteratorResult<Pick<Choice, 'index'> & Partial<Choice>> | null = null;
  #step = 0;
  /** The first step at which the schedule no longer fitted; null while it fits. */
  leftAt: number | null = null;

  constructor(choices: Iterable<Pick<Choice, 'index'> & Partial<Choice>>, options: ReplayOptions) {
    this.#choices = choices[Symbol.iterator]();
    this.#options = options;
  }

  get isGiven(): boolean {
    return this.leftAt === null && this.#peek().done !== true;
  }

  get remembered(): string | null {
    return this.isGiven ? null : (this.#options.after?.remembered ?? null);
  }

  #peek(): IteratorResult<Pick<Choice, 'index'> & Partial<Choice>> {
    this.#peeked ??= this.#choices.next();
    return this.#peeked;
  }

  choose(view: ChoiceView): number {
    this.#step++;
    const { after } = this.#options;
    if (this.leftAt === null) {
      const next = this.#peek();
      this.#peeked = null;
      if (!next.done) {
        const index = this.#fit(view, next.value);
        if (index >= 0) return index;
      } else if (!after) {
        throw new ScheduleError(
          this.#step,
          `the schedule ends before step ${this.#step}, which has ${view.count} alternatives; add choices, or let another chooser go on`,
        );
      }
      this.leftAt = this.#step;
    }
    return after!.choose(view);
  }

  observe(outcome: Parameters<NonNullable<Chooser['observe']>>[0]): void {
    this.#options.after?.observe?.(outcome);
  }

  /**
   * The index of a recorded choice among the present alternatives, or -1 if another chooser may go
   * on.
   */
  #fit(view: ChoiceView, choice: Pick<Choice, 'index'> & Partial<Choice>): number {
    const { match, after } = this.#options;
    const at = choice.index < view.count ? view.alternative(choice.index) : null;
    if (match === 'index' && at) return choice.index;
    if (at && at.label === choice.label && (match === 'label' || choice.count === view.count)) return choice.index;
    if (match === 'label') {
      const found = view.alternatives().findIndex((alternative) => alternative.label === choice.label);
      if (found >= 0) return found;
      if (after) return -1;
    }
    const wanted = choice.label === undefined ? `alternative ${choice.index}` : `${choice.label} as ${choice.index} of ${choice.count}`;
    const found = `${view.count} alternatives: ${toldOf(view, (label, index) => `${index} ${label}`)}`;
    throw new ScheduleError(this.#step, `step ${this.#step} of the schedule is ${wanted}; the run has ${found}`);
  }
}
