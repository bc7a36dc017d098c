/**
 * The sequencer: keeps local states and messages in flight, lists the alternatives in canonical order, and carries out a step, which
 * is one choice and all the bus messages it causes. It knows messages and offers; what they mean is the machines' business.
 */
import type { ActorId } from '../events/event.ts';
import { slotLaneA, slotLaneB } from './canonical.ts';
import { Channels } from './channels.ts';
import { type ActorEngine, ModelError } from './engine/port.ts';
import { deliveryLabel, labelOf, type Offers, OfferTable } from './offers.ts';
import { BLOCK_RECORDS, CHANGE, CHOICE, DELIVER, RecordBlock, type RecordNames, SEND } from './records.ts';
import type { Store } from './store.ts';

/** Takes whole blocks of records; a block is reused after the call. */
export type BlockSink = (block: RecordBlock, names: RecordNames) => void;

export type AlternativeKind = 'deliver' | 'exec' | 'offer';

/** One alternative of the present state. */
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
  /** Whether anything but the clock changed. */
  readonly changed: boolean;
  /** The CPU only waits for others. */
  readonly yields: boolean;
  /** It waits, or has changed nothing, and does not compute either: it has retired nothing of its own. */
  readonly waits: boolean;
  /** Slots whose local state the step changed. */
  readonly touched: readonly number[];
}

/** Deliveries in one step before it counts as a livelock on the bus. */
const BUS_MAX = 10_000;

export class Sequencer {
  readonly store: Store;
  readonly locals: number[] = [];
  readonly channels: Channels;
  readonly labels: string[] = [];
  step = 0;
  seq = 0;
  vtime = 0;
  laneA = 0;
  laneB = 0;
  readonly #engine: ActorEngine;
  readonly #sink: BlockSink | null;
  readonly #block = new RecordBlock();
  readonly #offers: OfferTable;
  readonly #offered: Offers[] = [];
  #execCount = 0;
  #otherCount = 0;
  readonly #labelIds = new Map<string, number>();
  readonly #offerLabels: Map<number, number>[] = [];
  /** Bus messages of the present step; only the first `#queued` entries count. */
  #queued = 0;
  readonly #queueSlot: number[] = [];
  readonly #queueEvent: number[] = [];
  readonly #queueCause: number[] = [];
  readonly #touched: number[] = [];

  constructor(engine: ActorEngine, sink: BlockSink | null = null) {
    this.#engine = engine;
    this.#sink = sink;
    this.store = engine.store;
    this.channels = new Channels(this.store);
    this.#offers = new OfferTable(this.store);
  }

  /** Step 0: every actor in its initial state. */
  start(): void {
    this.#place(this.#engine.start());
    for (const [slot, local] of this.locals.entries()) {
      this.seq++;
      this.#block.add(CHANGE, slot, local, -1, 0);
    }
    this.#block.endStep(this.locals.length, 0, this.laneA, this.laneB, 0, 0);
  }

  /** Stands at the end of a step of an earlier run. Messages in flight are the caller's to put back. */
  resume(locals: readonly number[], at: { readonly step: number; readonly seq: number; readonly vtime: number }): void {
    this.#place(locals);
    this.step = at.step;
    this.seq = at.seq;
    this.vtime = at.vtime;
    this.#block.reset(at.seq + 1, at.step + 1);
  }

