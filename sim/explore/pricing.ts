/** What a schedule costs in deviations: each choice is priced by whether the pCPU stepped last could go on, as the in-order run would. */
import { type Deviations, deviationOf, NO_DEVIATIONS, plus } from './deviations.ts';
import type { WorldStep } from './world-step.ts';

/** A step over a row, and what comes of it. */
export interface Followed {
  readonly row: readonly number[];
  readonly changed: boolean;
  /** Column of the pCPU that the in-order run would go on with; -1 where it would look for another. */
  readonly last: number;
  readonly cost: Deviations;
}

/** No pCPU has been stepped, or the one that was only waits: whatever comes next is free. */
export const NOBODY = -1;

export class Pricing {
  readonly #world: WorldStep;

  constructor(world: WorldStep) {
    this.#world = world;
  }

  /** Whether the pCPU stepped last has a step that changes something. */
  goesOn(row: readonly number[], last: number): boolean {
    if (last === NOBODY) return false;
    const moves = this.#world.alternatives(last, row[last]!).filter((event) => this.#world.isExec(last, row[last]!, event));
    return moves.some((event) => this.#apply(row, last, event).changed);
  }

  /** Carries an alternative out; `goesOn` is of the same row and `last`. */
  follow(row: readonly number[], last: number, goesOn: boolean, column: number, event: number): Followed {
    const world = this.#world;
    const exec = world.isExec(column, row[column]!, event);
    const kind = column >= world.actors ? 'deliver' : exec ? 'exec' : 'offer';
    const offer = kind === 'offer' ? world.store.events.values[event]!.type : '';
    const { row: next, changed, yields } = this.#apply(row, column, event);
    // A CPU that only waits for others counts as blocked, as it does in the in-order run.
    const after = exec ? (yields || !changed ? NOBODY : column) : last;
    return { row: next, changed, last: after, cost: deviationOf(kind, offer, goesOn, exec && column === last) };
  }

  /**
   * The price of a whole schedule from the start of the search.
   * @throws Error if a label does not fit
   */
  priceOf(labels: readonly string[]): Deviations {
    let row = this.#world.initial;
    let last = NOBODY;
    let sum = NO_DEVIATIONS;
    for (const [step, label] of labels.entries()) {
      const [column, event] = this.#find(row, label, step + 1);
      const followed = this.follow(row, last, this.goesOn(row, last), column, event);
      row = followed.row;
      last = followed.last;
      sum = plus(sum, followed.cost);
    }
    return sum;
  }

  #find(row: readonly number[], label: string, step: number): readonly [number, number] {
    const world = this.#world;
    for (let column = 0; column < row.length; column++)
      for (const event of world.alternatives(column, row[column]!))
        if (world.label(column, row[column]!, event) === label) return [column, event];
    throw new Error(`step ${step} has no alternative ${label}`);
  }

  #apply(before: readonly number[], column: number, event: number): { row: number[]; changed: boolean; yields: boolean } {
    const trace = this.#world.run(before, column, event);
    const row = this.#world.after(before, trace);
    return { row, changed: row.some((value, i) => value !== (before[i] ?? 0)), yields: trace.yields };
  }
}
