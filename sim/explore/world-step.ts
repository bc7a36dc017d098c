/**
 * One whole step over a row of integers, and what it read and wrote: the same step that the sequencer carries out, without records.
 * The explorer remembers it by exactly what it read.
 */
import { channelLaneA, channelLaneB, slotLaneA, slotLaneB } from '../canonical.ts';
import type { MemoEngine } from '../engine/memo.ts';
import { ModelError } from '../engine/port.ts';
import { deliveryLabel, labelOf, OfferTable } from '../offers.ts';
import { type PlainWorld, restore } from '../restore.ts';
import type { Kind, Store } from '../store.ts';
import { Lists } from './lists.ts';

/** Deliveries in one step before it counts as a livelock on the bus. */
const BUS_MAX = 10_000;

export interface StepTrace {
  /** `slot, local` pairs in the order first read. */
  readonly reads: number[];
  /** Last value written by slot; includes writes that change nothing. */
  readonly writes: Map<number, number>;
  /** `channel, event` pairs in the order sent. */
  readonly sends: number[];
  deliveries: number;
  /** The CPU only waits for others. */
  yields: boolean;
  /** It gets on although it may change nothing. */
  computes: boolean;
}

interface Channel {
  readonly from: number;
  readonly to: number;
}

/** The columns of a row: actors first, then a column for each pair of actors that ever had a message in flight. */
export class WorldStep {
  readonly engine: MemoEngine;
  readonly store: Store;
  readonly lists: Lists;
  readonly channels: Channel[] = [];
  readonly actors: number;
  readonly initial: readonly number[];
  /** Columns of the messages in flight at the start, in order of arrival. */
  readonly arrivals: readonly number[];
  readonly offers: OfferTable;
  readonly #channelOf = new Map<number, number>();
  /** By kind and local state. */
  readonly #halts: boolean[][] = [];

  /** `from`: the state to start in instead of the initial one. @throws RestoreError if the model does not know it */
  constructor(engine: MemoEngine, from: PlainWorld | null = null) {
    this.engine = engine;
    this.store = engine.store;
    this.lists = new Lists(this.store);
    this.offers = new OfferTable(this.store);
    this.actors = this.store.ids.length;
    this.initial = from ? this.#place(from) : engine.start();
    this.arrivals = from ? [...from.inFlight].sort((a, b) => a.seq - b.seq).map((message) => this.#channelOfMessage(message)) : [];
  }

  #place(from: PlainWorld): number[] {
    const row = [...restore(this.engine, from).locals];
    for (const message of from.inFlight) {
      const column = this.#channelOfMessage(message);
      const queued = this.lists.values[row[column] ?? 0]!;
      row[column] = this.lists.put([...queued, this.store.event({ type: message.type, ...message.payload, from: message.from })]);
    }
    return Array.from(row, (value) => value ?? 0);
  }

