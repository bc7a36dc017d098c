/**
 * Contents of queues as small integers: each list of messages is kept once; list 0 is the empty
 * one.
 */
import { queueLaneA, queueLaneB } from '../canonical.ts';
import { joins } from '../step.ts';
import type { Store } from '../store.ts';

export class Lists {
  /** Event ids of each list, oldest first. */
  readonly values: (readonly number[])[] = [];
  readonly laneA: number[] = [];
  readonly laneB: number[] = [];
  readonly #ids = new Map<string, number>();
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
    this.put([]);
  }

  get size(): number {
    return this.values.length;
  }

  /** The list after a message has joined it; one that is latched joins once. */
  join(list: number, event: number): number {
    const events = this.values[list]!;
    return joins(this.#store, events, event) ? this.put([...events, event]) : list;
  }

  put(events: readonly number[]): number {
    const key = events.join();
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const { laneA, laneB } = this.#store.events;
    let a = 0;
    let b = 0;
    for (const event of events) {
      a = queueLaneA(a, laneA[event]!);
      b = queueLaneB(b, laneB[event]!);
    }
    const id = this.values.length;
    this.#ids.set(key, id);
    this.values.push(events);
    this.laneA.push(a);
    this.laneB.push(b);
    return id;
  }
}
