/** Messages in flight: one queue for each pair of sender and receiver, in canonical order. */
import { channelLaneA, channelLaneB, queueLaneA, queueLaneB } from './canonical.ts';
import type { Store } from './store.ts';

/** The queue of one pair; never empty. What joins or leaves it makes another one. */
export interface Channel {
  readonly from: number;
  readonly to: number;
  readonly events: readonly number[];
  /** seq of each message's `send` record: tells arrival order, is in no digest. */
  readonly seqs: readonly number[];
  readonly laneA: number;
  readonly laneB: number;
}

const NONE: readonly number[] = [];

/** What was in flight at some time, to be put back later. */
export interface Flight {
  readonly ordered: readonly Channel[];
  readonly laneA: number;
  readonly laneB: number;
}

const EMPTY: Flight = { ordered: [], laneA: 0, laneB: 0 };

export class Channels {
  /** Non-empty queues by receiver, then sender. */
  readonly ordered: Channel[] = [];
  /** What they add to the world's digest. */
  laneA = 0;
  laneB = 0;
  #markA = 0;
  #markB = 0;
  /** What was in flight at the mark; null where it still is. */
  #marked: Flight | null = null;
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Messages in flight from one actor to another, oldest first. */
  between(from: number, to: number): readonly number[] {
    const found = this.ordered[this.#placeOf(from, to)];
    return found?.from === from && found.to === to ? found.events : NONE;
  }

  #copy(): Flight {
    const { ordered, laneA, laneB } = this;
    return ordered.length === 0 ? EMPTY : { ordered: ordered.slice(), laneA, laneB };
  }

  /** Puts back what was in flight. */
  restore({ ordered, laneA, laneB }: Flight): void {
    this.ordered.splice(0, this.ordered.length, ...ordered);
    this.laneA = laneA;
    this.laneB = laneB;
  }

  /** Remembers what is in flight now. */
  mark(): void {
    this.#markA = this.laneA;
    this.#markB = this.laneB;
    this.#marked = null;
  }

  /** What was in flight at the mark. */
  get marked(): Flight {
    return this.#marked ?? this.#copy();
  }

  /** Whether other messages are in flight than at the mark. */
  get isChanged(): boolean {
    return this.laneA !== this.#markA || this.laneB !== this.#markB;
  }

  push(from: number, to: number, event: number, seq: number): void {
    this.#marked ??= this.#copy();
    const at = this.#placeOf(from, to);
    const found = this.ordered[at];
    if (found?.from === from && found.to === to) this.ordered[at] = this.#with(found, [...found.events, event], [...found.seqs, seq]);
    else this.ordered.splice(at, 0, this.#with({ from, to, laneA: 0, laneB: 0 }, [event], [seq]));
  }

  /** Takes the head of the queue at `index` of `ordered` out. @returns seq of its `send` record */
  take(index: number): number {
    this.#marked ??= this.#copy();
    const channel = this.ordered[index]!;
    const rest = this.#with(channel, channel.events.slice(1), channel.seqs.slice(1));
    if (rest.events.length === 0) this.ordered.splice(index, 1);
    else this.ordered[index] = rest;
    return channel.seqs[0]!;
  }

  /** Where the queue of a pair stands, or would stand. */
  #placeOf(from: number, to: number): number {
    let low = 0;
    let high = this.ordered.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (before(this.ordered[middle]!, from, to)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** A queue with other messages, which the digest then has. */
  #with(old: Pick<Channel, 'from' | 'to' | 'laneA' | 'laneB'>, events: readonly number[], seqs: readonly number[]): Channel {
    const { from, to } = old;
    const lanes = this.#store.events;
    let a = 0;
    let b = 0;
    for (const event of events) {
      a = queueLaneA(a, lanes.laneA[event]!);
      b = queueLaneB(b, lanes.laneB[event]!);
    }
    const full = events.length > 0;
    const laneA = full ? channelLaneA(a, from, to) : 0;
    const laneB = full ? channelLaneB(b, from, to) : 0;
    this.laneA = (this.laneA + laneA - old.laneA) | 0;
    this.laneB = (this.laneB + laneB - old.laneB) | 0;
    return { from, to, events, seqs, laneA, laneB };
  }
}

const before = (channel: Channel, from: number, to: number) => channel.to < to || (channel.to === to && channel.from < from);
