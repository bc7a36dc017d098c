/**
 * The sequencer: keeps local states and messages in flight, lists the alternatives in canonical
 * order, and carries out a step, which is one choice and all the bus messages it causes. It knows
 * messages and offers; what they mean is the machines' business.
 */
import type { ActorId } from '../events/event.ts';
import type { Channels } from './channels.ts';
import type { Changers } from './deadlock.ts';
import type { ActorEngine } from './engine/port.ts';
import { Lineup } from './lineup.ts';
import { deliveryLabel, labelOf, NO_OFFERS, type Offers, OfferTable } from './offers.ts';
import { type Mark, Recorder } from './recorder.ts';
import { BLOCK_RECORDS, CHANGE, CHOICE, type RecordBlock, type RecordNames } from './records.ts';
import { type AlternativeKind, type Choice, Stepper } from './step.ts';
import { StepClasses } from './step-class.ts';
import type { Store } from './store.ts';

/** Takes whole blocks of records; a block is reused after the call. */
export type BlockSink = (block: RecordBlock, names: RecordNames) => void;

/** One alternative of the present state. @public */
export interface Alternative {
  readonly kind: AlternativeKind;
  readonly label: string;
  /** Whose offer it is, or who receives the message. */
  readonly slot: number;
  /** `deliver`: seq of the message's `send` record, which tells arrival order; else 0. */
  readonly arrival: number;
}

/** What a step did, as choosers and properties need it. Valid until the next step. */
export interface StepOutcome {
  readonly slot: number;
  readonly kind: AlternativeKind;
  /** The offer, or the message. */
  readonly event: number;
  /** Local state of the actor in `slot` before the step. */
  readonly local: number;
  /** Whether anything but the clock changed. */
  readonly changed: boolean;
  /** The CPU only waits for others. */
  readonly yields: boolean;
  /**
   * It waits, or has changed nothing, and does not compute either: it has retired nothing of its
   * own.
   */
  readonly waits: boolean;
  /** Whether it was more than a wait, and more than the scheduler's or the environment's own. */
  readonly isProgress: boolean;
  /** Program code ran: not only the scheduler and the environment. */
  readonly ran: boolean;
  /** Slots whose local state the step changed. */
  readonly touched: readonly number[];
}

export class Sequencer {
  readonly store: Store;
  readonly locals: readonly number[];
  readonly channels: Channels;
  readonly labels: string[] = [];
  /** Who can act in the present state. */
  readonly lineup: Lineup;
  readonly #engine: ActorEngine;
  readonly #stepper: Stepper;
  readonly #classes: StepClasses;
  readonly #world: Recorder;
  readonly #sink: BlockSink | null;
  readonly #block: RecordBlock;
  readonly #offers: OfferTable;
  readonly #offered: Offers[] = [];
  readonly #labelIds = new Map<string, number>();
  readonly #offerLabels: Map<number, number>[] = [];

  constructor(engine: ActorEngine, sink: BlockSink | null = null) {
    this.#engine = engine;
    this.#sink = sink;
    this.#stepper = new Stepper(engine);
    this.store = engine.store;
    this.#classes = new StepClasses(this.store);
    this.#offers = new OfferTable(this.store);
    this.#world = new Recorder(this.store, (choice) => this.labels[this.#labelAt(choice)]!);
    this.locals = this.#world.locals;
    this.channels = this.#world.channels;
    this.lineup = new Lineup(this.store.ids.length, this.channels.ordered);
    this.#block = this.#world.block;
  }

  /** Steps carried out. */
  get step(): number {
    return this.#world.step;
  }

  /** Records so far. */
  get seq(): number {
    return this.#world.seq;
  }

  /** Nominal time in ns. */
  get vtime(): number {
    return this.#world.vtime;
  }

  /** Who changed whom, to tell of a deadlock. */
  get changers(): Changers {
    return this.#world.changers;
  }

  /** Step 0: every actor in its initial state. */
  start(): void {
    this.#place(this.#engine.start());
    for (const [slot, local] of this.locals.entries()) {
      this.#world.seq++;
      this.#block.add(CHANGE, slot, local, -1, 0);
    }
    const { a, b } = this.digest;
    this.#block.endStep(this.locals.length, 0, a, b, 0, 0);
  }

  /**
   * Stands at the end of a step of an earlier run. Messages in flight are the caller's to put back.
   */
  resume(locals: readonly number[], at: { readonly step: number; readonly seq: number; readonly vtime: number }): void {
    this.#place(locals);
    this.#world.step = at.step;
    this.#world.seq = at.seq;
    this.#world.vtime = at.vtime;
    this.#block.reset(at.seq + 1, at.step + 1);
  }

