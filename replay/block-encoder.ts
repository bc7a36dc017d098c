/**
 * Turns the integer columns of the sequencer into the payload of a record block, and knows the
 * state that they lead to.
 */
import { BLOCK_RECORDS, CHANGE, CHOICE, DELIVER, type RecordBlock, type RecordNames, SEND } from '../sim/records.ts';
import type { Store } from '../sim/store.ts';
import { encodeShared } from './codec-msgpack.ts';
import { DictionaryWriter, EVENTS, LABELS, LOCALS } from './dictionary.ts';
import { Column } from './varint.ts';

/** A block is closed at the end of the step that brings it to this size, or to BLOCK_RECORDS. */
const BLOCK_BYTES = 64 * 1024;

/** A queued message: slots of sender and receiver, and the event's id in the file. */
export interface FlightEntry {
  readonly seq: number;
  readonly from: number;
  readonly to: number;
  readonly event: number;
}

/** The whole state after a step, in ids of the file. */
export interface StateInIds {
  readonly vtime: number;
  readonly laneA: number;
  readonly laneB: number;
  /** By slot; -1 where no record gave the actor a state. */
  readonly locals: readonly number[];
  /** By seq. */
  readonly inFlight: readonly FlightEntry[];
}

/** Ids of a store -> ids of the file; -1 where the file has none yet. */
class IdMap {
  ids = new Int32Array(256).fill(-1);
  cover(size: number): void {
    if (size <= this.ids.length) return;
    const grown = new Int32Array(Math.max(size, 2 * this.ids.length)).fill(-1);
    grown.set(this.ids);
    this.ids = grown;
  }
}

/** How far into a RecordBlock the encoder is. */
export interface BlockCursor {
  step: number;
  record: number;
}

export class BlockEncoder {
  firstSeq = 1;
  firstStep = 0;
  records = 0;
  steps = 0;
  /** Nominal ns of all steps before the next one. */
  vtime = 0;
  laneA = 0;
  laneB = 0;
  readonly dictionary = new DictionaryWriter();
  /** File id of each slot's local state; -1 before its first change. */
  readonly locals: Int32Array;
  /** Queued messages by the seq of their send. */
  readonly inFlight = new Map<number, FlightEntry>();
  #vtimeStart = 0;
  readonly #heads = new Column();
  readonly #ids = new Column();
  readonly #backs = new Column();
  readonly #peers = new Column();
  readonly #steps = new Column();
  readonly #digests = new Column();
  readonly #choices = new Column();
  #store: Store | null = null;
  #labelIds = new IdMap();
  #eventIds = new IdMap();
  #localIds: IdMap[] = [];
  #localIdsOfSlot: IdMap[] = [];

  constructor(actors: number) {
    this.locals = new Int32Array(actors).fill(-1);
  }

  get nextSeq(): number {
    return this.firstSeq + this.records;
  }

  get nextStep(): number {
    return this.firstStep + this.steps;
  }

  /** Puts the encoder behind what a file holds already. */
  resume(nextSeq: number, nextStep: number, { vtime, laneA, laneB, locals, inFlight }: StateInIds): void {
    this.firstSeq = nextSeq;
    this.firstStep = nextStep;
    this.vtime = vtime;
    this.#vtimeStart = vtime;
    this.laneA = laneA;
    this.laneB = laneB;
    this.locals.set(locals);
    for (const entry of inFlight) this.inFlight.set(entry.seq, entry);
  }

  get full(): boolean {
    return this.records >= BLOCK_RECORDS || this.#bytes >= BLOCK_BYTES;
  }

