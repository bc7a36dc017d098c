/**
 * The in-order chooser: it follows the rule of the in-order run, which deviations are counted
 * against. It disturbs nothing.
 */
import type { StepOutcome } from '../sequencer.ts';
import type { ChoiceView, Chooser } from './chooser.ts';
import { AT_START, afterStep, InLine, type InOrder, nextOf } from './in-order.ts';

export class FifoChooser implements Chooser {
  readonly name = 'fifo';
  /** What the rule remembers. */
  memory: InOrder = AT_START;

  get remembered(): string {
    return `${this.memory.running} ${this.memory.waiting.join()}`;
  }

  choose(view: ChoiceView): number {
    const { index, memory } = nextOf(this.memory, new InLine(view.lineup));
    this.memory = memory;
    return index;
  }

  observe(outcome: StepOutcome): void {
    this.memory = afterStep(this.memory, outcome);
  }
}
