/**
 * What a schedule costs in deviations: each choice is compared with what the in-order run would do
 * in the same situation.
 *
 * A situation is a row and an *order*: what the rule of the in-order run remembers, and in which
 * order the messages in flight have arrived. Steps that change nothing cost nothing, and a poll
 * that comes next in order need not be taken.
 */
import { AT_START, afterStep, type Candidate, type InOrder, nextInOrder } from '../../choosers/in-order.ts';
import type { StepTrace, WorldStep } from '../../rows/world-step.ts';
import type { StepOutcome } from '../../sequencer.ts';
import type { AlternativeKind } from '../../step.ts';
import type { Deviations } from '../request.ts';
import { deviationOf, NO_DEVIATIONS, plus } from './deviations.ts';

interface Order extends InOrder {
  /** Columns of the messages in flight, the one that arrived first first. */
  readonly arrivals: readonly number[];
  /** All wait, and the next one is polled. Where none is known to wait, the same memory runs on. */
  readonly isTurn?: true;
}

/** What comes next in order. */
export interface Next {
  /** The order after the polls in between. */
  readonly order: number;
  /** The column that acts; NONE where only offers are left, or polls that change nothing. */
  readonly column: number;
}

/** A step over a row, and what comes of it. */
export interface Followed {
  readonly row: readonly number[];
  readonly changed: boolean;
  readonly order: number;
  readonly cost: Deviations;
}

interface Applied extends Pick<StepTrace, 'changed' | 'yields' | 'joined'> {
  readonly row: readonly number[];
}

const NONE = -1;

export class Pricing {
  readonly #world: WorldStep;
  /** Each order once, by a small integer. */
  readonly #orders: Order[] = [];
  readonly #ids = new Map<string, number>();
  /** The order at the start of the search. */
  readonly start: number;

  constructor(world: WorldStep) {
    this.#world = world;
    this.start = this.#put({ ...AT_START, arrivals: world.arrivals });
  }

  /** What the in-order run would do over a row that does not end the run. */
  next(row: readonly number[], order: number): Next {
    const polled: number[] = [];
    for (let at = order; ; ) {
      const { column, event, after } = this.#inOrder(row, at);
      if (column === NONE || column >= this.#world.actors || this.#apply(row, column, event).changed) return { order: after, column };
      // It only polls: the in-order run comes to whatever is next after that.
      at = this.#after(after, 'exec', column, { changed: false, yields: true }, []);
      const since = polled.indexOf(at);
      if (since >= 0) return { order: this.#leastOf(polled.slice(since)), column: NONE };
      polled.push(at);
    }
  }

  /**
   * One of the orders between which polls go round: the same whatever was priced before, so that a
   * schedule has one price. Numbers of orders depend on that.
   */
  #leastOf(orders: readonly number[]): number {
    const runningIn = (order: number): number => this.#orders[order]!.running;
    return orders.reduce((least, order) => (runningIn(order) < runningIn(least) ? order : least));
  }

  /** What an alternative costs if it changes anything; `next` is of the same row. */
  costOf(row: readonly number[], next: Next, column: number, event: number): Deviations {
    const world = this.#world;
    const kind = world.kindOfStep(row, column, event);
    const type = column < world.actors ? world.store.events.values[event]!.type : '';
    const first = kind !== 'exec' || this.#firstMove(row, column) === event;
    return deviationOf(kind, type, { next: column === next.column, first });
  }

  /** Carries an alternative out; `next` is of the same row. */
  follow(row: readonly number[], next: Next, column: number, event: number, cost = this.costOf(row, next, column, event)): Followed {
    const { row: after, changed, yields, joined } = this.#apply(row, column, event);
    if (!changed) return { row: after, changed, order: next.order, cost: NO_DEVIATIONS };
    const kind = this.#world.kindOfStep(row, column, event);
    return { row: after, changed, order: this.#after(next.order, kind, column, { changed, yields }, joined), cost };
  }

  /**
   * The price of a whole schedule from the start of the search.
   * @throws Error if a label does not fit
   */
  priceOf(labels: readonly string[]): Deviations {
    let row = this.#world.initial;
    let order = this.start;
    let sum = NO_DEVIATIONS;
    for (const [step, label] of labels.entries()) {
      const [column, event] = this.#find(row, label, step + 1);
      const followed = this.follow(row, this.next(row, order), column, event);
      row = followed.row;
      order = followed.order;
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

  /** The event that the in-order run gives a CPU; undefined where it cannot move. */
  #firstMove(row: readonly number[], column: number): number | undefined {
    const kind = this.#world.kindOf(column);
    return kind ? this.#world.offers.of(kind, row[column]!).exec[0] : undefined;
  }

  #inOrder(row: readonly number[], order: number): { readonly column: number; readonly event: number; readonly after: number } {
    const { channels, actors } = this.#world;
    const { arrivals, running, waiting } = this.#orders[order]!;
    const memory = { running, waiting };
    const columns: number[] = [];
    const candidates: Candidate[] = [];
    for (const [arrival, column] of arrivals.entries()) {
      columns.push(column);
      candidates.push({ kind: 'deliver', slot: channels[column - actors]!.to, arrival });
    }
    for (let column = 0; column < actors; column++) {
      if (this.#firstMove(row, column) === undefined) continue;
      columns.push(column);
      candidates.push({ kind: 'exec', slot: column, arrival: 0 });
    }
    if (columns.length === 0) return { column: NONE, event: NONE, after: order };
    const chosen = nextInOrder(memory, candidates);
    const column = columns[chosen.index]!;
    const after = chosen.memory === memory ? order : this.#put({ ...chosen.memory, arrivals, isTurn: true });
    return { column, event: column < actors ? this.#firstMove(row, column)! : NONE, after };
  }

  /** The order after a step; `joined`: the columns of the messages that it has sent. */
  #after(
    order: number,
    kind: AlternativeKind,
    column: number,
    effect: Pick<StepOutcome, 'changed' | 'yields'>,
    joined: readonly number[],
  ): number {
    const { actors, channels } = this.#world;
    const { arrivals, ...memory } = this.#orders[order]!;
    const isDelivery = kind === 'deliver';
    const after = afterStep(memory, { kind, slot: isDelivery ? channels[column - actors]!.to : column, ...effect });
    const left = isDelivery ? arrivals.toSpliced(arrivals.indexOf(column), 1) : arrivals;
    return this.#put({ ...after, arrivals: joined.length > 0 ? [...left, ...joined] : left });
  }

  #put(order: Order): number {
    const { running, waiting, arrivals, isTurn = false } = order;
    const key = `${running} ${waiting.join()} ${arrivals.join()} ${isTurn}`;
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#ids.set(key, this.#orders.length);
    return this.#orders.push(order) - 1;
  }

  #apply(before: readonly number[], column: number, event: number): Applied {
    const trace = this.#world.run(before, column, event);
    return { ...trace, row: this.#world.after(before, trace) };
  }
}