  #place(locals: readonly number[]): void {
    for (const [slot, local] of locals.entries()) {
      this.locals.push(local);
      this.#addLanes(slot, local, 1);
      this.#offered.push({ exec: [], other: [] });
      this.#offerLabels.push(new Map());
      this.#refresh(slot);
    }
  }

  /** How many alternatives there are. */
  get count(): number {
    return this.channels.ordered.length + this.#execCount + this.#otherCount;
  }

  /** The alternative at an index of the canonical order: heads of queues, then exec offers, then all others, each by slot. */
  alternative(index: number): Alternative {
    const place = this.#locate(index);
    const { channel, slot, event } = place;
    if (channel >= 0) {
      const { seqs } = this.channels.ordered[channel]!;
      return { kind: 'deliver', label: this.labels[this.#labelAt(place)]!, slot, arrival: seqs[0]! };
    }
    const kind = this.#offered[slot]!.exec.includes(event) ? 'exec' : 'offer';
    return { kind, label: this.labels[this.#labelAt(place)]!, slot, arrival: 0 };
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
    const count = this.count;
    const place = this.#locate(index);
    const label = this.#labelAt(place);
    const kind: AlternativeKind =
      place.channel >= 0 ? 'deliver' : index < this.channels.ordered.length + this.#execCount ? 'exec' : 'offer';
    const laneA = this.laneA;
    const laneB = this.laneB;
    const flightA = this.channels.laneA;
    const flightB = this.channels.laneB;
    const firstSeq = ++this.seq;
    this.step++;
    this.#block.add(CHOICE, place.slot, label, -1, 0);
    this.#touched.length = 0;
    if (place.channel >= 0) {
      const { event, seq } = this.channels.take(place.channel);
      this.seq++;
      this.#block.add(DELIVER, place.slot, event, -1, this.seq - seq);
      this.#push(place.slot, event, this.seq);
    } else {
      this.#push(place.slot, place.event, firstSeq);
    }
    const { ns, idles, yields, computes } = this.#drain();
    const changed = laneA !== this.laneA || laneB !== this.laneB || flightA !== this.channels.laneA || flightB !== this.channels.laneB;
    if (!changed && kind === 'exec' && !idles) {
      throw new ModelError(`${this.labels[label]} changes nothing; a step that only waits must say idles`);
    }
    for (const slot of this.#touched) this.#refresh(slot);
    const digestA = (this.laneA + this.channels.laneA) | 0;
    const digestB = (this.laneB + this.channels.laneB) | 0;
    this.#block.endStep(this.seq - firstSeq + 1, ns, digestA, digestB, index, count);
    this.vtime += ns;
    if (this.#block.length >= BLOCK_RECORDS) this.flush();
    return {
      slot: place.slot,
      kind,
      changed,
      yields: yields || !changed,
      waits: (yields || !changed) && !computes,
      touched: this.#touched,
    };
  }

  /** The world's digest: local states and messages in flight. */
  get digest(): { readonly a: number; readonly b: number } {
    return { a: (this.laneA + this.channels.laneA) | 0, b: (this.laneB + this.channels.laneB) | 0 };
  }

  /** Hands the records so far to the sink. */
  flush(): void {
    if (this.#block.length === 0) return;
    this.#sink?.(this.#block, { store: this.store, labels: this.labels });
    this.#block.reset(this.seq + 1, this.step + 1);
  }

  actorId(slot: number): ActorId {
    return this.store.ids[slot]!;
  }

  #push(slot: number, event: number, cause: number): void {
    const at = this.#queued++;
    this.#queueSlot[at] = slot;
    this.#queueEvent[at] = event;
    this.#queueCause[at] = cause;
  }

  /** Delivers bus messages first in, first out, until none is left. */
  #drain(): { ns: number; idles: boolean; yields: boolean; computes: boolean } {
    const slots = this.#queueSlot;
    let ns = 0;
    let idles = false;
    let yields = false;
    let computes = false;
    for (let at = 0; at < this.#queued; at++) {
      if (at > BUS_MAX)
        throw new ModelError(`more than ${BUS_MAX} bus messages in step ${this.step}: the actors answer each other for ever`);
      const slot = slots[at]!;
      const cause = this.#queueCause[at]!;
      const local = this.locals[slot]!;
      const reaction = this.#engine.deliver(slot, local, this.#queueEvent[at]!);
      ns += reaction.costNs;
      idles ||= reaction.idles;
      yields ||= reaction.yields;
      computes ||= reaction.computes;
      if (reaction.next !== local) this.#change(slot, reaction.next, cause);
      const { sent } = reaction;
      for (let i = 0; i < sent.length; i += 2) this.#emit(slot, sent[i]!, sent[i + 1]!, cause);
    }
    this.#queued = 0;
    return { ns, idles, yields, computes };
  }

  #emit(from: number, to: number, event: number, cause: number): void {
    if (this.store.latched[event] === 1 && this.channels.has(from, to, event)) return;
    this.seq++;
    if (this.store.queued[event] === 1) {
      this.#block.add(SEND, from, event, to, this.seq - cause);
      this.channels.push(from, to, event, this.seq);
    } else {
      this.#block.add(DELIVER, to, event, -1, this.seq - cause);
      this.#push(to, event, this.seq);
    }
  }

  #change(slot: number, next: number, cause: number): void {
    this.#addLanes(slot, this.locals[slot]!, -1);
    this.#addLanes(slot, next, 1);
    this.locals[slot] = next;
    if (!this.#touched.includes(slot)) this.#touched.push(slot);
    this.seq++;
    this.#block.add(CHANGE, slot, next, -1, this.seq - cause);
  }

  #addLanes(slot: number, local: number, sign: 1 | -1): void {
    const { laneA, laneB } = this.store.kindOfSlot[slot]!.locals;
    this.laneA = (this.laneA + sign * slotLaneA(laneA[local]!, slot)) | 0;
    this.laneB = (this.laneB + sign * slotLaneB(laneB[local]!, slot)) | 0;
  }

  /** Looks again at what the actor in `slot` offers. */
  #refresh(slot: number): void {
    const old = this.#offered[slot]!;
    const next = this.#offers.of(this.store.kindOfSlot[slot]!, this.locals[slot]!);
    this.#execCount += next.exec.length - old.exec.length;
    this.#otherCount += next.other.length - old.other.length;
    this.#offered[slot] = next;
  }

  #locate(index: number): { channel: number; slot: number; event: number } {
    const { ordered } = this.channels;
    if (index < 0 || index >= this.count || !Number.isInteger(index))
      throw new RangeError(`there is no alternative ${index}; step ${this.step + 1} has ${this.count}`);
    if (index < ordered.length) return { channel: index, slot: ordered[index]!.to, event: -1 };
    let left = index - ordered.length;
    const moves = left < this.#execCount;
    if (!moves) left -= this.#execCount;
    for (let slot = 0; ; slot++) {
      const offers = moves ? this.#offered[slot]!.exec : this.#offered[slot]!.other;
      if (left < offers.length) return { channel: -1, slot, event: offers[left]! };
      left -= offers.length;
    }
  }

  #labelAt({ channel, slot, event }: { channel: number; slot: number; event: number }): number {
    if (channel >= 0) {
      const { from, to, events } = this.channels.ordered[channel]!;
      return this.#labelId(deliveryLabel(this.store.events.values[events[0]!]!.type, this.store.ids[from]!, this.store.ids[to]!));
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
