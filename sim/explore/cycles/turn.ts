/**
 * One turn of a cycle that a fair schedule can repeat forever: short, through all that fairness
 * asks for.
 */

import type { Successors } from '../space/successors.ts';
import { isEdge, type Part } from './fairness.ts';

/** A step: out of which state, and which of its alternatives. */
export interface CycleStep {
  readonly state: number;
  readonly column: number;
  readonly alternative: number;
}

/** A step that a turn must have besides. */
export type Wanted = (step: CycleStep) => boolean;

interface Edge extends CycleStep {
  readonly target: number;
  readonly unit: number;
  readonly place: number;
  readonly interposed: boolean;
}

/** What is owed and possible in a state, and what of it is owed strongly. */
interface OwedIn {
  readonly owed: ReadonlySet<number>;
  readonly strong: readonly number[];
}

/** What a turn still has to take before it may go back to where it began. */
class TurnDebts {
  /** What was possible in every state so far and was not taken. */
  #pending: ReadonlySet<number>;
  /** What is owed strongly, was possible in some state so far and was not taken; what was taken. */
  readonly #due: Set<number>;
  readonly #taken = new Set<number>();
  /** Where a processor was interrupted, and where it moved. */
  readonly #unmoved = new Set<number>();
  readonly #moved = new Set<number>();
  #wanted: readonly Wanted[];

  constructor({ owed, strong }: OwedIn, wanted: readonly Wanted[]) {
    this.#pending = owed;
    this.#due = new Set(strong);
    this.#wanted = wanted;
  }

  get some(): boolean {
    return this.#pending.size > 0 || this.#due.size > 0 || this.#unmoved.size > 0 || this.#wanted.length > 0;
  }

  asksFor(edge: Edge): boolean {
    const isOwed = this.#pending.has(edge.unit) || this.#due.has(edge.unit);
    return isOwed || (!edge.interposed && this.#unmoved.has(edge.place)) || this.#wanted.some((isWanted) => isWanted(edge));
  }

  /** Whether something that is pending is not possible in a state where this is owed. */
  frees({ owed }: OwedIn): boolean {
    return [...this.#pending].some((unit) => !owed.has(unit));
  }

  /** Takes a step to a state in which this is owed. */
  pay(edge: Edge, { owed, strong }: OwedIn): void {
    this.#taken.add(edge.unit);
    this.#due.delete(edge.unit);
    for (const unit of strong) if (!this.#taken.has(unit)) this.#due.add(unit);
    this.#pending = new Set([...this.#pending].filter((unit) => unit !== edge.unit && owed.has(unit)));
    if (!edge.interposed) {
      this.#moved.add(edge.place);
      this.#unmoved.delete(edge.place);
    } else if (!this.#moved.has(edge.place)) this.#unmoved.add(edge.place);
    this.#wanted = this.#wanted.filter((isWanted) => !isWanted(edge));
  }
}

export class Turn {
  readonly #successors: Successors;
  readonly #part: Part;
  readonly #members: ReadonlySet<number>;
  readonly #wanted: readonly Wanted[];
  readonly #edges = new Map<number, readonly Edge[]>();

  constructor(successors: Successors, part: Part, wanted: readonly Wanted[] = []) {
    this.#successors = successors;
    this.#part = part;
    this.#members = new Set(part.members);
    this.#wanted = wanted;
  }

  /** From `entry` back to it. Goes to the nearest thing still asked for until nothing is. */
  from(entry: number): CycleStep[] {
    const steps: Edge[] = [];
    const debts = new TurnDebts(this.#owedIn(entry), this.#wanted);
    let at = entry;
    while (debts.some || at !== entry || steps.length === 0) {
      const leg = debts.some
        ? this.#nearest(at, (edge) => debts.asksFor(edge) || debts.frees(this.#owedIn(edge.target)))
        : this.#nearest(at, ({ target }) => target === entry);
      for (const edge of leg) debts.pay(edge, this.#owedIn(edge.target));
      steps.push(...leg);
      at = leg.at(-1)!.target;
    }
    return steps;
  }

  /** What is owed and possible in a state. */
  #owedIn(state: number): OwedIn {
    const { units, strong } = this.#successors;
    this.#successors.expand(state);
    return { owed: new Set(units), strong: units.filter((_, i) => strong[i]!) };
  }

  #edgesOf(state: number): readonly Edge[] {
    let known = this.#edges.get(state);
    if (!known) {
      const { columns, alternatives, targets, units, places, interposed } = this.#successors;
      this.#successors.expand(state);
      known = columns.flatMap((column, i) => {
        const edge = { state, column, alternative: alternatives[i]!, target: targets[i]! };
        if (!this.#members.has(edge.target) || !isEdge(this.#successors, i, this.#part.cut)) return [];
        return [{ ...edge, unit: units[i]!, place: places[i]!, interposed: interposed[i]! }];
      });
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
