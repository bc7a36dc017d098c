/**
 * Reads all of a journal, compares each part with the others, and knows the state that the records
 * lead to.
 */
import type { RunStart } from '../events/journal.ts';
import type { FlightEntry } from './block-encoder.ts';
import { blockOf, partsOf } from './codec.ts';
import { Dictionary } from './dictionary.ts';
import { decodedAt, JournalDamagedError, type Torn } from './errors.ts';
import { CHECKPOINT, INDEX, RECORDS, SEAL } from './frame.ts';
import { type Frame, readHeader, walkFrames } from './frames.ts';
import { HEADER_BYTES, type JournalHeader } from './header.ts';
import { runIdOf, scenarioIdOf, toHex } from './identity.ts';
import {
  type BlockEntry,
  type Checkpoint,
  type CheckpointEntry,
  decodeCheckpoint,
  decodeIndex,
  decodeSeal,
  decodeStart,
  type Index,
  type Seal,
} from './payloads.ts';
import type { JournalSource } from './source.ts';
import { StateTracker } from './state-ids.ts';

/** What is in a whole file. */
export interface Scan {
  readonly header: JournalHeader;
  readonly start: RunStart;
  readonly index: Index;
  readonly dictionary: Dictionary;
  readonly state: Checkpoint;
  readonly records: number;
  /** Number of the last step. */
  readonly steps: number;
  readonly torn: Torn | null;
  readonly seal: Seal | null;
  /**
   * End of the last good frame, index and seal aside, and the chain there: where writing goes on.
   */
  readonly goodEnd: number;
  readonly goodChain: Uint8Array;
  /** The chain after the last good frame. */
  readonly chain: Uint8Array;
}

/**
 * Reads all frames, decodes all records and checks everything but the digests. `visit` gets each
 * frame that is good.
 * @throws NotAJournalError, JournalTooNewError, JournalDamagedError; JournalTornError if nothing
 * was recorded before the tear
 */
export function scanJournal(source: JournalSource, visit: (frame: Frame) => void = () => {}): Scan {
  const { header, chain } = readHeader(source);
  const walk = walkFrames(source);
  let scanner: Scanner | null = null;
  let last = chain;
  for (let next = walk.next(); ; next = walk.next()) {
    // walkFrames hands out the start frame first, or throws.
    if (next.done) return { header, ...scanner!.found(), torn: next.value.torn, chain: last };
    scanner ??= new Scanner(startOf(next.value.payload, header));
    scanner.take(next.value);
    visit(next.value);
    last = next.value.chain;
  }
}

/**
 * The run that the start frame describes.
 * @throws JournalDamagedError if the file header is about another one
 */
export function startOf(payload: Uint8Array, header: JournalHeader): RunStart {
  const place = { offset: HEADER_BYTES, frame: 1 };
  const start = decodedAt(place, () => decodeStart(payload));
  const same =
    header.seed === start.seed &&
    header.modelId === start.modelId &&
    header.modelVersion === start.modelVersion &&
    header.scenarioId === toHex(scenarioIdOf(start.scenario)) &&
    header.runId === toHex(runIdOf(start));
  if (!same) throw new JournalDamagedError(place, 'the start frame describes another run than the file header');
  return start;
}

class Scanner {
  readonly #start: RunStart;
  readonly #dictionary = new Dictionary();
  readonly #blocks: BlockEntry[] = [];
  readonly #checkpoints: CheckpointEntry[] = [];
  readonly #state: StateTracker;
  #seal: Seal | null = null;
  #good: Pick<Frame, 'end' | 'chain'> = { end: 0, chain: new Uint8Array(0) };

  constructor(start: RunStart) {
    this.#start = start;
    this.#state = new StateTracker(start.actors.length);
  }

  take(frame: Frame): void {
    const { type } = frame.header;
    if (type === RECORDS) this.#records(frame);
    else if (type === CHECKPOINT) this.#checkpoint(frame);
    else if (type === INDEX) this.#index(frame);
    else if (type === SEAL) this.#sealed(frame);
    if (type !== INDEX && type !== SEAL) this.#good = frame;
  }

