/**
 * What a step over a row of integers reads, writes and sends: the memory of whole steps is kept by
 * exactly that.
 */
import { MICRO_STEP_EVENTS } from '../../events/index.ts';
import type { Choice, StepWorld } from '../step.ts';
import type { Store } from '../store.ts';
import type { Lists } from './lists.ts';

/** The world that the row of a footprint is of. */
export interface RowWorld {
  readonly store: Store;
  readonly lists: Lists;
  /** The column of the messages in flight from one actor to another. */
  channel(from: number, to: number): number;
  label(column: number, value: number, event: number): string;
}

export class Footprint implements StepWorld {
  /** `slot, local` pairs in the order first read; a delivery begins with its column. */
  readonly reads: number[];
  /**
   * Last value by slot, of every slot that was read; for a delivery also the queue without its
   * head.
   */
  readonly writes = new Map<number, number>();
  /**
   * `channel, event` pairs in the order sent, with those that are latched and in flight already.
   */
  readonly sends: number[] = [];
  /** Messages in flight after the step, by channel, as lists. */
  readonly queues = new Map<number, number>();
  /** Channels of the messages that were not in flight already, in the order sent. */
  readonly joined: number[] = [];
  /**
   * `sender, receiver` slots of bus messages that are no micro-steps, in the order sent; the
   * scheduler's are left out.
   */
  readonly asks: number[] = [];
  /**
   * `sender, receiver` slots of messages that changed the receiver, as above; answers are left out.
   */
  readonly changes: number[] = [];
  /** `receiver, event` of bus messages, in the order sent. */
  readonly given: number[] = [];
  readonly #world: RowWorld;
  readonly #row: ArrayLike<number>;

  constructor(world: RowWorld, row: ArrayLike<number>, column: number) {
    this.#world = world;
    this.#row = row;
    this.reads = [column, row[column]!];
  }

  stepName(): string {
    return 'one step';
  }

  local(slot: number): number {
    const known = this.writes.get(slot);
    if (known !== undefined) return known;
    const local = this.#row[slot]!;
    this.writes.set(slot, local);
    if (slot !== this.reads[0]) this.reads.push(slot, local);
    return local;
  }

  change(slot: number, next: number, _cause: number, by: number): void {
    this.writes.set(slot, next);
    if (by >= 0) this.changes.push(by, slot);
  }

  inFlight(from: number, to: number): readonly number[] {
    return this.#world.lists.values[this.#listOf(this.#world.channel(from, to))]!;
  }

  takeHead({ queue }: Choice): number {
    const rest = this.#world.lists.put(this.#world.lists.values[this.#row[queue]!]!.slice(1));
    this.writes.set(queue, rest);
    this.queues.set(queue, rest);
    return 0;
  }

  deliver(to: number, event: number): number {
    const { store } = this.#world;
    this.given.push(to, event);
    const sender = store.senders[event]!;
    if (sender >= 0 && !MICRO_STEP_EVENTS.includes(store.events.values[event]!.type)) this.asks.push(sender, to);
    return 0;
  }

  send(from: number, to: number, event: number, _cause: number, joins: boolean): void {
    const channel = this.#world.channel(from, to);
    this.sends.push(channel, event);
    if (!joins) return;
    this.joined.push(channel);
    this.queues.set(channel, this.#world.lists.join(this.#listOf(channel), event));
  }

  isFlightChanged(): boolean {
    for (const [channel, list] of this.queues) if (list !== (this.#row[channel] ?? 0)) return true;
    return false;
  }

  label({ slot, event }: Choice): string {
    return this.#world.label(slot, this.#row[slot]!, event);
  }

  #listOf(channel: number): number {
    return this.queues.get(channel) ?? this.#row[channel] ?? 0;
  }
}
