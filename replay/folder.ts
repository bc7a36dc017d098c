/**
 * The state of the world, one record after the other, and its digest as the sequencer computes it.
 */
import type { JournalRecord, JsonObject } from '../events/journal.ts';
import {
  canonical,
  channelLaneA,
  channelLaneB,
  digestOf,
  hexOf,
  type Lanes,
  queueLaneA,
  queueLaneB,
  slotLaneA,
  slotLaneB,
} from '../sim/canonical.ts';

/** A queued message that was sent and not yet delivered. @public */
export interface InFlight {
  /** seq of its `send`. */
  readonly seq: number;
  readonly from: string;
  readonly to: string;
  readonly type: string;
  readonly payload: JsonObject;
}

/** The state at the end of a step, from the records alone. @public */
export interface FoldedState {
  readonly step: number;
  /** The last record that is part of the state. */
  readonly seq: number;
  /** Sum of nominal costs up to and including the step. */
  readonly vtime: number;
  /** The digest of this state, computed from it: 16 hexadecimal digits. */
  readonly digest: string;
  /** `{value, context}` by actor, in slot order. */
  readonly actors: ReadonlyMap<string, JsonObject>;
  /**
   * By channel: sender, then receiver, both in slot order; within a channel in order of sending.
   */
  readonly inFlight: readonly InFlight[];
}

/** The records contradict each other, or the digests that stand beside them. @public */
export class FoldError extends Error {
  override readonly name = 'FoldError';
  readonly step: number;
  readonly seq: number;
  constructor(step: number, seq: number, reason: string) {
    super(`record ${seq} of step ${step}: ${reason}`);
    this.step = step;
    this.seq = seq;
  }
}

interface Message extends InFlight {
  readonly lanes: Lanes;
}

/**
 * The messages from one actor to another that are in flight, and what they add to the world's
 * lanes.
 */
interface Channel {
  readonly from: number;
  readonly to: number;
  /** By seq, in order of sending. */
  readonly queue: Map<number, Message>;
  a: number;
  b: number;
}

/** Lanes by payload: records of one journal share their payloads, so that each is encoded once. */
class KnownLanes {
  readonly #known = new WeakMap<JsonObject, { readonly type: string; readonly from: string | null; readonly lanes: Lanes }>();

  ofLocal(local: JsonObject): Lanes {
    return this.#get(local, 'state', null) ?? this.#put(local, 'state', null, local);
  }

  ofEvent(type: string, from: string | null, payload: JsonObject): Lanes {
    return (
      this.#get(payload, type, from) ?? this.#put(payload, type, from, from === null ? { ...payload, type } : { ...payload, type, from })
    );
  }

  #get(payload: JsonObject, type: string, from: string | null): Lanes | null {
    const known = this.#known.get(payload);
    return known && known.type === type && known.from === from ? known.lanes : null;
  }

  #put(payload: JsonObject, type: string, from: string | null, whole: JsonObject): Lanes {
    const lanes = digestOf(canonical(whole));
    this.#known.set(payload, { type, from, lanes });
    return lanes;
  }
}

export class Folder {
  readonly #ids: readonly string[];
  readonly #slots: ReadonlyMap<string, number>;
  readonly #locals: (JsonObject | null)[];
  /** What each slot adds to the world's lanes. */
  readonly #localA: Int32Array;
  readonly #localB: Int32Array;
  /** By sender slot * actors + receiver slot; those with messages only. */
  readonly #channels = new Map<number, Channel>();
  /** By the seq of a message in flight. */
  readonly #channelOf = new Map<number, Channel>();
  /** Those whose part of the world's lanes is not up to date. */
  readonly #changed = new Set<Channel>();
  readonly #known = new KnownLanes();
  #a = 0;
  #b = 0;
  #seq = 0;
  #step = 0;

  /** `actors`: ids in slot order. */
  constructor(actors: readonly string[]) {
    this.#ids = actors;
    this.#slots = new Map(actors.map((id, slot) => [id, slot]));
    this.#locals = actors.map(() => null);
    this.#localA = new Int32Array(actors.length);
    this.#localB = new Int32Array(actors.length);
  }

  /** Puts the folder at the end of a step. */
  restore(step: number, seq: number, locals: readonly JsonObject[], inFlight: readonly InFlight[]): void {
    this.#step = step;
    this.#seq = seq;
    for (const [slot, local] of locals.entries()) this.#setLocal(slot, local);
    for (const message of inFlight) this.#send(message);
  }

