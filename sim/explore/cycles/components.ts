/**
 * Strongly connected components of the owed steps (Tarjan 1972), without recursion and without a
 * stored edge.
 */
import type { Progress, Search } from '../request.ts';
import type { Successors } from '../space/successors.ts';
import { type Cut, isEdge, judgeFairness, NO_CUT, type Part } from './fairness.ts';

/** States between two turns of the caller, which may stop the search. */
const TURN_STATES = 1 << 15;
/** Low link of a state whose component is known. */
const CLOSED = 0x7fffffff;

export class Components {
  /** The search was stopped; not all components were found. */
  stopped = false;
  readonly #successors: Successors;
  readonly #index: Int32Array;
  readonly #low: Int32Array;
  #visited = 0;
  /** States of components that are not closed yet. */
  readonly #open: number[] = [];
  /**
   * The path of the search, and for each state on it where its edges start and how far they are
   * followed.
   */
  readonly #path: number[] = [];
  readonly #starts: number[] = [];
  readonly #at: number[] = [];
  readonly #edges: number[] = [];
  readonly #found: number[][] = [];
  #cut = NO_CUT;

  /** Takes 8 bytes a state. */
  constructor(successors: Successors) {
    this.#successors = successors;
    this.#index = new Int32Array(successors.space.count);
    this.#low = new Int32Array(successors.space.count);
  }

  get bytes(): number {
    return this.#index.byteLength + this.#low.byteLength + 8 * (this.#edges.length + 4 * this.#path.length);
  }

  /** All components in which a step leads from the component into itself. */
  *all(): Search<readonly (readonly number[])[]> {
    const { count } = this.#successors.space;
    for (let state = 0, next = TURN_STATES; state < count && !this.stopped; state++) {
      if (this.#index[state] === 0) yield* this.#from(state, null);
      if (state < next) continue;
      next += TURN_STATES;
      this.stopped = Boolean(yield this.#progress());
    }
    return this.#found.splice(0);
  }

  /** The components within some states, of the steps that are not cut. */
  within(states: readonly number[], cut: Cut): readonly (readonly number[])[] {
    this.#cut = cut;
    const inside = new Set(states);
    for (const state of states) this.#index[state] = 0;
    for (const state of states) if (this.#index[state] === 0) this.#finish(this.#from(state, inside));
    return this.#found.splice(0);
  }

  /** The parts of some states that a fair schedule can stay in. */
  *fairWithin(states: readonly number[], cut: Cut): Generator<Part> {
    for (const part of this.within(states, cut)) yield* this.fairIn(part, cut);
  }

  /** The same of a component. */
  *fairIn(members: readonly number[], cut: Cut): Generator<Part> {
    const { isFair, rest } = judgeFairness(this.#successors, { members, cut });
    if (isFair) yield { members, cut };
    if (rest !== null) yield* this.fairWithin(rest.members, rest.cut);
  }

  #finish(search: Search<void>): void {
    while (search.next().done !== true);
  }

  #progress(): Progress {
    return {
      states: this.#successors.space.count,
      frontier: this.#successors.space.count - this.#visited,
      transitions: 0,
      bytes: this.bytes,
    };
  }

  #enter(state: number): void {
    this.#visited++;
    this.#index[state] = this.#visited;
    this.#low[state] = this.#visited;
    this.#open.push(state);
    this.#path.push(state);
    this.#starts.push(this.#edges.length);
    this.#at.push(this.#edges.length);
    const { targets } = this.#successors;
    const count = this.#successors.expand(state);
    for (let i = 0; i < count; i++) if (targets[i]! >= 0 && isEdge(this.#successors, i, this.#cut)) this.#edges.push(targets[i]!);
  }

  *#from(root: number, inside: ReadonlySet<number> | null): Search<void> {
    const path = this.#path;
    this.#enter(root);
    while (path.length > 0) {
      const top = path.length - 1;
      const state = path[top]!;
      const at = this.#at[top]!;
      if (at === this.#edges.length) {
        this.#leave(state, this.#starts[top]!);
        if (this.#visited % TURN_STATES === 0 && (yield this.#progress())) this.stopped = true;
        continue;
      }
      const target = this.#edges[at]!;
      this.#at[top] = at + 1;
      if (inside && !inside.has(target)) continue;
      if (this.#index[target] === 0) this.#enter(target);
      else if (this.#low[target]! < this.#low[state]!) this.#low[state] = this.#low[target]!;
    }
  }

  #leave(state: number, start: number): void {
    const loops = this.#edges.indexOf(state, start) >= 0;
    this.#edges.length = start;
    this.#path.pop();
    this.#starts.pop();
    this.#at.pop();
    const low = this.#low[state]!;
    if (low === this.#index[state]) this.#close(state, loops);
    const above = this.#path.at(-1);
    if (above !== undefined && this.#low[state]! < this.#low[above]!) this.#low[above] = this.#low[state]!;
  }

  #close(root: number, loops: boolean): void {
    const first = this.#open.lastIndexOf(root);
    const members = this.#open.splice(first);
    for (const member of members) this.#low[member] = CLOSED;
    if (members.length > 1 || loops) this.#found.push(members);
  }
}
