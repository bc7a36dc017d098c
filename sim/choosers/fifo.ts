/**
 * The in-order chooser: the lowest pCPU runs until it blocks, messages are delivered in order of arrival, nothing is disturbed.
 * Deviations are counted against this run. A CPU that only waits for others counts as blocked until another one has moved.
 */
import type { Alternative, StepOutcome } from '../sequencer.ts';
import type { ChoiceView, Chooser } from './chooser.ts';

export class FifoChooser implements Chooser {
  readonly name = 'fifo';
  #running = -1;
  readonly #waiting = new Set<number>();

  choose(view: ChoiceView): number {
    const all = view.alternatives();
    const canMove = (index: number) => all[index]!.kind === 'exec' && !this.#waiting.has(all[index]!.slot);
    const goesOn = all.findIndex((alternative, index) => alternative.slot === this.#running && canMove(index));
    if (goesOn >= 0) return goesOn;
    const delivery = earliest(all);
    if (delivery >= 0) return delivery;
    const lowest = all.findIndex((_, index) => canMove(index));
    if (lowest >= 0) return lowest;
    // Everybody waits: poll them in turn.
    this.#waiting.clear();
    const after = all.findIndex((alternative) => alternative.kind === 'exec' && alternative.slot > this.#running);
    return Math.max(0, after >= 0 ? after : all.findIndex((alternative) => alternative.kind === 'exec'));
  }

  observe(outcome: StepOutcome): void {
    if (outcome.kind === 'exec') {
      this.#running = outcome.slot;
      if (outcome.yields) this.#waiting.add(outcome.slot);
    }
    // A message may be what its receiver waits for; another CPU's step may be what anybody waits for.
    if (outcome.kind === 'deliver') this.#waiting.delete(outcome.slot);
    else if (outcome.changed && !outcome.yields) this.#waiting.clear();
  }
}

function earliest(all: readonly Alternative[]): number {
  let best = -1;
  all.forEach((alternative, index) => {
    if (alternative.kind === 'deliver' && (best < 0 || alternative.arrival < all[best]!.arrival)) best = index;
  });
  return best;
}
