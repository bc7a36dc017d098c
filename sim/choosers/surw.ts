/**
 * Selectively uniform random walk (Zhao, Wolff, Mathur, Roychoudhury: "Selectively Uniform
 * Concurrency Testing"): of the events at one shared actor, drawn for each schedule, it is decided
 * beforehand who comes next, in proportion to how many each entity still has; all other events go
 * by how many are left in all. So the orders at that actor are drawn about evenly, even if some
 * entity has many events elsewhere. The counts are those of one profiling run, and a guess for all
 * others.
 */
import { Prng } from '../prng.ts';
import type { StepView, Strategy } from './strategy.ts';

/** Events by entity, in the profiling run. */
export type Counts = ReadonlyMap<number, number>;

export interface SurwProfile {
  readonly all: Counts;
  /** Actors that more than one entity gave an event, by slot, and how often each entity did. */
  readonly shared: readonly { readonly slot: number; readonly counts: Counts }[];
}

/** No entity was drawn to come next. */
const NOBODY = -1;
/**
 * Steps that all others wait for who was drawn: what it waits for itself may never come without
 * them.
 */
const PATIENCE = 32;

export class SurwStrategy implements Strategy {
  readonly name = 'surw';
  readonly #prng: Prng;
  readonly #left: Map<number, number>;
  readonly #leftHere: Map<number, number>;
  /** The actor whose events are drawn evenly; -1 where no actor is shared. */
  readonly #slot: number;
  #next = NOBODY;
  #patience = PATIENCE;

  constructor(seed: number, { all, shared }: SurwProfile) {
    this.#prng = new Prng(seed);
    const drawn = shared.length > 0 ? shared[this.#prng.below(shared.length)]! : null;
    this.#slot = drawn ? drawn.slot : -1;
    this.#left = new Map(all);
    this.#leftHere = new Map(drawn?.counts);
  }

  choose(view: StepView): number {
    if (this.#next === NOBODY || --this.#patience < 0) this.#drawNext(view);
    const isHere = Array.from({ length: view.count }, (_, index) => this.#slot >= 0 && view.touches(index, this.#slot));
    let candidates = isHere.flatMap((here, index) => (!here || view.entity(index) === this.#next ? [index] : []));
    if (candidates.length === 0) {
      // The entity that was to come next cannot come now, and nothing goes on without one of the
      // others.
      this.#next = this.#drawFrom(isHere.map((_, index) => [view.entity(index), this.#leftHere.get(view.entity(index)) ?? 0]));
      candidates = isHere.flatMap((_, index) => (view.entity(index) === this.#next ? [index] : []));
    }
    const chosen = this.#drawFrom(candidates.map((index) => [index, this.#left.get(view.entity(index)) ?? 0]));
    const entity = view.entity(chosen);
    take(this.#left, entity);
    if (isHere[chosen]) {
      take(this.#leftHere, entity);
      this.#next = NOBODY;
    }
    return chosen;
  }

  /** Draws who comes next among those that can go. */
  #drawNext(view: StepView): void {
    const entities = new Set(Array.from({ length: view.count }, (_, index) => view.entity(index)));
    this.#next = this.#drawFrom([...entities].map((entity) => [entity, this.#leftHere.get(entity) ?? 0]));
    this.#patience = PATIENCE;
  }

  /** Draws a value in proportion to its weight; each has at least 1, as the profile is a guess. */
  #drawFrom(weighted: readonly (readonly [value: number, weight: number])[]): number {
    let sum = 0;
    for (const [, weight] of weighted) sum += Math.max(1, weight);
    if (sum === 0) return NOBODY;
    let left = this.#prng.below(sum);
    for (const [value, weight] of weighted) {
      left -= Math.max(1, weight);
      if (left < 0) return value;
    }
    throw new RangeError('the weights do not sum up');
  }
}

function take(counts: Map<number, number>, entity: number): void {
  const left = counts.get(entity);
  if (left !== undefined && left > 0) counts.set(entity, left - 1);
}
