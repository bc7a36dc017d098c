/**
 * An open journal: facts, records forward and backward, choices and digests, from any place without
 * reading what is before it.
 */
import type { Choice, JournalRecord, RunEnd, RunStart } from '../events/journal.ts';
import { hexOf } from '../sim/canonical.ts';
import type { StepEnd } from '../sim/records.ts';
import type { StateInIds } from './block-encoder.ts';
import { type Block, type BlockParts, blockOf, choiceAt, partsOf, recordOf } from './codec.ts';
import { Dictionary } from './dictionary.ts';
import { decodedAt, JournalDamagedError, type Place, type Torn } from './errors.ts';
import { CHECKPOINT, RECORDS } from './frame.ts';
import { readFrameAt } from './frames.ts';
import type { JournalHeader } from './header.ts';
import { type BlockEntry, type Checkpoint, decodeCheckpoint, type Index } from './payloads.ts';
import type { JournalSource } from './source.ts';
import { StateTracker } from './state-ids.ts';

/** Decoded blocks that are kept: enough for walking to and fro around one place. */
const BLOCKS_KEPT = 4;

/** What is known of a journal once it is open. */
export interface JournalFacts {
  readonly header: JournalHeader;
  readonly start: RunStart;
  /** Null where the journal is not sealed. */
  readonly end: RunEnd | null;
  readonly sealed: boolean;
  /** What an unsealed journal lost at its end; null where nothing is missing. */
  readonly torn: Torn | null;
  /** Number of records, and so the seq of the last one. */
  readonly records: number;
  /** Number of the last step: how many choices were made. */
  readonly steps: number;
  /** The SHA-256 chain after the last good frame, in hex. */
  readonly root: string;
  readonly index: Index;
}

/** A digest as it stands in the journal. @public */
export interface StepDigest extends StepEnd {
  /** 16 hexadecimal digits. */
  readonly digest: string;
}

/** Which steps a journal has from `first` on, as the end of a sentence about it. */
export function stepsText({ records, steps }: Pick<JournalFacts, 'records' | 'steps'>, first = 0): string {
  if (records === 0) return 'has no steps';
  return steps < first ? `has no step after step ${steps}` : `has steps ${first} to ${steps}`;
}

