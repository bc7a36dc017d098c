/**
 * The deadlocks of a space whose states are all kept: the states from which no progress and no
 * state at rest can be reached. Candidates are the states without a step that is progress. The
 * search goes backwards from the ways out of them, in time proportional to the steps among them.
 */

import { PROGRESS_IF_SENT, UNCHANGED } from '../../rows/step-trie.ts';
import type { Search } from '../request.ts';
import { NO_STEP_PROGRESSES, RUN_ENDS, type StateSpace } from '../space/state-space.ts';
import type { Successors } from '../space/successors.ts';

/** States between two turns of the caller, which may stop the search. */
const TURN_STATES = 1 << 12;

export interface DeadQuestions {
  /**
   * Whether a state ends every wait, whatever its steps are: all actors may stay where they are.
   */
  readonly isOver: (row: Int32Array) => boolean;
  /** Whether a state that was not expanded, as a property broke there, is dead all the same. */
  readonly isDeadBeyond: (state: number) => boolean;
}

export class DeadStates {
  readonly #successors: Successors;
  readonly #space: StateSpace;
  readonly #questions: DeadQuestions;
  /** States without a step that is progress, in the order of their distance from the start. */
  readonly #candidates: number[] = [];
  /** Place among the candidates by state, plus 1; 0 for a state that is none. */
  readonly #placeOf: Int32Array;
  /** Places of predecessors: pairs of source and target. */
  readonly #sources: number[] = [];
  readonly #targets: number[] = [];
  /** By place: 1 where a way out is reached. */
  readonly #alive: Uint8Array;
  /** Places found alive whose predecessors are still to be looked at. */
  readonly #freed: number[] = [];

  /** `expanded`: how many states were expanded, in the order they were found. */
  constructor(successors: Successors, expanded: number, questions: DeadQuestions) {
    this.#successors = successors;
    this.#space = successors.space;
    this.#questions = questions;
    this.#placeOf = new Int32Array(this.#space.count);
    for (let state = 0; state < Math.min(expanded, this.#space.count); state++)
      if (this.#space.ends[state] === NO_STEP_PROGRESSES) this.#placeOf[state] = this.#candidates.push(state);
    this.#alive = new Uint8Array(this.#candidates.length);
  }

  /** The dead states, nearest first; null where the search was stopped. */
  *run(): Search<readonly number[] | null> {
    for (const [place, state] of this.#candidates.entries()) {
      this.#look(place, state);
      const frontier = this.#candidates.length - place;
      if (place % TURN_STATES === TURN_STATES - 1 && (yield this.#progress(frontier))) return null;
    }
    this.#spread();
    return this.#candidates.filter((_, place) => this.#alive[place] === 0);
  }

  #progress(frontier: number) {
    const bytes = this.#placeOf.byteLength + 16 * this.#sources.length;
    return { states: this.#space.count, frontier, transitions: 0, bytes, closing: true } as const;
  }

  /** Notes where the steps out of a state lead. */
  #look(place: number, state: number): void {
    const { targets, flags } = this.#successors;
    const count = this.#successors.expand(state, true);
    let isOpen = this.#questions.isOver(this.#successors.row);
    for (let i = 0; i < count && !isOpen; i++) {
      const target = targets[i]!;
      if (target === state || (flags[i]! & UNCHANGED) !== 0) continue;
      const to = target < 0 ? 0 : this.#placeOf[target]!;
      // A message that joins a queue is a way out, and so is an unknown target.
      isOpen = (flags[i]! & PROGRESS_IF_SENT) !== 0 && (target < 0 || this.#sendsBetween(state, target));
      if (to === 0) isOpen ||= target < 0 || this.#space.ends[target] !== RUN_ENDS || !this.#questions.isDeadBeyond(target);
      if (isOpen || to === 0) continue;
      this.#sources.push(place);
      this.#targets.push(to - 1);
    }
    if (isOpen) this.#free(place);
  }

  #sendsBetween(state: number, target: number): boolean {
    const { columns, rows } = this.#space;
    const [from, to] = [this.#space.at(state), this.#space.at(target)];
    for (let column = this.#successors.world.actors; column < columns; column++) if (rows[from + column] !== rows[to + column]) return true;
    return false;
  }

  #free(place: number): void {
    if (this.#alive[place] === 1) return;
    this.#alive[place] = 1;
    this.#freed.push(place);
  }

  /** States that lead to a way out are alive. */
  #spread(): void {
    const starts = new Int32Array(this.#candidates.length + 1);
    for (const target of this.#targets) starts[target + 1]!++;
    for (let place = 0; place < this.#candidates.length; place++) starts[place + 1]! += starts[place]!;
    const before = new Int32Array(this.#sources.length);
    const next = starts.slice();
    for (const [i, target] of this.#targets.entries()) before[next[target]!++] = this.#sources[i]!;
    for (let place = this.#freed.pop(); place !== undefined; place = this.#freed.pop())
      for (let at = starts[place]!; at < starts[place + 1]!; at++) this.#free(before[at]!);
  }
}

/**
 * Expanded states without a step that is progress, from which no state with such a step was first
 * found. The links of the space tell as much without a look at any step.
 */
export function withoutWayOut({ ends, parent, count }: StateSpace, expanded: number): number[] {
  const alive = new Uint8Array(count);
  for (let state = count - 1; state > 0; state--) {
    if (state < expanded && ends[state] === 0) alive[state] = 1;
    if (alive[state] === 1 && parent[state]! >= 0) alive[parent[state]!] = 1;
  }
  const found: number[] = [];
  for (let state = 0; state < Math.min(count, expanded); state++)
    if (ends[state] === NO_STEP_PROGRESSES && alive[state] === 0) found.push(state);
  return found;
}
