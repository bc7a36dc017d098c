/**
 * Partial order sampling (Yuan, Yang, Gu: "Partial Order Aware Concurrency Sampling"): every
 * pending event has a random priority, the highest goes, and those that depend on it draw a new
 * one. Orders of events that do not depend on each other take no part in the drawing, so that
 * orders that matter are sampled more evenly than by a random walk.
 */
import { Prng } from '../prng.ts';
import type { StepView, Strategy } from './strategy.ts';

export class PosStrategy implements Strategy {
  readonly name = 'pos';
  readonly #prng: Prng;
  /** Pending events and their priorities; only the first `#pending` count. */
  #keys: number[] = [];
  #priorities: number[] = [];
  #spareKeys: number[] = [];
  #sparePriorities: number[] = [];

  constructor(seed: number) {
    this.#prng = new Prng(seed);
  }

  choose(view: StepView): number {
    const keys = this.#spareKeys;
    const priorities = this.#sparePriorities;
    keys.length = 0;
    priorities.length = 0;
    let best = 0;
    for (let index = 0; index < view.count; index++) {
      const key = view.key(index);
      const known = this.#keys.indexOf(key);
      const priority = known < 0 ? this.#prng.uint32() : this.#priorities[known]!;
      keys.push(key);
      priorities.push(priority);
      if (priority > priorities[best]!) best = index;
    }
    const racing = view.racing(best);
    let kept = 0;
    for (let index = 0; index < view.count; index++) {
      if (index === best || racing[index] === 1) continue;
      keys[kept] = keys[index]!;
      priorities[kept++] = priorities[index]!;
    }
    keys.length = kept;
    priorities.length = kept;
    [this.#keys, this.#spareKeys] = [keys, this.#keys];
    [this.#priorities, this.#sparePriorities] = [priorities, this.#priorities];
    return best;
  }
}