  get #totals(): { readonly records: number; readonly steps: number } {
    const last = this.#blocks[this.#blocks.length - 1];
    return last ? { records: last.firstSeq + last.records - 1, steps: last.firstStep + last.steps - 1 } : { records: 0, steps: 0 };
  }

  found(): Omit<Scan, 'header' | 'torn' | 'chain'> {
    return {
      start: this.#start,
      index: { blocks: this.#blocks, checkpoints: this.#checkpoints },
      dictionary: this.#dictionary,
      state: this.#state,
      ...this.#totals,
      seal: this.#seal,
      goodEnd: this.#good.end,
      goodChain: this.#good.chain,
    };
  }

  #records(frame: Frame): void {
    const { offset, header } = frame;
    const before = this.#dictionary.sizes;
    const block = decodedAt(frame, () => {
      const parts = partsOf(frame.payload);
      this.#dictionary.load(frame, parts.definitions);
      return blockOf(header, parts, this.#dictionary, this.#start.actors.length);
    });
    if (block.vtime[0] !== this.#state.vtime) {
      throw new JournalDamagedError(frame, `it starts at ${block.vtime[0]} ns, the block before it ends at ${this.#state.vtime} ns`);
    }
    decodedAt(frame, () => this.#state.apply(block, block.steps));
    const { firstSeq, firstStep, records, steps } = header;
    const defines = this.#dictionary.sizes.reduce((sum, size, table) => sum + size - before[table]!, 0);
    this.#blocks.push({ offset, firstSeq, firstStep, records, steps, defines });
  }

  #checkpoint(frame: Frame): void {
    const { offset, header } = frame;
    const [, events, locals] = this.#dictionary.sizes;
    const state = decodedAt(frame, () => decodeCheckpoint(frame.payload, this.#start.actors.length, events, locals));
    if (!isSameState(state, this.#state))
      throw new JournalDamagedError(frame, 'the checkpoint is not the state that the records before it lead to');
    this.#checkpoints.push({ offset, nextSeq: header.firstSeq, nextStep: header.firstStep });
  }

  #index(frame: Frame): void {
    const index = decodedAt(frame, () => decodeIndex(frame.payload, frame.offset));
    if (!areSame(index.blocks, this.#blocks, isSameBlock) || !areSame(index.checkpoints, this.#checkpoints, isSameCheckpoint))
      throw new JournalDamagedError(frame, 'the index is not about the blocks that are there');
  }

  #sealed(frame: Frame): void {
    const seal = decodedAt(frame, () => decodeSeal(frame.payload));
    const { records, steps } = this.#totals;
    const { vtime, laneA, laneB } = this.#state;
    if (seal.records !== records || seal.steps !== steps) {
      throw new JournalDamagedError(
        frame,
        `the seal counts ${seal.records} records and ${seal.steps} steps; there are ${records} and ${steps}`,
      );
    }
    if (seal.vtime !== vtime || seal.laneA !== laneA || seal.laneB !== laneB)
      throw new JournalDamagedError(frame, 'the seal ends at another state than the last step');
    if (seal.chain.some((byte, at) => byte !== frame.chainBefore[at]))
      throw new JournalDamagedError(frame, 'the seal has another chain than the frames before it');
    this.#seal = seal;
  }
}

/** Whether two lists have as many entries, and each is the same as that of the other. */
const areSame = <E>(a: readonly E[], b: readonly E[], isSame: (a: E, b: E) => boolean): boolean =>
  a.length === b.length && a.every((entry, at) => isSame(entry, b[at]!));

const isSameBlock = (a: BlockEntry, b: BlockEntry): boolean =>
  a.offset === b.offset && a.records === b.records && a.steps === b.steps && a.defines === b.defines;
const isSameCheckpoint = (a: CheckpointEntry, b: CheckpointEntry): boolean =>
  a.offset === b.offset && a.nextSeq === b.nextSeq && a.nextStep === b.nextStep;
const isSameMessage = (a: FlightEntry, b: FlightEntry): boolean =>
  a.seq === b.seq && a.from === b.from && a.to === b.to && a.event === b.event;

const isSameState = (a: Checkpoint, b: Checkpoint): boolean =>
  a.vtime === b.vtime &&
  a.laneA === b.laneA &&
  a.laneB === b.laneB &&
  a.locals.every((local, slot) => local === b.locals[slot]) &&
  areSame(a.inFlight, b.inFlight, isSameMessage);