/** Where the last entry stands whose `first` is not greater than `value`; -1 if there is none. */
function lastNotAfter<E>(entries: ArrayLike<E>, value: number, first: (entry: E) => number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (first(entries[middle]!) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** A journal that is open. What it holds is read and verified where it is asked for. @public */
export class Journal {
  readonly facts: JournalFacts;
  /** Actor ids in slot order. */
  readonly actors: readonly string[];
  readonly #source: JournalSource;
  readonly #dictionary = new Dictionary();
  /** Blocks whose definitions are in the dictionary. */
  #defined = 0;
  readonly #kept = new Map<number, Block>();

  constructor(source: JournalSource, facts: JournalFacts) {
    this.#source = source;
    this.facts = facts;
    this.actors = facts.start.actors.map(({ id }) => id);
  }

  get header(): JournalHeader {
    return this.facts.header;
  }
  get start(): RunStart {
    return this.facts.start;
  }
  get end(): RunEnd | null {
    return this.facts.end;
  }
  get sealed(): boolean {
    return this.facts.sealed;
  }
  get torn(): Torn | null {
    return this.facts.torn;
  }
  get records(): number {
    return this.facts.records;
  }
  get steps(): number {
    return this.facts.steps;
  }
  get root(): string {
    return this.facts.root;
  }

  /** Records from `seq` to the end. */
  *recordsFrom(seq = 1): Generator<JournalRecord, void> {
    const from = Math.max(seq, 1);
    if (from > this.records) return;
    for (let i = this.#blockOfSeq(from); i < this.#entries.length; i++) {
      const block = this.#block(i);
      let at = Math.max(from - block.firstSeq, 0);
      let step = lastNotAfter(block.stepStart, at, (start) => start);
      for (; at < block.records; at++) {
        if (at === block.stepStart[step + 1]) step++;
        yield recordOf(block, at, step, this.#dictionary, this.actors);
      }
    }
  }

  /** Records before `seq`, the last one first. */
  *recordsBefore(seq: number): Generator<JournalRecord, void> {
    const last = Math.min(seq - 1, this.records);
    if (last < 1) return;
    for (let i = this.#blockOfSeq(last); i >= 0; i--) {
      const block = this.#block(i);
      let at = Math.min(last - block.firstSeq, block.records - 1);
      let step = lastNotAfter(block.stepStart, at, (start) => start);
      for (; at >= 0; at--) {
        if (at < block.stepStart[step]!) step--;
        yield recordOf(block, at, step, this.#dictionary, this.actors);
      }
    }
  }

  /** @throws RangeError if there is no such step */
  recordsOfStep(step: number): JournalRecord[] {
    const { block, at } = this.#step(step);
    const records: JournalRecord[] = [];
    for (let record = block.stepStart[at]!; record < block.stepStart[at + 1]!; record++) {
      records.push(recordOf(block, record, at, this.#dictionary, this.actors));
    }
    return records;
  }

  /** The choice of every step from `fromStep` on; step 0 has none. */
  *choices(fromStep = 1): Generator<Choice, void> {
    for (const { block, at } of this.#stepsFrom(Math.max(fromStep, 1))) yield choiceAt(block, at, this.#dictionary);
  }

  /** The digest of the world after every step from `fromStep` on. */
  *digests(fromStep = 0): Generator<StepDigest, void> {
    for (const { block, at } of this.#stepsFrom(Math.max(fromStep, 0))) yield digestAt(block, at);
  }

  /** The end of one step. @throws RangeError if there is no such step */
  stepEnd(step: number): StepDigest {
    const { block, at } = this.#step(step);
    return digestAt(block, at);
  }

  /**
   * The nearest state before or at the end of a step that the file holds whole; null if there is
   * none.
   */
  checkpointAt(step: number): { readonly step: number; readonly seq: number; readonly state: Checkpoint } | null {
    const { checkpoints } = this.facts.index;
    const at = lastNotAfter(checkpoints, step + 1, ({ nextStep }) => nextStep);
    const entry = checkpoints[at];
    if (!entry) return null;
    const blocks = lastNotAfter(this.#entries, entry.nextSeq - 1, ({ firstSeq }) => firstSeq) + 1;
    const place = { offset: entry.offset, frame: 2 + blocks + at };
    this.#define(blocks);
    const { header, payload } = readFrameAt(this.#source, place);
    if (header.type !== CHECKPOINT || header.firstSeq !== entry.nextSeq || header.firstStep !== entry.nextStep) {
      throw new JournalDamagedError(place, 'the index says that a checkpoint stands there, and it does not');
    }
    const [, events, locals] = this.#dictionary.sizes;
    const state = decodedAt(place, () => decodeCheckpoint(payload, this.actors.length, events, locals));
    return { step: entry.nextStep - 1, seq: entry.nextSeq - 1, state };
  }

  /**
   * The state at the end of a step, in ids of the file: from the checkpoint before it.
   * @throws RangeError if there is no such step
   */
  stateIds(step: number): { readonly seq: number; readonly state: StateInIds } {
    const { block: last, at } = this.#step(step);
    const checkpoint = this.checkpointAt(step);
    const tracker = new StateTracker(this.actors.length, checkpoint?.state);
    const nextSeq = (checkpoint?.seq ?? 0) + 1;
    if (nextSeq <= this.records) {
      for (let i = this.#blockOfSeq(nextSeq); this.#entries[i]!.firstStep < last.firstStep; i++) {
        const block = this.#block(i);
        tracker.apply(block, block.steps);
      }
    }
    if (nextSeq <= last.firstSeq) tracker.apply(last, at + 1);
    return { seq: last.firstSeq + last.stepStart[at + 1]! - 1, state: tracker };
  }

  /**
   * The dictionaries as far as they were read; `stateIds` and the records of a step read what they
   * need.
   */
  get dictionary(): Dictionary {
    return this.#dictionary;
  }

  /** Where the block stands that holds a step. */
  placeOfStep(step: number): Place {
    return this.#placeOf(lastNotAfter(this.#entries, step, ({ firstStep }) => firstStep));
  }

  get #entries(): readonly BlockEntry[] {
    return this.facts.index.blocks;
  }

  #blockOfSeq(seq: number): number {
    return lastNotAfter(this.#entries, seq, ({ firstSeq }) => firstSeq);
  }

  #step(step: number): { readonly block: Block; readonly at: number } {
    if (!Number.isInteger(step) || step < 0 || step > this.steps || this.records === 0) {
      throw new RangeError(`there is no step ${step}: the journal ${this.records === 0 ? 'has no steps' : `ends with step ${this.steps}`}`);
    }
    const block = this.#block(lastNotAfter(this.#entries, step, ({ firstStep }) => firstStep));
    return { block, at: step - block.firstStep };
  }

  *#stepsFrom(step: number): Generator<{ readonly block: Block; readonly at: number }, void> {
    if (step > this.steps || this.records === 0) return;
    for (let i = lastNotAfter(this.#entries, step, ({ firstStep }) => firstStep); i < this.#entries.length; i++) {
      const block = this.#block(i);
      for (let at = Math.max(step - block.firstStep, 0); at < block.steps; at++) yield { block, at };
    }
  }

  #placeOf(i: number): Place {
    const { offset } = this.#entries[i]!;
    return { offset, frame: 3 + i + lastNotAfter(this.facts.index.checkpoints, offset, (entry) => entry.offset) };
  }

  #parts(i: number, place: Place): BlockParts {
    const entry = this.#entries[i]!;
    const { header, payload } = readFrameAt(this.#source, place);
    const fits = header.type === RECORDS && header.firstSeq === entry.firstSeq && header.firstStep === entry.firstStep;
    if (!fits || header.records !== entry.records || header.steps !== entry.steps) {
      throw new JournalDamagedError(
        place,
        `the index says that record ${entry.firstSeq} of step ${entry.firstStep} stands there, and it does not`,
      );
    }
    return decodedAt(place, () => partsOf(payload));
  }

  /** Puts the definitions of block `i` into the dictionary, if it is the next one. */
  #load(i: number, parts: BlockParts, place: Place): void {
    if (i !== this.#defined) return;
    this.#defined++;
    const before = this.#dictionary.sizes;
    decodedAt(place, () => this.#dictionary.load(place, parts.definitions));
    const defines = this.#dictionary.sizes.reduce((sum, size, table) => sum + size - before[table]!, 0);
    if (defines !== this.#entries[i]!.defines)
      throw new JournalDamagedError(place, `it defines ${defines} texts, the index says ${this.#entries[i]!.defines}`);
  }

  /** Reads what the first `blocks` blocks define. Most define nothing, and are not read. */
  #define(blocks: number): void {
    while (this.#defined < blocks) {
      const i = this.#defined;
      if (this.#entries[i]!.defines === 0) this.#defined++;
      else {
        const place = this.#placeOf(i);
        this.#load(i, this.#parts(i, place), place);
      }
    }
  }

  #block(i: number): Block {
    const kept = this.#kept.get(i);
    if (kept) return kept;
    this.#define(i);
    const place = this.#placeOf(i);
    const parts = this.#parts(i, place);
    this.#load(i, parts, place);
    const block = decodedAt(place, () => blockOf(this.#entries[i]!, parts, this.#dictionary, this.actors.length));
    if (this.#kept.size >= BLOCKS_KEPT) this.#kept.delete(this.#kept.keys().next().value!);
    this.#kept.set(i, block);
    return block;
  }
}

const digestAt = (block: Block, at: number): StepDigest => {
  const laneA = block.laneA[at]!;
  const laneB = block.laneB[at]!;
  return { step: block.firstStep + at, vtime: block.vtime[at + 1]!, laneA, laneB, digest: hexOf(laneA, laneB) };
};