  get #bytes(): number {
    const columns = this.#heads.length + this.#ids.length + this.#backs.length + this.#peers.length;
    return columns + this.#steps.length + this.#digests.length + this.#choices.length + this.dictionary.bytes;
  }

  /**
   * Takes steps from the cursor on until the block is full or `block` is used up. Where blocks end
   * depends on the records alone.
   */
  add(block: RecordBlock, names: RecordNames, cursor: BlockCursor): void {
    this.#bind(names);
    while (cursor.step < block.steps && !this.full) {
      const length = block.stepLength[cursor.step]!;
      this.#encodeStep(block, cursor.step, length);
      this.#encodeRecords(block, names, cursor.record, cursor.record + length);
      cursor.step++;
      cursor.record += length;
    }
  }

  #bind({ store, labels }: RecordNames): void {
    if (this.#store !== store) {
      this.#store = store;
      this.#labelIds = new IdMap();
      this.#eventIds = new IdMap();
      this.#localIds = store.kinds.map(() => new IdMap());
      this.#localIdsOfSlot = store.kindOfSlot.map((kind) => this.#localIds[kind.index]!);
    }
    this.#labelIds.cover(labels.length);
    this.#eventIds.cover(store.events.size);
    for (const kind of store.kinds) this.#localIds[kind.index]!.cover(kind.locals.size);
  }

  #encodeStep(block: RecordBlock, step: number, length: number): void {
    const ns = block.stepNs[step]!;
    const index = block.choiceIndex[step]!;
    const count = block.choiceCount[step]!;
    if (length < 1) throw new RangeError(`step ${this.nextStep} has no records`);
    if (!Number.isSafeInteger(ns) || ns < 0) throw new RangeError(`step ${this.nextStep} costs ${ns} ns; costs are whole and not negative`);
    if (index < 0 || index >= Math.max(count, 1)) throw new RangeError(`step ${this.nextStep} took choice ${index} of ${count}`);
    this.#steps.push(length);
    this.#steps.push(ns);
    this.#digests.reserve(8);
    this.laneA = block.laneA[step]!;
    this.laneB = block.laneB[step]!;
    this.#digests.putInt32(this.laneA);
    this.#digests.putInt32(this.laneB);
    this.#choices.push(count);
    if (count > 1) this.#choices.push(index);
    this.vtime += ns;
    this.steps++;
  }

  #encodeRecords(block: RecordBlock, names: RecordNames, from: number, end: number): void {
    const heads = this.#heads;
    const ids = this.#ids;
    const backs = this.#backs;
    heads.reserve(5 * (end - from));
    ids.reserve(5 * (end - from));
    backs.reserve(8 * (end - from));
    const { kind: kinds, slot: slots, id: eventOrLocal, back: causes } = block;
    const { queued } = names.store;
    let seq = this.nextSeq;
    for (let at = from; at < end; at++, seq++) {
      const kind = kinds[at]!;
      const slot = slots[at]!;
      const back = causes[at]!;
      const id = this.#fileId(kind, slot, eventOrLocal[at]!, names);
      heads.put(slot * 4 + kind);
      ids.put(id);
      backs.put(back);
      if (kind === CHANGE) this.locals[slot] = id;
      else if (kind === SEND) {
        const to = block.peer[at]!;
        this.#peers.push(to);
        this.inFlight.set(seq, { seq, from: slot, to, event: id });
      } else if (kind === DELIVER && queued[eventOrLocal[at]!] === 1) this.inFlight.delete(seq - back);
    }
    this.records += end - from;
  }

  #fileId(kind: number, slot: number, id: number, names: RecordNames): number {
    const map = kind === CHANGE ? this.#localIdsOfSlot[slot]! : kind === CHOICE ? this.#labelIds : this.#eventIds;
    const known = map.ids[id]!;
    return known >= 0 ? known : this.#define(map, kind, slot, id, names);
  }

  #define(map: IdMap, kind: number, slot: number, id: number, { store, labels }: RecordNames): number {
    const table = kind === CHANGE ? LOCALS : kind === CHOICE ? LABELS : EVENTS;
    const text = kind === CHANGE ? store.kindOfSlot[slot]!.locals.text(id) : kind === CHOICE ? labels[id] : store.events.text(id);
    if (text === undefined) throw new RangeError(`record ${this.nextSeq} refers to number ${id}, which was never interned`);
    const fileId = this.dictionary.add(table, text);
    map.ids[id] = fileId;
    return fileId;
  }

  /** The payload of the present block; valid until the next call. */
  payload(): Uint8Array {
    const { pieces, texts } = this.dictionary.definitions;
    const columns = [this.#heads, this.#ids, this.#backs, this.#peers, this.#steps, this.#digests, this.#choices];
    return encodeShared([this.#vtimeStart, pieces, ...texts, ...columns.map((column) => column.view())]);
  }

  /** Starts the next block. */
  next(): void {
    this.firstSeq = this.nextSeq;
    this.firstStep = this.nextStep;
    this.records = 0;
    this.steps = 0;
    this.#vtimeStart = this.vtime;
    this.dictionary.next();
    for (const column of [this.#heads, this.#ids, this.#backs, this.#peers, this.#steps, this.#digests, this.#choices]) column.length = 0;
  }
}
