/**
 * Records as they leave the sequencer: columns of integers, a block at a time, whole steps only.
 */
import { type JournalRecord, type JsonObject, RECORD_KINDS } from '../events/journal.ts';
import type { Store } from './store.ts';

export const CHOICE = 0;
export const SEND = 1;
export const DELIVER = 2;
export const CHANGE = 3;

/** A block is handed on at the end of the step that fills it. */
export const BLOCK_RECORDS = 4096;

/** What the integers of a block stand for. */
export interface RecordNames {
  readonly store: Store;
  /** Labels of alternatives by id. */
  readonly labels: readonly string[];
}

const grown = <A extends Int32Array | Float64Array | Uint8Array>(old: A, size: number): A => {
  const next = new (old.constructor as new (size: number) => A)(size);
  next.set(old as never);
  return next;
};

/**
 * Columns by record (kind, slot, id, peer, back) and by step (the rest). Valid only inside the
 * callback that gets it.
 */
export class RecordBlock {
  firstSeq = 1;
  firstStep = 0;
  /** Records in the block. */
  length = 0;
  /** Steps in the block. */
  steps = 0;
  kind = new Uint8Array(2 * BLOCK_RECORDS);
  /** Whose record it is. */
  slot = new Int32Array(2 * BLOCK_RECORDS);
  /**
   * `choice`: label id. `send`, `deliver`: event id. `change`: local state id of the slot's kind.
   */
  id = new Int32Array(2 * BLOCK_RECORDS);
  /** `send`: slot of the receiver; else -1. */
  peer = new Int32Array(2 * BLOCK_RECORDS);
  /** seq - cause; 0 where nothing caused it. */
  back = new Float64Array(2 * BLOCK_RECORDS);
  /** Records of each step. */
  stepLength = new Int32Array(BLOCK_RECORDS);
  /** Nominal cost of each step in ns. */
  stepNs = new Float64Array(BLOCK_RECORDS);
  laneA = new Int32Array(BLOCK_RECORDS);
  laneB = new Int32Array(BLOCK_RECORDS);
  choiceIndex = new Int32Array(BLOCK_RECORDS);
  choiceCount = new Int32Array(BLOCK_RECORDS);

  add(kind: number, slot: number, id: number, peer: number, back: number): void {
    const i = this.length++;
    if (i === this.kind.length) this.#growRecords();
    this.kind[i] = kind;
    this.slot[i] = slot;
    this.id[i] = id;
    this.peer[i] = peer;
    this.back[i] = back;
  }

  /** Closes the current step, whose records are the last `records`. */
  endStep(records: number, ns: number, laneA: number, laneB: number, index: number, count: number): void {
    const i = this.steps++;
    if (i === this.stepLength.length) this.#growSteps();
    this.stepLength[i] = records;
    this.stepNs[i] = ns;
    this.laneA[i] = laneA;
    this.laneB[i] = laneB;
    this.choiceIndex[i] = index;
    this.choiceCount[i] = count;
  }

  reset(firstSeq: number, firstStep: number): void {
    this.firstSeq = firstSeq;
    this.firstStep = firstStep;
    this.length = 0;
    this.steps = 0;
  }

  #growRecords(): void {
    const size = 2 * this.kind.length;
    this.kind = grown(this.kind, size);
    this.slot = grown(this.slot, size);
    this.id = grown(this.id, size);
    this.peer = grown(this.peer, size);
    this.back = grown(this.back, size);
  }

  #growSteps(): void {
    const size = 2 * this.stepLength.length;
    this.stepLength = grown(this.stepLength, size);
    this.stepNs = grown(this.stepNs, size);
    this.laneA = grown(this.laneA, size);
    this.laneB = grown(this.laneB, size);
    this.choiceIndex = grown(this.choiceIndex, size);
    this.choiceCount = grown(this.choiceCount, size);
  }
}

/** The end of a step as observers see it. */
export interface StepEnd {
  readonly step: number;
  readonly vtime: number;
  readonly laneA: number;
  readonly laneB: number;
}

/**
 * The records of a block as objects, with the vtime at which the block starts (ns). For observers;
 * the journal reads the columns.
 */
export function recordsOf(block: RecordBlock, names: RecordNames, vtimeStart: number): JournalRecord[] {
  const records: JournalRecord[] = [];
  let vtime = vtimeStart;
  let at = 0;
  for (let step = 0; step < block.steps; step++) {
    for (const end = at + block.stepLength[step]!; at < end; at++) records.push(recordAt(block, names, at, step, vtime));
    vtime += block.stepNs[step]!;
  }
  return records;
}

function recordAt(block: RecordBlock, names: RecordNames, at: number, step: number, vtime: number): JournalRecord {
  const { store, labels } = names;
  const seq = block.firstSeq + at;
  const slot = block.slot[at]!;
  const id = block.id[at]!;
  const back = block.back[at]!;
  const base = {
    seq,
    step: block.firstStep + step,
    vtime,
    actor: store.ids[slot]!,
    kind: RECORD_KINDS[block.kind[at]!]!,
    cause: back === 0 ? 0 : seq - back,
  };
  switch (block.kind[at]) {
    case CHOICE: {
      const label = labels[id]!;
      const payload = { index: block.choiceIndex[step]!, count: block.choiceCount[step]!, label };
      return { ...base, type: label.slice(0, label.indexOf('(')), payload, peer: null };
    }
    case CHANGE: {
      const { value, context } = store.kindOfSlot[slot]!.locals.values[id]!;
      return { ...base, type: 'state', payload: { value, context } as JsonObject, peer: null };
    }
    default: {
      const { type, from, ...payload } = store.events.values[id]!;
      const peer = block.kind[at] === SEND ? store.ids[block.peer[at]!]! : (from ?? null);
      return { ...base, type, payload: payload as JsonObject, peer };
    }
  }
}
