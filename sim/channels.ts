/** Messages in flight: one queue for each pair of sender and receiver, in canonical order. */
import { channelLaneA, channelLaneB, queueLaneA, queueLaneB } from './canonical.ts';
import type { Store } from './store.ts';

/** The queue of one pair; never empty. */
export interface Channel {
  readonly from: number;
  readonly to: number;
  readonly events: number[];
  /** seq of each message's `send` record: tells arrival order, is in no digest. */
  readonly seqs: number[];
  laneA: number;
  laneB: number;
}

const NONE: readonly number[] = [];

/** What was in flight at some time, to be put back later. */
export interface Flight {
  readonly ordered: readonly Channel[];
  readonly laneA: number;
  readonly laneB: number;
}

const EMPTY: Flight = { ordered: [], laneA: 0, laneB: 0 };
const copied = (channel: Channel): Channel => ({ ...channel, events: [...channel.events], seqs: [...channel.seqs] });

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
    for (const channel of this.ordered) if (channel.from === from && channel.to === to) return channel.events;
    return NONE;
  }

  #copy(): Flight {
    const { ordered, laneA, laneB } = this;
    return ordered.length === 0 ? EMPTY : { ordered: ordered.map(copied), laneA, laneB };
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
    let at = 0;
    while (at < this.ordered.length && before(this.ordered[at]!, from, to)) at++;
    const found = this.ordered[at];
    const channel = found && found.from === from && found.to === to ? found : { from, to, events: [], seqs: [], laneA: 0, laneB: 0 };
    if (channel !== found) this.ordered.splice(at, 0, channel);
    channel.events.push(event);
    channel.seqs.push(seq);
    this.#rehash(channel);
  }

  /** Takes the head of the queue at `index` of `ordered` out. @returns seq of its `send` record */
  take(index: number): number {
    this.#marked ??= this.#copy();
    const channel = this.ordered[index]!;
    channel.events.shift();
    const seq = channel.seqs.shift()!;
    this.#rehash(channel);
    if (channel.events.length === 0) this.ordered.splice(index, 1);
    return seq;
  }

  #rehash(channel: Channel): void {
    const { laneA, laneB } = this.#store.events;
    let a = 0;
    let b = 0;
    for (const event of channel.events) {
      a = queueLaneA(a, laneA[event]!);
      b = queueLaneB(b, laneB[event]!);
    }
    const full = channel.events.length > 0;
    const newA = full ? channelLaneA(a, channel.from, channel.to) : 0;
    const newB = full ? channelLaneB(b, channel.from, channel.to) : 0;
    this.laneA = (this.laneA + newA - channel.laneA) | 0;
    this.laneB = (this.laneB + newB - channel.laneB) | 0;
    channel.laneA = newA;
    channel.laneB = newB;
  }
}

const before = (channel: Channel, from: number, to: number) => channel.to < to || (channel.to === to && channel.from < from);
