/**
 * Writes a journal: blocks of integers in, frames out, to memory or to a file that appears when it
 * is sealed.
 */
import type { RunEnd, RunStart } from '../events/journal.ts';
import type { RecordBlock, RecordNames } from '../sim/records.ts';
import { BlockEncoder } from './block-encoder.ts';
import { expectWhole } from './expect-whole.ts';
import { CHECKPOINT, encodeFrame, frameBytes, INDEX, PAYLOAD_BYTES_MAX, RECORDS, SEAL, START } from './frame.ts';
import { type FrameSink, MemorySink } from './frame-sink.ts';
import { encodeHeader, HEADER_BYTES } from './header.ts';
import { chainStart, toHex } from './identity.ts';
import { type JournalTarget, PartFile } from './part-file.ts';
import { type BlockEntry, type CheckpointEntry, encodeCheckpoint, encodeIndex, encodeSeal, encodeStart } from './payloads.ts';

/**
 * `memory`: bytes in memory. `buffered`: a file that outlasts the process, handed to the operating
 * system at least each second in which records come. `sync`: a file that outlasts a loss of power;
 * each acknowledgement waits for the disk.
 */
export type WriterMode = 'memory' | 'buffered' | 'sync';

export interface WriterOptions {
  readonly mode: WriterMode;
  /**
   * Records between two checkpoints, about: a checkpoint follows the block that completes as many.
   */
  readonly checkpointEvery?: number;
  /** Milliseconds that only pass; tests bring their own. */
  readonly now?: () => number;
}

/**
 * A state at a random place is one checkpoint and at most this many records plus a block: a few ms.
 */
const CHECKPOINT_EVERY = 8192;

/** How long records of a buffered file may be in this process alone. */
export const FLUSH_MS = 1000;

export interface Sealed {
  /** The SHA-256 chain over all frames, in hex. */
  readonly root: string;
  /** Size of the journal. */
  readonly bytes: number;
  readonly records: number;
  /** Number of the last step. */
  readonly steps: number;
  /** The journal itself in memory mode; null where it is in a file. */
  readonly content: Uint8Array | null;
}

/** Where a file stands that is to be continued. */
export interface WriterState {
  readonly bytes: number;
  readonly chain: Uint8Array;
  readonly blocks: BlockEntry[];
  readonly checkpoints: CheckpointEntry[];
  readonly encoder: BlockEncoder;
}

export class JournalWriter {
  readonly #sink: FrameSink;
  readonly #mode: WriterMode;
  readonly #checkpointEvery: number;
  readonly #encoder: BlockEncoder;
  readonly #blocks: BlockEntry[];
  readonly #checkpoints: CheckpointEntry[];
  #bytes: number;
  #chain: Uint8Array;
  readonly #now: () => number;
  #flushedAt: number;
  /** How many records the file shows, a draft counted. */
  #shown = 0;
  #done = false;
  /** What ended the writing early; null while all is well. */
  #failure: Error | null = null;