  #place(locals: readonly number[]): void {
    for (const [slot, local] of locals.entries()) {
      this.#world.place(local);
      this.#offered.push(NO_OFFERS);
      this.#offerLabels.push(new Map());
      this.#refresh(slot);
    }
  }

  /** How many alternatives there are. */
  get count(): number {
    return this.lineup.count;
  }

  /**
   * The alternative at an index of the canonical order: heads of queues, then exec offers, then all
   * others, each by slot.
   */
  alternative(index: number): Alternative {
    const place = this.#locate(index);
    const arrival = place.queue >= 0 ? this.channels.ordered[place.queue]!.seqs[0]! : 0;
    return { kind: place.kind, label: this.labels[this.#labelAt(place)]!, slot: place.slot, arrival };
  }

  alternatives(): Alternative[] {
    return Array.from({ length: this.count }, (_, index) => this.alternative(index));
  }

  /**
   * Carries out the alternative at `index`.
   * @throws ModelError if the model breaks a rule of steps
   * @throws UnhandledEventError if an actor does not take what it is given
   */
  take(index: number): StepOutcome {
    if (this.isFull) this.flush();
    const count = this.count;
    const choice = this.#locate(index);
    const world = this.#world;
    const { slot, kind, event } = choice;
    const local = this.locals[slot]!;
    world.begin();
    const firstSeq = ++world.seq;
    world.step++;
    this.#block.add(CHOICE, choice.slot, this.#labelAt(choice), -1, 0);
    const { sent } = world;
    const effect = this.#stepper.take(world, choice, firstSeq);
    const { changed, ns, yields, computes, stepped } = effect;
    const { touched, before } = this.#stepper;
    const isFlight = world.sent > sent || this.channels.isChanged;
    const isProgress = this.#classes.isProgress(effect, { chosen: choice.slot, isFlight, touched, before, locals: this.locals });
    for (const slot of touched) this.#refresh(slot);
    const { a, b } = this.digest;
    this.#block.endStep(world.seq - firstSeq + 1, ns, a, b, index, count);
    world.vtime += ns;
    const waits = yields || !changed;
    return { slot, kind, event, local, changed, yields: waits, waits: waits && !computes, isProgress, ran: stepped.length > 0, touched };
  }

  /** The world's digest: local states and messages in flight. */
  get digest(): { readonly a: number; readonly b: number } {
    const { laneA, laneB } = this.#world;
    return { a: (laneA + this.channels.laneA) | 0, b: (laneB + this.channels.laneB) | 0 };
  }

  /** Whether the next step hands the records so far to the sink. */
  get isFull(): boolean {
    return this.#block.length >= BLOCK_RECORDS;
  }

  /** The state before the last step, to go back to as long as no records are handed on. */
  markBefore(): Mark {
    return this.#world.markBefore(this.#stepper.touched, this.#stepper.before);
  }

  /**
   * Takes the steps since a mark back. The actors of a live engine stay where they are: it can take
   * no further step.
   */
  rewind(mark: Mark): void {
    this.#world.rewind(mark);
    for (const slot of this.locals.keys()) this.#refresh(slot);
  }

  /** Hands the records so far to the sink. */
  flush(): void {
    if (this.#block.length === 0) return;
    this.#world.settle();
    this.#sink?.(this.#block, { store: this.store, labels: this.labels });
    this.#block.reset(this.seq + 1, this.step + 1);
  }

  actorId(slot: number): ActorId {
    return this.store.ids[slot]!;
  }

  /** Looks again at what the actor in `slot` offers. */
  #refresh(slot: number): void {
    const offers = this.#offers.of(this.store.kindOfSlot[slot]!, this.locals[slot]!);
    if (offers === this.#offered[slot]) return;
    this.#offered[slot] = offers;
    this.lineup.set(slot, offers.exec.length, offers.otherCount, offers.shares);
  }

  #locate(index: number): Choice {
    const { ordered } = this.channels;
    if (index < 0 || index >= this.count || !Number.isInteger(index))
      throw new RangeError(`there is no alternative ${index}; step ${this.step + 1} has ${this.count}`);
    if (index < ordered.length) return { kind: 'deliver', queue: index, slot: ordered[index]!.to, event: ordered[index]!.events[0]! };
    const { lineup } = this;
    if (index < ordered.length + lineup.moves) {
      const slot = lineup.moverOf(index);
      return { kind: 'exec', queue: -1, slot, event: this.#offered[slot]!.exec[index - lineup.firstMove(slot)]! };
    }
    const slot = lineup.offererOf(index);
    return { kind: 'offer', queue: -1, slot, event: this.#offered[slot]!.otherAt(index - lineup.firstOffer(slot)) };
  }

  #labelAt({ queue, slot, event }: Choice): number {
    if (queue >= 0) {
      const { from, to } = this.channels.ordered[queue]!;
      return this.#labelId(deliveryLabel(this.store.events.values[event]!.type, this.store.ids[from]!, this.store.ids[to]!));
    }
    const known = this.#offerLabels[slot]!;
    let id = known.get(event);
    if (id === undefined) {
      id = this.#labelId(labelOf(this.store.ids[slot]!, this.store.events.values[event]!));
      known.set(event, id);
    }
    return id;
  }

  #labelId(label: string): number {
    let id = this.#labelIds.get(label);
    if (id === undefined) {
      id = this.labels.length;
      this.labels.push(label);
      this.#labelIds.set(label, id);
    }
    return id;
  }
}