  /** @throws FoldError if the record cannot follow the ones before it */
  apply(record: JournalRecord): void {
    const { kind, seq, step, payload } = record;
    const slot = this.#slots.get(record.actor);
    if (seq !== this.#seq + 1) throw new FoldError(step, seq, `expected was record ${this.#seq + 1}`);
    if (slot === undefined) throw new FoldError(step, seq, `${record.actor} is no actor of this run`);
    this.#seq = seq;
    this.#step = step;
    if (kind === 'change') this.#setLocal(slot, payload);
    else if (kind === 'send') {
      if (record.peer === null) throw new FoldError(step, seq, 'a message without receiver');
      this.#send({ seq, from: record.actor, to: record.peer, type: record.type, payload });
    } else if (kind === 'deliver') this.#deliver(record, slot);
  }

  #setLocal(slot: number, local: JsonObject): void {
    const lanes = this.#known.ofLocal(local);
    const a = slotLaneA(lanes.a, slot);
    const b = slotLaneB(lanes.b, slot);
    this.#a = (this.#a - this.#localA[slot]! + a) | 0;
    this.#b = (this.#b - this.#localB[slot]! + b) | 0;
    this.#locals[slot] = local;
    this.#localA[slot] = a;
    this.#localB[slot] = b;
  }

  #send(message: InFlight): void {
    const from = this.#slots.get(message.from);
    const to = this.#slots.get(message.to);
    if (from === undefined || to === undefined) {
      throw new FoldError(this.#step, message.seq, `${message.from} or ${message.to} is no actor of this run`);
    }
    const key = from * this.#ids.length + to;
    const channel = this.#channels.get(key) ?? { from, to, queue: new Map(), a: 0, b: 0 };
    if (channel.queue.size === 0) this.#channels.set(key, channel);
    channel.queue.set(message.seq, { ...message, lanes: this.#known.ofEvent(message.type, message.from, message.payload) });
    this.#channelOf.set(message.seq, channel);
    this.#changed.add(channel);
  }

  /** A message that was sent before leaves the flight; a bus message was never in it. */
  #deliver({ step, seq, cause, type, peer, payload }: JournalRecord, slot: number): void {
    const channel = this.#channelOf.get(cause);
    if (channel === undefined) return;
    const { lanes } = channel.queue.get(cause)!;
    const delivered = this.#known.ofEvent(type, peer, payload);
    if (channel.to !== slot || lanes.a !== delivered.a || lanes.b !== delivered.b) {
      throw new FoldError(step, seq, `what is delivered is not what record ${cause} sent`);
    }
    channel.queue.delete(cause);
    this.#channelOf.delete(cause);
    this.#changed.add(channel);
    if (channel.queue.size === 0) this.#channels.delete(channel.from * this.#ids.length + channel.to);
  }

  /**
   * Brings up to date what a channel adds to the world's lanes: nothing while it is empty. Once for
   * each digest that is asked for, as it takes as long as the queue is.
   */
  #weigh(channel: Channel): void {
    const { from, to, queue } = channel;
    let a = 0;
    let b = 0;
    for (const { lanes } of queue.values()) {
      a = queueLaneA(a, lanes.a);
      b = queueLaneB(b, lanes.b);
    }
    a = queue.size === 0 ? 0 : channelLaneA(a, from, to);
    b = queue.size === 0 ? 0 : channelLaneB(b, from, to);
    this.#a = (this.#a - channel.a + a) | 0;
    this.#b = (this.#b - channel.b + b) | 0;
    channel.a = a;
    channel.b = b;
  }

  /** The digest of the state as it is now. */
  digest(): Lanes {
    for (const channel of this.#changed) this.#weigh(channel);
    this.#changed.clear();
    return { a: this.#a, b: this.#b };
  }

  /**
   * The state as it is now, with the vtime that the caller knows.
   * @throws FoldError if an actor has no state yet
   */
  state(vtime: number): FoldedState {
    const actors = new Map<string, JsonObject>();
    for (const [slot, id] of this.#ids.entries()) {
      const local = this.#locals[slot];
      if (!local) throw new FoldError(this.#step, this.#seq, `${id} has no state yet`);
      actors.set(id, local);
    }
    const inFlight = [...this.#channels]
      .sort(([a], [b]) => a - b)
      .flatMap(([, { queue }]) => Array.from(queue.values(), ({ lanes: _, ...message }) => message));
    const { a, b } = this.digest();
    return { step: this.#step, seq: this.#seq, vtime, digest: hexOf(a, b), actors, inFlight };
  }
}
