/**
 * The deadlocks of a space whose states are all kept: the states from which no progress and no
 * state at rest can be reached. Candidates are the states without a step that is progress, but for
 * those of which the links of the space show a way out. The search goes backwards from the ways out
 * of the rest, in time proportional to the steps among them.
 */

import { PROGRESS_IF_SENT, UNCHANGED } from '../../rows/step-trie.ts';
import type { Search } from '../request.ts';
import { NO_STEP_PROGRESSES, RUN_ENDS, type StateSpace } from '../space/state-space.ts';
import type { Successors } from '../space/successors.ts';

/** States between two turns of the caller, which may stop the search. */
const TURN_STATES = 1 << 12;

/** Of a step: it leads to a state that is alive; it leads to none that could be. */
const WAY_OUT = -1;
const NOWHERE = -2;

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
  /** Candidates, in the order of their distance from the start. */
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
    for (const state of withoutWayOut(this.#space, expanded)) this.#placeOf[state] = this.#candidates.push(state);
    this.#alive = new Uint8Array(this.#candidates.length);
  }

  /** The dead states, nearest first; null where the search was stopped. */
  *run(): Search<readonly number[] | null> {
    // Most steps lead away from the start: with the farthest state decided first, one step mostly
    // decides each of the rest.
    for (let place = this.#candidates.length - 1; place >= 0; place--) {
      this.#look(place, this.#candidates[place]!);
      if (place % TURN_STATES === TURN_STATES - 1 && (yield this.#progress(place))) return null;
    }
    this.#spread();
    return this.#candidates.filter((_, place) => this.#alive[place] === 0);
  }

  #progress(frontier: number) {
    const bytes = this.#placeOf.byteLength + 16 * this.#sources.length;
    return { states: this.#space.count, frontier, transitions: 0, bytes, closing: true } as const;
  }

  #look(place: number, state: number): void {
    const noted = this.#targets.length;
    if (this.#leadsOut(state)) {
      this.#targets.length = noted;
      this.#free(place);
    } else while (this.#sources.length < this.#targets.length) this.#sources.push(place);
  }

  /** Whether a state has a way out; notes where its steps lead of which nothing is known yet. */
  #leadsOut(state: number): boolean {
    const successors = this.#successors;
    successors.read(state);
    for (let column = 0; column < this.#space.columns; column++)
      for (let alternative = 0; alternative < successors.alternativesOf(column); alternative++) {
        const to = this.#unsureBehind(state, successors.target(state, column, alternative));
        if (to === WAY_OUT) return true;
        if (to >= 0) this.#targets.push(to);
      }
    return this.#questions.isOver(successors.row);
  }

  /**
   * The place that the step of a state leads to where nothing is known of that yet, else WAY_OUT or
   * NOWHERE.
   */
  #unsureBehind(state: number, target: number): number {
    const { taken } = this.#successors;
    if (target === state || (taken & UNCHANGED) !== 0) return NOWHERE;
    // A message that joins a queue is a way out, and so is what is not known.
    if (target < 0 || ((taken & PROGRESS_IF_SENT) !== 0 && this.#sendsBetween(state, target))) return WAY_OUT;
    const place = this.#placeOf[target]! - 1;
    if (place >= 0) return this.#alive[place] === 1 ? WAY_OUT : place;
    return this.#space.ends[target] === RUN_ENDS && this.#questions.isDeadBeyond(target) ? NOWHERE : WAY_OUT;
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
 * found, nor is reached by what was noted of their steps. The links of the space tell as much
 * without a look at any step.
 */
export function withoutWayOut({ ends, parent, count, onward, onwardCount, onwardFrom }: StateSpace, expanded: number): number[] {
  const alive = new Uint8Array(count);
  for (let state = 0; state < Math.min(count, expanded); state++) if (ends[state] === 0) alive[state] = 1;
  let note = onwardCount;
  for (let state = count - 1; state >= 0; state--) {
    if (note > 0 && state >= onwardFrom && ends[state] === NO_STEP_PROGRESSES && alive[onward[--note]!] === 1) alive[state] = 1;
    if (alive[state] === 1 && parent[state]! >= 0) alive[parent[state]!] = 1;
  }
  if (note !== 0) throw new Error(`${note} of ${onwardCount} notes of where steps lead are of no state`);
  const found: number[] = [];
  for (let state = 0; state < Math.min(count, expanded); state++)
    if (ends[state] === NO_STEP_PROGRESSES && alive[state] === 0) found.push(state);
  return found;
}
