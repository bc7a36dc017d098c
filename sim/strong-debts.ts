/**
 * What is owed strongly along one run: taken, if it is possible again and again. A cycle in which
 * it is possible once and not taken is not fair, and a longer one may be, or a shorter one: so that
 * more than one visit of a state is kept, but only once something is owed strongly.
 */

/** When the run was in a state. */
export interface Visit {
  readonly step: number;
  readonly seq: number;
}

interface Chance {
  isPossible: boolean;
  /** The last step after which it was possible, where it is not. */
  last: number;
}

/** Visits of one state that are kept: the first, and the last ones; and states. */
const VISITS_MAX = 32;
const PLACES_MAX = 1 << 14;
const NONE: readonly Visit[] = [];

export class StrongDebts {
  /** By slot and offer. */
  readonly #chances: Map<number, Chance>[];
  readonly #visits = new Map<string, Visit[]>();
  #isUsed = false;

  constructor(slots: number) {
    this.#chances = Array.from({ length: slots }, () => new Map<number, Chance>());
  }

  /** The actor in `slot` offers this after a step. */
  follow(slot: number, strong: ReadonlySet<number>, step: number): void {
    if (strong.size === 0 && !this.#isUsed) return;
    this.#isUsed = true;
    const chances = this.#chances[slot]!;
    for (const [event, chance] of chances) {
      if (chance.isPossible && !strong.has(event)) chance.last = step - 1;
      chance.isPossible = strong.has(event);
    }
    for (const event of strong) if (!chances.has(event)) chances.set(event, { isPossible: true, last: -1 });
  }

  /** Whether all that was possible after some step since `from` was taken since then. */
  isPaid(from: number, step: number, isTaken: (slot: number, event: number) => boolean): boolean {
    return this.#chances.every((chances, slot) =>
      [...chances].every(([event, { isPossible, last }]) => (isPossible ? step : last) <= from || isTaken(slot, event)),
    );
  }

  /** When the run was in this state before, the last time first; notes that it is there now. */
  visits(place: string, now: Visit): readonly Visit[] {
    if (!this.#isUsed) return NONE;
    const known = this.#visits.get(place) ?? [];
    if (this.#visits.size >= PLACES_MAX) this.#visits.clear();
    const kept = known.length < VISITS_MAX ? known : [...known.slice(0, 1), ...known.slice(2)];
    this.#visits.set(place, [...kept, now]);
    return known.toReversed();
  }
}
