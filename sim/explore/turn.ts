/** One turn of a cycle that a fair schedule can repeat for ever: short, through all that fairness asks for. */
import type { Successors } from './successors.ts';

/** A step: out of which state, and which of its alternatives. */
export interface CycleStep {
  readonly state: number;
  readonly column: number;
  readonly alternative: number;
}

interface Edge extends CycleStep {
  readonly target: number;
}

export class Turn {
  readonly #successors: Successors;
  readonly #members: ReadonlySet<number>;
  /** A step that the turn must have besides; null if there is none. */
  readonly #wanted: ((step: CycleStep) => boolean) | null;
  readonly #edges = new Map<number, readonly Edge[]>();

  constructor(successors: Successors, members: ReadonlySet<number>, wanted: ((step: CycleStep) => boolean) | null = null) {
    this.#successors = successors;
    this.#members = members;
    this.#wanted = wanted;
  }

  /** From `entry` back to it. Goes to the nearest thing still asked for until nothing is. */
  from(entry: number): CycleStep[] {
    const steps: Edge[] = [];
    /** Columns that can move in every state so far and were not stepped. */
    let pending = this.#movable(entry);
    let wants = this.#wanted !== null;
    let at = entry;
    while (pending.size > 0 || wants) {
      const owed = pending;
      const stillWants = wants;
      const leg = this.#nearest(
        at,
        (edge) => owed.has(edge.column) || this.#frees(edge.target, owed) || (stillWants && this.#wanted!(edge)),
      );
      for (const edge of leg) {
        const movable = this.#movable(edge.target);
        pending = new Set([...pending].filter((column) => column !== edge.column && movable.has(column)));
        wants &&= !this.#wanted!(edge);
      }
      steps.push(...leg);
      at = steps.at(-1)!.target;
    }
    if (at !== entry || steps.length === 0) steps.push(...this.#nearest(at, ({ target }) => target === entry));
    return steps;
  }

  /** Columns in which a CPU can be stepped or a message delivered. */
  #movable(state: number): Set<number> {
    this.#successors.expand(state);
    return new Set(this.#successors.columns);
  }

  #frees(state: number, pending: ReadonlySet<number>): boolean {
    const movable = this.#movable(state);
    for (const column of pending) if (!movable.has(column)) return true;
    return false;
  }

  #edgesOf(state: number): readonly Edge[] {
    let known = this.#edges.get(state);
    if (!known) {
      const { columns, alternatives, targets } = this.#successors;
      this.#successors.expand(state);
      known = columns.flatMap((column, i) =>
        this.#members.has(targets[i]!) ? [{ state, column, alternative: alternatives[i]!, target: targets[i]! }] : [],
      );
      this.#edges.set(state, known);
    }
    return known;
  }

  /** The shortest way to the first step that is looked for, with that step. */
  #nearest(from: number, isLookedFor: (edge: Edge) => boolean): Edge[] {
    const via = new Map<number, Edge | null>([[from, null]]);
    for (const state of via.keys()) {
      for (const edge of this.#edgesOf(state)) {
        if (isLookedFor(edge)) return [...this.#wayTo(state, via), edge];
        if (!via.has(edge.target)) via.set(edge.target, edge);
      }
    }
    throw new Error(`no cycle leads through state ${from}: its component is not fair`);
  }

  #wayTo(state: number, via: ReadonlyMap<number, Edge | null>): Edge[] {
    const way: Edge[] = [];
    for (let edge = via.get(state); edge; edge = via.get(edge.state)) way.push(edge);
    return way.reverse();
  }
}