  /**
   * Starts a journal. `target` is null in memory mode and a place for a file in the others.
   * @throws JournalWriteError if the file cannot be created
   */
  static open(target: JournalTarget | null, start: RunStart, options: WriterOptions): JournalWriter {
    if ((target === null) !== (options.mode === 'memory'))
      throw new RangeError(`mode ${options.mode} ${target ? 'takes no' : 'needs a'} file`);
    // All that can be wrong with the start shows before a file exists.
    const header = encodeHeader(start);
    const payload = encodeStart(start).slice();
    const state = {
      bytes: HEADER_BYTES,
      chain: chainStart(header),
      blocks: [],
      checkpoints: [],
      encoder: new BlockEncoder(start.actors.length),
    };
    const writer = new JournalWriter(target ? PartFile.create(target, options.mode === 'sync') : new MemorySink(), state, options);
    writer.#guarded(() => {
      writer.#sink.append(header);
      writer.#frame(START, payload);
      // What is there can be read from the first moment on.
      writer.#sink.flush();
    });
    return writer;
  }

  /** Goes on with a file that was not sealed; `recover.ts` knows how. */
  static resume(target: JournalTarget, state: WriterState, options: WriterOptions): JournalWriter {
    const writer = new JournalWriter(PartFile.resume(target, state.bytes, options.mode === 'sync'), state, options);
    // The writer may have been killed between a block and the checkpoint after it.
    writer.#checkpointIfDue();
    return writer;
  }

  private constructor(
    sink: FrameSink,
    { bytes, chain, blocks, checkpoints, encoder }: WriterState,
    { mode, checkpointEvery, now = () => performance.now() }: WriterOptions,
  ) {
    this.#sink = sink;
    this.#mode = mode;
    this.#checkpointEvery = checkpointEvery ?? CHECKPOINT_EVERY;
    this.#encoder = encoder;
    this.#blocks = blocks;
    this.#checkpoints = checkpoints;
    this.#bytes = bytes;
    this.#chain = chain;
    this.#now = now;
    this.#flushedAt = now();
  }

  /** Number of records taken so far, written or not. */
  get records(): number {
    return this.#encoder.nextSeq - 1;
  }

  /**
   * Takes the steps of a block, which must follow the last one. The block may be reused afterwards.
   * @throws JournalWriteError if a file cannot be written; after this or any other failure the
   * partial file is gone
   */
  block(block: RecordBlock, names: RecordNames): void {
    const encoder = this.#encoder;
    this.#check();
    if (block.firstSeq !== encoder.nextSeq || block.firstStep !== encoder.nextStep) {
      throw new RangeError(
        `record ${block.firstSeq} of step ${block.firstStep} does not follow record ${encoder.nextSeq - 1} of step ${encoder.nextStep - 1}`,
      );
    }
    this.#guarded(() => {
      const cursor = { step: 0, record: 0 };
      while (cursor.step < block.steps) {
        encoder.add(block, names, cursor);
        if (encoder.full) this.#closeBlock();
      }
      // In sync mode the caller says when.
      if (this.#mode === 'buffered' && this.#now() - this.#flushedAt >= FLUSH_MS) this.#show();
    });
  }

  /**
   * Hands all records to the operating system. The open block goes as a draft, whose place the
   * closed one takes: the journal has the same bytes with and without.
   * @throws JournalWriteError
   */
  flush(): void {
    this.#check();
    this.#guarded(() => this.#show());
  }

  /**
   * The seq up to which nothing is lost from here on: in `sync` mode whatever happens, in
   * `buffered` mode unless the machine fails. `sync` closes the present block; the other modes
   * write the same bytes with and without acknowledgements.
   */
  acknowledge(): number {
    this.#check();
    return this.#guarded(() => {
      if (this.#mode === 'sync') {
        this.#closeBlock();
        this.#sink.datasync();
      } else this.#sink.flush();
      return this.#encoder.firstSeq - 1;
    });
  }

  /**
   * Writes index and seal; a file gets its name, or `name`.
   * @throws RangeError if the end is one of a run with more records than were given; the partial
   * file is gone. JournalWriteError; where only the name could not be given, it says where the
   * whole file is
   */
  seal(end: RunEnd, name?: string): Sealed {
    this.#check();
    return this.#guarded(() => {
      const { nextSeq, nextStep, vtime, laneA, laneB } = this.#encoder;
      const records = nextSeq - 1;
      const steps = Math.max(nextStep - 1, 0);
      expectWhole(end, records, steps);
      this.#closeBlock();
      this.#frame(INDEX, encodeIndex({ blocks: this.#blocks, checkpoints: this.#checkpoints }));
      this.#frame(SEAL, encodeSeal({ end, records, steps, vtime, laneA, laneB, chain: this.#chain }));
      this.#sink.commit(name);
      this.#done = true;
      const content = this.#sink instanceof MemorySink ? this.#sink.content : null;
      return { root: toHex(this.#chain), bytes: this.#bytes, records, steps, content };
    });
  }

  /**
   * Stops without a seal and leaves the partial file, all records in it, or moves it to `name`: it
   * can be read, and written on.
   */
  release(name?: string): void {
    if (this.#done) return;
    this.#check();
    this.#guarded(() => {
      this.#closeBlock();
      this.#sink.release(name);
      this.#done = true;
    });
  }

  /** Stops and removes the partial file. */
  discard(): void {
    if (this.#done) return;
    this.#done = true;
    this.#sink.discard();
  }

  #check(): void {
    if (this.#failure) throw this.#failure;
    if (this.#done) throw new Error('the journal is closed');
  }

  #show(): void {
    const encoder = this.#encoder;
    this.#flushedAt = this.#now();
    if (encoder.records === 0) this.#sink.flush();
    else if (this.records > this.#shown) {
      const { firstSeq, firstStep, records, steps } = encoder;
      const payload = encoder.payload();
      const { head, tail } = encodeFrame({ type: RECORDS, firstSeq, firstStep, records, steps }, payload, this.#chain);
      const frame = new Uint8Array(head.length + payload.length + tail.length);
      frame.set(head);
      frame.set(payload, head.length);
      frame.set(tail, head.length + payload.length);
      this.#sink.draft(frame);
    }
    this.#shown = this.records;
  }

  /** Whatever fails, no file is left behind that a run cannot be continued from. */
  #guarded<T>(write: () => T): T {
    try {
      return write();
    } catch (error) {
      this.#failure = error instanceof Error ? error : new Error(String(error));
      this.#sink.discard();
      throw error;
    }
  }

  #closeBlock(): void {
    const encoder = this.#encoder;
    if (encoder.records === 0) return;
    const { firstSeq, firstStep, records, steps } = encoder;
    const entry = { offset: this.#bytes, firstSeq, firstStep, records, steps, defines: encoder.dictionary.defined };
    this.#frame(RECORDS, encoder.payload(), entry);
    this.#blocks.push(entry);
    encoder.next();
    this.#checkpointIfDue();
  }

  #checkpointIfDue(): void {
    const { nextSeq, nextStep, vtime, laneA, laneB, locals, inFlight } = this.#encoder;
    const last = this.#checkpoints[this.#checkpoints.length - 1]?.nextSeq ?? 1;
    // Before step 0 there is no state to keep.
    if (nextSeq - last < this.#checkpointEvery || locals.includes(-1)) return;
    const offset = this.#bytes;
    this.#frame(CHECKPOINT, encodeCheckpoint({ vtime, laneA, laneB, locals: [...locals], inFlight: [...inFlight.values()] }));
    this.#checkpoints.push({ offset, nextSeq, nextStep });
  }

  #frame(type: number, payload: Uint8Array, block?: BlockEntry): void {
    if (payload.length > PAYLOAD_BYTES_MAX) {
      throw new RangeError(`a frame of type ${type} has ${payload.length} bytes; a journal holds ${PAYLOAD_BYTES_MAX}`);
    }
    const { nextSeq, nextStep } = this.#encoder;
    const facts = block ?? { firstSeq: nextSeq, firstStep: nextStep, records: 0, steps: 0 };
    const { head, tail, chain } = encodeFrame({ ...facts, type }, payload, this.#chain);
    this.#sink.append(head);
    this.#sink.append(payload);
    this.#sink.append(tail);
    this.#chain = chain;
    this.#bytes += frameBytes(payload.length);
  }
}
