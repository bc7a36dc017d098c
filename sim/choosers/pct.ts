/**
 * Probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A Randomized
 * Scheduler with Probabilistic Guarantees of Finding Bugs"): entities have random priorities, the
 * highest that can go goes, and at d - 1 random places the one that would go falls below all
 * others. A bug of depth d, one that takes d orderings to appear, is met with a chance of at least
 * 1 / (n k^(d-1)).
 *
 * A deviation, such as a preemption, is an entity that ends when it is taken; the next of its kind
 * is a new one with a priority of its own, up to RETURNS_MAX times. After that it falls below all
 * others, as a CPU does that only waits: else no other entity would go on. The paper has neither,
 * so the bound is for bugs that need no more.
 */
import { Prng } from '../prng.ts';
import type { StepView, Strategy } from './strategy.ts';

/** Times that one deviation comes back with a priority of its own. */
const RETURNS_MAX = 4;

export interface PctOptions {
  readonly seed: number;
  /** Orderings that a bug may take: 1 or more. */
  readonly depth: number;
  /** Decisions among which the places are drawn: k. */
  readonly horizon: number;
}

export class PctStrategy implements Strategy {
  readonly name = 'pct';
  /** Entities so far: n of the bound. */
  entities = 0;
  /** Steps so far at which more than one entity could go: k of the bound. */
  decisions = 0;
  readonly #prng: Prng;
  readonly #priorities = new Map<number, number>();
  readonly #returns = new Map<number, number>();
  /** Decisions at which the entity that would go falls, by how far it falls: the first lowest. */
  readonly #places: readonly number[];
  #lowest = -1;
  #chosen = -1;

  constructor({ seed, depth, horizon }: PctOptions) {
    this.#prng = new Prng(seed);
    const places = new Set<number>();
    while (places.size < Math.min(depth - 1, horizon)) places.add(1 + this.#prng.below(horizon));
    this.#places = [...places];
  }

  choose(view: StepView): number {
    let best = this.#highest(view);
    if (this.#severalCanGo(view)) {
      const place = this.#places.indexOf(++this.decisions);
      if (place >= 0) {
        // Below all that have not fallen and above those that wait, in an order that the places'
        // own drawing decides.
        this.#priorities.set(view.entity(best), (place + 1) / (this.#places.length + 1));
        best = this.#highest(view);
      }
    }
    this.#chosen = view.entity(best);
    if (view.isDeviation(best)) this.#end(this.#chosen);
    return this.#amongMoves(view, best);
  }

  observe(waits: boolean): void {
    if (waits && this.#priorities.has(this.#chosen)) this.#priorities.set(this.#chosen, this.#lowest--);
  }

  #end(entity: number): void {
    const returns = (this.#returns.get(entity) ?? 0) + 1;
    this.#returns.set(entity, returns);
    if (returns > RETURNS_MAX) this.#priorities.set(entity, this.#lowest--);
    else this.#priorities.delete(entity);
  }

  #severalCanGo(view: StepView): boolean {
    const first = view.entity(0);
    for (let index = 1; index < view.count; index++) if (view.entity(index) !== first) return true;
    return false;
  }

  #highest(view: StepView): number {
    let best = 0;
    let highest = Number.NEGATIVE_INFINITY;
    for (let index = 0; index < view.count; index++) {
      const entity = view.entity(index);
      let priority = this.#priorities.get(entity);
      if (priority === undefined) {
        priority = 1 + this.#prng.uint32();
        this.#priorities.set(entity, priority);
        this.entities++;
      }
      if (priority > highest) {
        highest = priority;
        best = index;
      }
    }
    return best;
  }

  /** An actor may have several moves, such as whom to run next: they are data, and drawn evenly. */
  #amongMoves(view: StepView, best: number): number {
    let chosen = best;
    let count = 1;
    for (let index = best + 1; index < view.count; index++) {
      if (view.entity(index) === this.#chosen && this.#prng.below(++count) === 0) chosen = index;
    }
    return chosen;
  }
}
