/**
 * Who can act, in counts: the alternatives of a state by whose they are, kept while the state
 * changes. Their canonical order is heads of queues, then moves of processors, then all other
 * offers, each by slot.
 */
import { Tally } from './tally.ts';

/** What a chooser may ask of it. */
export interface Line {
  /** Queues that are not empty: their heads are the first alternatives. */
  readonly heads: number;
  /** Where the offers that are no moves begin. */
  readonly offersAt: number;
  /** When the head of a queue was sent. */
  arrivalOf(head: number): number;
  /** Processors that can move. */
  readonly movers: number;
  /** The slot of the processor at a place among those that can move. */
  moverAt(place: number): number;
  /** The first processor from a slot on that can move; -1 if none can. */
  moverFrom(slot: number): number;
  /** The moves of a processor, and the index of its first; it is that of another if it has none. */
  movesOf(slot: number): number;
  firstMove(slot: number): number;
  /** Shares of all actors with other offers, in a draw of who acts. */
  readonly shares: number;
  /** The slot that a share belongs to. */
  sharerAt(share: number): number;
  /** The other offers of an actor, and the index of its first. */
  offersOf(slot: number): number;
  firstOffer(slot: number): number;
}

export class Lineup implements Line {
  readonly #heads: { readonly length: number; readonly [head: number]: { readonly seqs: readonly number[] } };
  readonly #moves: Tally;
  readonly #movers: Tally;
  readonly #offers: Tally;
  readonly #shares: Tally;

  /** `heads`: the queues in canonical order, as they are now and will be. */
  constructor(slots: number, heads: { readonly length: number; readonly [head: number]: { readonly seqs: readonly number[] } }) {
    this.#heads = heads;
    this.#moves = new Tally(slots);
    this.#movers = new Tally(slots);
    this.#offers = new Tally(slots);
    this.#shares = new Tally(slots);
  }

  /** Says what the actor in a slot offers now. */
  set(slot: number, moves: number, offers: number, shares: number): void {
    this.#moves.set(slot, moves);
    this.#movers.set(slot, moves > 0 ? 1 : 0);
    this.#offers.set(slot, offers);
    this.#shares.set(slot, offers > 0 ? shares : 0);
  }

  get count(): number {
    return this.#heads.length + this.#moves.total + this.#offers.total;
  }

  get heads(): number {
    return this.#heads.length;
  }

  /** Moves of all processors. */
  get moves(): number {
    return this.#moves.total;
  }

  get offersAt(): number {
    return this.#heads.length + this.#moves.total;
  }

  arrivalOf(head: number): number {
    return this.#heads[head]!.seqs[0]!;
  }

  get movers(): number {
    return this.#movers.total;
  }

  moverAt(place: number): number {
    return this.#movers.slotOf(place);
  }

  moverFrom(slot: number): number {
    return this.#movers.from(slot);
  }

  movesOf(slot: number): number {
    return this.#moves.get(slot);
  }

  firstMove(slot: number): number {
    return this.#heads.length + this.#moves.before(slot);
  }

  /** Whose move stands at an index of the canonical order. */
  moverOf(index: number): number {
    return this.#moves.slotOf(index - this.#heads.length);
  }

  get shares(): number {
    return this.#shares.total;
  }

  sharerAt(share: number): number {
    return this.#shares.slotOf(share);
  }

  offersOf(slot: number): number {
    return this.#offers.get(slot);
  }

  firstOffer(slot: number): number {
    return this.#heads.length + this.#moves.total + this.#offers.before(slot);
  }

  /** Whose other offer stands at an index of the canonical order. */
  offererOf(index: number): number {
    return this.#offers.slotOf(index - this.#heads.length - this.#moves.total);
  }
}
