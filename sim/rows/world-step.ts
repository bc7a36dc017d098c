/**
 * One whole step over a row of integers, with what it read and wrote instead of records. The
 * explorer remembers it by exactly what it read.
 */
import { channelLaneA, channelLaneB, slotLaneA, slotLaneB } from '../canonical.ts';
import type { MemoEngine } from '../engine/memo.ts';
import { deliveryLabel, labelOf, OfferTable } from '../offers.ts';
import { type PlainWorld, restore } from '../restore.ts';
import { type AlternativeKind, type StepEffect, Stepper } from '../step.ts';
import { type StepClass, StepClasses } from '../step-class.ts';
import type { Kind, Store } from '../store.ts';
import { Footprint } from './footprint.ts';
import { Lists } from './lists.ts';

/** What a step read, wrote and sent, and what it did. */
export interface StepTrace
  extends StepEffect,
    Pick<Footprint, 'reads' | 'writes' | 'sends' | 'queues' | 'joined' | 'asks' | 'changes' | 'given'> {
  /** What it is to those who wait. */
  readonly stepClass: StepClass;
  /** It breaks a rule where it changes nothing: the move of a processor, in no state that idles. */
  readonly mustChange: boolean;
}

const NONE: readonly number[] = [];
const HEAD: readonly number[] = [-1];

interface Channel {
  readonly from: number;
  readonly to: number;
}

/**
 * The columns of a row: actors first, then a column for each pair of actors that ever had a message
 * in flight.
 */
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
  /** By kind and local state. */
  readonly #alternatives: (readonly number[])[][];
  readonly #channelOf = new Map<number, number>();
  readonly #stepper: Stepper;
  readonly #classes: StepClasses;

  /**
   * `from`: the state to start in instead of the initial one.
   * @throws RestoreError if the model does not know it
   */
  constructor(engine: MemoEngine, from: PlainWorld | null = null) {
    this.engine = engine;
    this.store = engine.store;
    this.#stepper = new Stepper(engine);
    this.#classes = new StepClasses(this.store);
    this.lists = new Lists(this.store);
    this.offers = new OfferTable(this.store);
    this.#alternatives = this.store.kinds.map(() => []);
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

  /**
   * Columns, and different values of all of them: as long as it is the same, nothing new was met.
   */
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

  /**
   * Events that can be given to a column in this value: its offers, or -1 for the head of a queue.
   * Moves come first.
   */
  alternatives(column: number, value: number): readonly number[] {
    const kind = this.kindOf(column);
    if (!kind) return value === 0 ? NONE : HEAD;
    const known = this.#alternatives[kind.index]!;
    if (known[value] === undefined) {
      const { exec, other } = this.offers.of(kind, value);
      known[value] = [...exec, ...other];
    }
    return known[value];
  }

  /** How many alternatives there are. */
  countOf(row: ArrayLike<number>): number {
    let count = 0;
    for (let column = 0; column < row.length; column++) count += this.alternatives(column, row[column]!).length;
    return count;
  }

  /** What kind of step an alternative of a column is. */
  kindOfStep(row: ArrayLike<number>, column: number, event: number): AlternativeKind {
    const kind = this.kindOf(column);
    if (!kind) return 'deliver';
    return this.offers.of(kind, row[column]!).exec.includes(event) ? 'exec' : 'offer';
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
    const footprint = new Footprint(this, row, column);
    const kind = this.kindOfStep(row, column, event);
    const choice =
      kind === 'deliver'
        ? { kind, queue: column, slot: this.channels[column - this.actors]!.to, event: this.lists.values[row[column]!]![0]! }
        : { kind, queue: -1, slot: column, event };
    const effect = this.#stepper.take(footprint, choice, 0);
    const { reads, writes, sends, queues, joined, asks, changes, given } = footprint;
    const stepClass = this.#classes.of(row, { chosen: choice.slot, effect, sends: sends.length > 0, writes });
    return {
      reads,
      writes,
      sends,
      queues,
      joined,
      asks,
      changes,
      given,
      stepClass,
      ...effect,
      mustChange: kind === 'exec' && !effect.idles,
    };
  }

  /** The row that a step over `row` leads to. */
  after(row: ArrayLike<number>, { writes, queues }: Pick<StepTrace, 'writes' | 'queues'>): number[] {
    const next = Array.from({ length: this.columns }, (_, column) => row[column] ?? 0);
    for (const [column, value] of writes) next[column] = value;
    for (const [column, list] of queues) next[column] = list;
    return next;
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
}