  #channelOfMessage({ from, to }: PlainWorld['inFlight'][number]): number {
    return this.channel(this.store.slotOf.get(from)!, this.store.slotOf.get(to)!);
  }

  /** Columns of a row. Grows when a pair of actors first has a message in flight. */
  get columns(): number {
    return this.actors + this.channels.length;
  }

  kindOf(column: number): Kind | null {
    return column < this.actors ? this.store.kindOfSlot[column]! : null;
  }

  /** Columns, and different values of all of them: as long as it is the same, nothing new was met. */
  get met(): number {
    return this.store.localCount + this.lists.size + this.channels.length;
  }

  /** How many different values the column can have so far. */
  sizeOf(column: number): number {
    return this.kindOf(column)?.locals.size ?? this.lists.size;
  }

  /** What the value adds to the world's digest when it stands in the column. */
  laneA(column: number, value: number): number {
    const kind = this.kindOf(column);
    if (kind) return slotLaneA(kind.locals.laneA[value]!, column);
    const { from, to } = this.channels[column - this.actors]!;
    return value === 0 ? 0 : channelLaneA(this.lists.laneA[value]!, from, to);
  }

  laneB(column: number, value: number): number {
    const kind = this.kindOf(column);
    if (kind) return slotLaneB(kind.locals.laneB[value]!, column);
    const { from, to } = this.channels[column - this.actors]!;
    return value === 0 ? 0 : channelLaneB(this.lists.laneB[value]!, from, to);
  }

  /** Events that can be given to a column in this value: its offers, or -1 for the head of a queue. Moves come first. */
  alternatives(column: number, value: number): readonly number[] {
    const kind = this.kindOf(column);
    if (!kind) return value === 0 ? [] : [-1];
    const { exec, other } = this.offers.of(kind, value);
    return [...exec, ...other];
  }

  /** Whether an actor in this local state halts the machine: a run ends there. */
  halts(column: number, value: number): boolean {
    const kind = this.kindOf(column);
    if (!kind) return false;
    this.#halts[kind.index] ??= [];
    const known = this.#halts[kind.index]!;
    known[value] ??= kind.locals.values[value]!.hasTag('halt');
    return known[value];
  }

  /** Whether the alternative moves a processor on. */
  isExec(column: number, value: number, event: number): boolean {
    const kind = this.kindOf(column);
    return kind !== null && this.offers.of(kind, value).exec.includes(event);
  }

  label(column: number, value: number, event: number): string {
    const { ids, events } = this.store;
    if (column < this.actors) return labelOf(ids[column]!, events.values[event]!);
    const { from, to } = this.channels[column - this.actors]!;
    return deliveryLabel(events.values[this.lists.values[value]![0]!]!.type, ids[from]!, ids[to]!);
  }

  /**
   * Carries the alternative out over `row`, which stays as it is.
   * @throws ModelError as the sequencer would
   */
  run(row: ArrayLike<number>, column: number, event: number): StepTrace {
    const trace: StepTrace = { reads: [column, row[column]!], writes: new Map(), sends: [], deliveries: 0, yields: false, computes: false };
    const queue = column < this.actors ? [column, event] : this.#takeHead(row, column, trace);
    let idles = false;
    for (let at = 0; at < queue.length; at += 2) {
      if (trace.deliveries > BUS_MAX) throw new ModelError('the actors answer each other for ever within one step');
      const slot = queue[at]!;
      let local = trace.writes.get(slot);
      if (local === undefined) {
        local = row[slot]!;
        if (slot !== column) trace.reads.push(slot, local);
      }
      const reaction = this.engine.deliver(slot, local, queue[at + 1]!);
      trace.deliveries++;
      idles ||= reaction.idles;
      trace.yields ||= reaction.yields;
      trace.computes ||= reaction.computes;
      trace.writes.set(slot, reaction.next);
      this.#emit(slot, reaction.sent, queue, trace);
    }
    this.#check(row, column, event, trace, idles);
    return trace;
  }

  /** The row that a step over `row` leads to. */
  after(row: ArrayLike<number>, { writes, sends }: Pick<StepTrace, 'writes' | 'sends'>): number[] {
    const next = Array.from({ length: this.columns }, (_, column) => row[column] ?? 0);
    for (const [column, value] of writes) next[column] = value;
    for (let i = 0; i < sends.length; i += 2) {
      const channel = sends[i]!;
      next[channel] = this.lists.join(next[channel]!, sends[i + 1]!);
    }
    return next;
  }

  #takeHead(row: ArrayLike<number>, column: number, trace: StepTrace): number[] {
    const [head, ...rest] = this.lists.values[row[column]!]!;
    trace.writes.set(column, this.lists.put(rest));
    return [this.channels[column - this.actors]!.to, head!];
  }

  #emit(from: number, sent: readonly number[], queue: number[], trace: StepTrace): void {
    for (let i = 0; i < sent.length; i += 2) {
      const event = sent[i + 1]!;
      if (this.store.queued[event] === 1) trace.sends.push(this.channel(from, sent[i]!), event);
      else queue.push(sent[i]!, event);
    }
  }

  /** The column of the messages in flight from one actor to another. */
  channel(from: number, to: number): number {
    const key = from * this.actors + to;
    let column = this.#channelOf.get(key);
    if (column === undefined) {
      column = this.columns;
      this.channels.push({ from, to });
      this.#channelOf.set(key, column);
    }
    return column;
  }

  /** The rules of a step: every question is answered, and an exec changes something unless it says that it only waits. */
  #check(row: ArrayLike<number>, column: number, event: number, trace: StepTrace, idles: boolean): void {
    let changed = trace.sends.length > 0;
    for (const [slot, value] of trace.writes) {
      if (value === row[slot]) continue;
      changed = true;
      const kind = this.kindOf(slot);
      const asking = kind && (kind.locals.values[value]!.context as { readonly asking?: string | null }).asking;
      if (asking) throw new ModelError(`${this.store.ids[slot]!} asked in its ${asking} frame and nobody answered`);
    }
    if (!changed && !idles && this.isExec(column, row[column]!, event)) {
      throw new ModelError(`${this.label(column, row[column]!, event)} changes nothing; a step that only waits must say idles`);
    }
  }
}
