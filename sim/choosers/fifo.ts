/**
 * The in-order chooser: it follows the rule of the in-order run, which deviations are counted
 * against. It disturbs nothing.
 */
import type { StepOutcome } from '../sequencer.ts';
import type { ChoiceView, Chooser } from './chooser.ts';
import { AT_START, afterStep, type InOrder, nextInOrder } from './in-order.ts';

export class FifoChooser implements Chooser {
  readonly name = 'fifo';
  #memory: InOrder = AT_START;

  choose(view: ChoiceView): number {
    const { index, memory } = nextInOrder(this.#memory, view.alternatives());
    this.#memory = memory;
    return index;
  }

  observe(outcome: StepOutcome): void {
    this.#memory = afterStep(this.#memory, outcome);
  }
}
