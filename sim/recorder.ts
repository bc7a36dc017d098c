/** The world that the sequencer steps: local states, messages in flight and the digest, with a record of each thing that happens. */
import { slotLaneA, slotLaneB } from './canonical.ts';
import { Channels } from './channels.ts';
import { Changers } from './deadlock.ts';
import { CHANGE, DELIVER, RecordBlock, SEND } from './records.ts';
import type { Choice, StepWorld } from './step.ts';
import type { Store } from './store.ts';

export class Recorder implements StepWorld {
  readonly store: Store;
  readonly locals: number[] = [];
  readonly channels: Channels;
  readonly block = new RecordBlock();
  /** Who changed whom, to tell of a deadlock. */
  readonly changers = new Changers();
  /** The name of a choice. */
  readonly label: (choice: Choice) => string;
  step = 0;
  seq = 0;
  /** What local states add to the digest. */
  laneA = 0;
  laneB = 0;

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

  change(slot: number, next: number, cause: number, event: number): void {
    this.#addLanes(slot, this.locals[slot]!, -1);
    this.#addLanes(slot, next, 1);
    this.locals[slot] = next;
    this.seq++;
    this.block.add(CHANGE, slot, next, -1, this.seq - cause);
    const sender = this.store.senders[event]!;
    if (sender >= 0) this.changers.note(slot, sender);
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
    if (!joins) return;
    this.seq++;
    this.block.add(SEND, from, event, to, this.seq - cause);
    this.channels.push(from, to, event, this.seq);
  }

  isFlightChanged(): boolean {
    return this.channels.isChanged;
  }

  #addLanes(slot: number, local: number, sign: 1 | -1): void {
    const { laneA, laneB } = this.store.kindOfSlot[slot]!.locals;
    this.laneA = (this.laneA + sign * slotLaneA(laneA[local]!, slot)) | 0;
    this.laneB = (this.laneB + sign * slotLaneB(laneB[local]!, slot)) | 0;
  }
}
