/**
 * Starvation intervals, as the chaos mode of rr has them: for a while one actor is not stepped, or
 * not preempted, unless nothing else can go. Between the intervals, and among the others,
 * everything is drawn evenly. Intervals are 4 to 256 steps long, one length for each schedule, with
 * up to four such lengths between them.
 */
import { Prng } from '../prng.ts';
import type { StepView, Strategy } from './strategy.ts';

const LENGTH_MIN = 4;
/** Lengths are LENGTH_MIN doubled up to so many times. */
const DOUBLINGS = 7;
const PAUSE_LENGTHS = 4;
const NOBODY = -1;

export class StarveStrategy implements Strategy {
  readonly name = 'starve';
  readonly #prng: Prng;
  readonly #length: number;
  #victim = NOBODY;
  /** Steps until the interval, or the pause, is over. */
  #left: number;

  constructor(seed: number) {
    this.#prng = new Prng(seed);
    this.#length = LENGTH_MIN << this.#prng.below(DOUBLINGS);
    this.#left = this.#prng.below(this.#length + 1);
  }

  choose(view: StepView): number {
    if (this.#left === 0) this.#turn(view);
    this.#left--;
    if (this.#victim === NOBODY) return this.#prng.below(view.count);
    let count = 0;
    for (let index = 0; index < view.count; index++) if (part(view, index) !== this.#victim) count++;
    if (count === 0) return this.#prng.below(view.count);
    let wanted = this.#prng.below(count);
    for (let index = 0; ; index++) if (part(view, index) !== this.#victim && wanted-- === 0) return index;
  }

  /** An interval follows a pause, and a pause an interval. */
  #turn(view: StepView): void {
    if (this.#victim === NOBODY) {
      this.#victim = part(view, this.#prng.below(view.count));
      this.#left = this.#length;
    } else {
      this.#victim = NOBODY;
      this.#left = 1 + this.#prng.below(PAUSE_LENGTHS * this.#length);
    }
  }
}

/** What can be starved: an actor's own steps and messages, or the deviations that it offers. */
const part = (view: StepView, index: number): number => 2 * view.actor(index) + (view.isDeviation(index) ? 1 : 0);
