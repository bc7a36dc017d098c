/**
 * One of several searches that divide a space before they start and exchange nothing after that:
 * all of them search the same states up to the first level that is wide enough, then each goes on
 * from its share of that level. A state further on lies behind some state of that level on a
 * shortest way, and so is met by the shard which owns that one, at the same depth; others may meet
 * it, too.
 */
import { RUN_ENDS, type StateSpace } from './state-space.ts';

export interface Shard {
  /** From 1. */
  readonly index: number;
  readonly of: number;
}

/** What all shards have in common. */
export interface Cut {
  /** Steps to the level that is divided. */
  readonly depth: number;
  /** Up to that level, itself included. */
  readonly states: number;
  readonly transitions: number;
  readonly unchanged: number;
}

/** The least number of states of the divided level for each shard. */
const SHARE_STATES = 32;

/** Finds the level, and the share of it that this shard searches. */
export class Division {
  /** Null as long as no level was wide enough: the shard has then searched everything. */
  cut: Cut | null = null;
  readonly #shard: Shard;
  #depth = 0;
  #levelEnd = 1;

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  /** States below which may be expanded now. */
  end(
    space: StateSpace,
    { head, transitions, unchanged }: { readonly head: number; readonly transitions: number; readonly unchanged: number },
  ): number {
    if (this.cut) return space.count;
    if (head < this.#levelEnd) return this.#levelEnd;
    this.#depth++;
    this.#levelEnd = space.count;
    const { index, of } = this.#shard;
    const width = space.count - head;
    if (width < SHARE_STATES * of) return this.#levelEnd;
    this.cut = { depth: this.#depth, states: space.count, transitions, unchanged };
    // A share is contiguous, as neighbours lead to many of the same states.
    const from = head + Math.floor(((index - 1) * width) / of);
    const to = head + Math.floor((index * width) / of);
    for (let state = head; state < space.count; state++) if (state < from || state >= to) space.ends[state] = RUN_ENDS;
    return space.count;
  }
}
