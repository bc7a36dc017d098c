/**
 * Draws who acts, and then what of it, from one seed. Drawn evenly, the alternatives of a big host
 * are nearly all migrations, as each thread that waits may go to each other CPU; here what runs
 * keeps its share, however much may be done to it.
 *
 * Shares: a processor that can move has RUNS, and so has a queue with a message in flight. An actor
 * has one share for all its other offers (a pCPU its preemption and its interrupts, the scheduler
 * its migrations), and RUNS if one of them is neither the scheduler's nor a disturbance: an option
 * of a `choose`, or what a model of its own offers. Then each move, or each offer, of who was drawn
 * has the same chance.
 */
import { RUNS } from '../offers.ts';
import { Prng } from '../prng.ts';
import type { ChoiceView, Chooser } from './chooser.ts';

export class RandomChooser implements Chooser {
  readonly name = 'random';
  readonly #prng: Prng;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  choose({ lineup }: ChoiceView): number {
    const { heads, movers, shares } = lineup;
    const running = RUNS * (heads + movers);
    const drawn = this.#prng.below(running + shares);
    if (drawn >= running) {
      const slot = lineup.sharerAt(drawn - running);
      return this.#among(lineup.firstOffer(slot), lineup.offersOf(slot));
    }
    const place = Math.floor(drawn / RUNS);
    if (place < heads) return place;
    const slot = lineup.moverAt(place - heads);
    return this.#among(lineup.firstMove(slot), lineup.movesOf(slot));
  }

  #among(first: number, count: number): number {
    return count === 1 ? first : first + this.#prng.below(count);
  }
}
