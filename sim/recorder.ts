/**
 * The world that the sequencer steps: local states, messages in flight and the digest, with a
 * record of each thing that happens.
 */
import { slotLaneA, slotLaneB } from './canonical.ts';
import { Channels, type Flight } from './channels.ts';
import { Changers } from './deadlock.ts';
import { CHANGE, DELIVER, RecordBlock, SEND } from './records.ts';
import type { Choice, StepWorld } from './step.ts';
import type { Store } from './store.ts';

/** Numbers of the world between two steps. */
interface Counts {
  laneA: number;
  laneB: number;
  step: number;
  seq: number;
  vtime: number;
  /** How long the block of records is, in records and in steps. */
  records: number;
  steps: number;
  notes: number;
}

/** The world between two steps, to go back to. */
export interface Mark extends Readonly<Counts> {
  readonly locals: readonly number[];
  readonly flight: Flight;
}

export class Recorder implements StepWorld {
  readonly store: Store;
  readonly locals: number[] = [];
  readonly channels: Channels;
  readonly block = new RecordBlock();
  /** The name of a choice. */
  readonly label: (choice: Choice) => string;
  step = 0;
  seq = 0;
  /** What local states add to the digest. */
  laneA = 0;
  laneB = 0;
  /** Nominal time in ns. */
  vtime = 0;
  /** Queued messages that actors have sent, those that were in flight already among them. */
  sent = 0;
  readonly #changers = new Changers();
  /** Pairs of who was changed and who changed it, which may be taken back. */
  readonly #notes: number[] = [];
  /** Before the step that goes on, or the last one. */
  readonly #before: Counts = { laneA: 0, laneB: 0, step: 0, seq: 0, vtime: 0, records: 0, steps: 0, notes: 0 };

  constructor(store: Store, label: (choice: Choice) => string) {
    this.store = store;
    this.channels = new Channels(store);
    this.label = label;
  }

  stepName(): string {
    return `step ${this.step}`;
  }

  local(slot: number): number {
    return this.locals[slot]!;
  }

  /** Puts the actor of the next slot in. */
  place(local: number): void {
    this.#addLanes(this.locals.length, local, 1);
    this.locals.push(local);
  }

  change(slot: number, next: number, cause: number, by: number): void {
    this.#addLanes(slot, this.locals[slot]!, -1);
    this.#addLanes(slot, next, 1);
    this.locals[slot] = next;
    this.seq++;
    this.block.add(CHANGE, slot, next, -1, this.seq - cause);
    if (by >= 0) this.#notes.push(slot, by);
  }

  inFlight(from: number, to: number): readonly number[] {
    return this.channels.between(from, to);
  }

  takeHead({ slot, event, queue }: Choice): number {
    return this.deliver(slot, event, this.channels.take(queue));
  }

  deliver(to: number, event: number, cause: number): number {
    this.seq++;
    this.block.add(DELIVER, to, event, -1, this.seq - cause);
    return this.seq;
  }

  send(from: number, to: number, event: number, cause: number, joins: boolean): void {
    this.sent++;
    if (!joins) return;
    this.seq++;
    this.block.add(SEND, from, event, to, this.seq - cause);
    this.channels.push(from, to, event, this.seq);
  }

  isFlightChanged(): boolean {
    return this.channels.isChanged;
  }

  /** Who changed whom, to tell of a deadlock. */
  get changers(): Changers {
    this.settle();
    return this.#changers;
  }

  /** Keeps all steps so far: marks are no longer good. */
  settle(): void {
    const notes = this.#notes;
    for (let i = 0; i < notes.length; i += 2) this.#changers.note(notes[i]!, notes[i + 1]!);
    notes.length = 0;
  }

  /** To be called before each step. */
  begin(): void {
    const before = this.#before;
    before.laneA = this.laneA;
    before.laneB = this.laneB;
    before.step = this.step;
    before.seq = this.seq;
    before.vtime = this.vtime;
    before.records = this.block.length;
    before.steps = this.block.steps;
    before.notes = this.#notes.length;
    this.channels.mark();
  }

  /**
   * The state before the last step, which has changed the local states of `touched` from `before`.
   */
  markBefore(touched: readonly number[], before: readonly number[]): Mark {
    const locals = this.locals.slice();
    for (let i = 0; i < touched.length; i++) locals[touched[i]!] = before[i]!;
    const { laneA, laneB, step, seq, vtime, records, steps, notes } = this.#before;
    return { locals, flight: this.channels.marked, laneA, laneB, step, seq, vtime, records, steps, notes };
  }

  /** Goes back to a mark. No records were handed on since then. */
  rewind(mark: Mark): void {
    for (const [slot, local] of mark.locals.entries()) this.locals[slot] = local;
    this.channels.restore(mark.flight);
    this.laneA = mark.laneA;
    this.laneB = mark.laneB;
    this.step = mark.step;
    this.seq = mark.seq;
    this.vtime = mark.vtime;
    this.block.length = mark.records;
    this.block.steps = mark.steps;
    this.#notes.length = mark.notes;
  }

  #addLanes(slot: number, local: number, sign: 1 | -1): void {
    const { laneA, laneB } = this.store.kindOfSlot[slot]!.locals;
    this.laneA = (this.laneA + sign * slotLaneA(laneA[local]!, slot)) | 0;
    this.laneB = (this.laneB + sign * slotLaneB(laneB[local]!, slot)) | 0;
  }
}
