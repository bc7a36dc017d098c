/**
 * The states up to which a property has never come true, and the shortest ways there that stay
 * among them.
 */
import { NEVER_TRUE } from '../../debts.ts';
import type { PropertyWatch } from '../../property.ts';
import type { Search } from '../request.ts';
import type { Successors } from '../space/successors.ts';

const TURN_STATES = 1 << 15;

export class Owed {
  readonly watch: PropertyWatch;
  readonly #successors: Successors;
  /** Parent + 2 in the search below; 1 for the first state, 0 for states that are not owed. */
  readonly #parent: Int32Array;
  readonly #via: Int32Array;
  readonly #found: number[] = [];

  constructor(watch: PropertyWatch, successors: Successors) {
    this.watch = watch;
    this.#successors = successors;
    this.#parent = new Int32Array(successors.space.count);
    this.#via = new Int32Array(successors.space.count);
  }

  get message(): string {
    return NEVER_TRUE;
  }

  has(state: number): boolean {
    return this.#parent[state] !== 0;
  }

  /**
   * Whether the property has not come true at the start of the search; then all states that are
   * reached so.
   */
  *run(): Search<void> {
    this.#meet(0, -1, 0);
    for (let at = 0; at < this.#found.length; at++) {
      const state = this.#found[at]!;
      const { columns, alternatives, targets } = this.#successors;
      const count = this.#successors.expand(state, true);
      for (let i = 0; i < count; i++) {
        const target = targets[i]!;
        if (target >= 0 && this.#parent[target] === 0) this.#meet(target, state, (columns[i]! << 12) | alternatives[i]!);
      }
      if (at % TURN_STATES !== TURN_STATES - 1) continue;
      const bytes = this.#parent.byteLength + this.#via.byteLength;
      if (yield { states: this.#successors.space.count, frontier: this.#found.length - at, transitions: 0, bytes }) return;
    }
  }

  /** The first of some states that is owed, in the order of its distance. */
  firstOf(states: Iterable<number>): number | null {
    const wanted = new Set(states);
    return this.#found.find((state) => wanted.has(state)) ?? null;
  }

  /** Steps to an owed state: out of which state, by which column and alternative. */
  wayTo(state: number): { readonly state: number; readonly column: number; readonly alternative: number }[] {
    const steps = [];
    for (let at = state; this.#parent[at]! > 1; at = this.#parent[at]! - 2) {
      steps.push({ state: this.#parent[at]! - 2, column: this.#via[at]! >> 12, alternative: this.#via[at]! & 0xfff });
    }
    return steps.reverse();
  }

  #meet(state: number, parent: number, via: number): void {
    this.#successors.space.read(state, this.#successors.row);
    const locals = [...this.#successors.row.subarray(0, this.#successors.world.actors)];
    if (this.watch.look(locals, null) !== null) return;
    this.#parent[state] = parent + 2;
    this.#via[state] = via;
    this.#found.push(state);
  }
}
