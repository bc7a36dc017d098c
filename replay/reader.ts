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
import type { JournalFacts } from './facts.ts';
import { CHECKPOINT, RECORDS } from './frame.ts';
import { readFrameAt } from './frames.ts';
import { HEADER_BYTES, type JournalHeader } from './header.ts';
import { lastNotAfter } from './last-not-after.ts';
import { type BlockEntry, type Checkpoint, decodeCheckpoint } from './payloads.ts';
import type { JournalSource } from './source.ts';
import { StateTracker } from './state-ids.ts';

/** Decoded blocks that are kept: enough for walking to and fro around one place. */
const BLOCKS_KEPT = 4;

/** A digest as it stands in the journal. @public */
export interface StepDigest extends StepEnd {
  /** 16 hexadecimal digits. */
  readonly digest: string;
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
  /**
   * By block, whether the frames behind it were checked; the last entry is for those before the
   * first block.
   */
  readonly #passed: Uint8Array;

  constructor(source: JournalSource, facts: JournalFacts) {
    this.#source = source;
    this.facts = facts;
    this.actors = facts.start.actors.map(({ id }) => id);
    this.#passed = new Uint8Array(facts.index.blocks.length + 1);
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
      this.#pass(i);
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
      this.#pass(i - 1);
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
    return { step: entry.nextStep - 1, seq: entry.nextSeq - 1, state: this.#checkpoint(payload, place) };
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
        decodedAt(this.#placeOf(i), () => tracker.apply(block, block.steps));
        this.#pass(i);
      }
    }
    if (nextSeq <= last.firstSeq) decodedAt(this.placeOfStep(step), () => tracker.apply(last, at + 1));
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
      this.#pass(i);
    }
  }

  #placeOf(i: number): Place {
    const { offset } = this.#entries[i]!;
    return { offset, frame: 3 + i + lastNotAfter(this.facts.index.checkpoints, offset, (entry) => entry.offset) };
  }

  /**
   * Checks the frames between block `i` and the next, or those before the first block if it is -1:
   * a reader that goes on behind them has read past them.
   */
  #pass(i: number): void {
    const { unchecked } = this.facts;
    const flag = i < 0 ? this.#entries.length : i;
    if (unchecked === null || this.#passed[flag]) return;
    const next = this.#entries[i + 1]?.offset ?? unchecked;
    let place = i < 0 ? { offset: HEADER_BYTES, frame: 1 } : this.#placeOf(i);
    place = { offset: readFrameAt(this.#source, place).end, frame: place.frame + 1 };
    while (place.offset < next) {
      const { header, payload, end } = readFrameAt(this.#source, place);
      if (header.type === CHECKPOINT) this.#checkpoint(payload, place);
      place = { offset: end, frame: place.frame + 1 };
    }
    if (place.offset !== next)
      throw new JournalDamagedError(place, `a frame that the index lists starts at byte ${next}, within another frame`);
    this.#passed[flag] = 1;
  }

  #checkpoint(payload: Uint8Array, place: Place): Checkpoint {
    const [, events, locals] = this.#dictionary.sizes;
    return decodedAt(place, () => decodeCheckpoint(payload, this.actors.length, events, locals));
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
