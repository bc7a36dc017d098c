/**
 * A run that goes on while it is watched. Records come in as blocks of whole steps; its journal is
 * written beside, and takes over at the seal.
 */
import { type Observable, Subject } from 'rxjs';
import type { JournalRecord, RunEnd, RunStart } from '../../events/journal.ts';
import { targetAt } from '../../replay/files.ts';
import { runIdOf, toHex } from '../../replay/identity.ts';
import { FLUSH_MS, JournalWriter } from '../../replay/writer.ts';
import type { RecordBlock, RecordNames } from '../../sim/records.ts';
import { type Clock, systemClock } from './clock.ts';
import { growth } from './growth.ts';
import { journalBytesRun, journalFileRun } from './journal-run.ts';
import { LiveLog } from './live-log.ts';
import { BATCH_RECORDS, type JournalBytes, namesOf, type RunEvent, type RunSource, type RunSummary, startFacts } from './run-source.ts';

/** Records of a growing run that can be resumed from, about 30 bytes each. */
const WINDOW_RECORDS = 1 << 20;
/** How far a reader that has caught up may fall behind. */
const LAG_RECORDS = 1 << 16;

/**
 * Where the journal of a live run goes, and how much of it is kept for readers until then.
 * @public
 */
export interface LiveRunOptions {
  /**
   * Where the journal goes; in memory if not said. It stands under this name once the run is
   * sealed; until then NAME.part holds what is older than a second, for others to follow.
   */
  readonly file?: string;
  /** Records that are kept for late readers until the seal. */
  readonly windowRecords?: number;
  /** A reader that falls further behind is told a gap. */
  readonly lagRecords?: number;
  /** What says when a file has to be flushed. */
  readonly clock?: Clock;
}

/**
 * A run that goes on while it is watched: its journal is written beside, and takes over once it is
 * sealed.
 * @public
 */
export class LiveRun implements RunSource {
  readonly id: string;
  readonly scenario: string;
  readonly variant: string;
  readonly actors: readonly string[];
  /**
   * Every record, once its step is committed; completes with the run. One producer, so all
   * observers see one order.
   */
  readonly records$: Observable<JournalRecord>;
  readonly #start: RunStart;
  readonly #file: string | null;
  readonly #writer: JournalWriter;
  #log: LiveLog;
  readonly #lagRecords: number;
  readonly #clock: Clock;
  /** A flush is coming. */
  #isDue = false;
  #cancelFlush: () => void = () => {};
  readonly #records = new Subject<JournalRecord>();
  /** Fires after records became readable, completes when no more will. */
  readonly #grown = new Subject<void>();
  /** The journal, from the seal on. */
  #sealed: RunSource | null = null;
  #failure: string | null = null;

  /** @throws JournalWriteError if the file cannot be created */
  constructor(
    start: RunStart,
    { file, windowRecords = WINDOW_RECORDS, lagRecords = LAG_RECORDS, clock = systemClock }: LiveRunOptions = {},
  ) {
    const target = file === undefined ? null : targetAt(file);
    this.#start = start;
    this.#file = target?.path ?? null;
    this.#writer = JournalWriter.open(target, start, { mode: target === null ? 'memory' : 'buffered' });
    this.#log = new LiveLog(windowRecords);
    this.#lagRecords = lagRecords;
    this.#clock = clock;
    this.id = toHex(runIdOf(start));
    const { scenario, variant } = namesOf(start);
    this.scenario = scenario;
    this.variant = variant;
    this.actors = start.actors.map(({ id }) => id);
    this.records$ = this.#records.asObservable();
  }

  /**
   * Takes committed steps: the sink of a run. The block may be reused afterwards.
   * @throws JournalWriteError
   */
  block(block: RecordBlock, names: RecordNames): void {
    this.#writer.block(block, names);
    this.#flushLater();
    const records = this.#log.append(block, names);
    if (this.#records.observed) for (const record of records) this.#records.next(record);
    this.#grown.next();
  }

  /**
   * Ends the run: from here on its journal answers.
   * @throws JournalWriteError; RangeError if the end is one of a run with more records than were
   * given
   */
  seal(end: RunEnd): void {
    this.#cancelFlush();
    try {
      const { content } = this.#writer.seal(end);
      this.#sealed = content ? journalBytesRun(content) : journalFileRun(this.#file!);
      this.#log = new LiveLog(0);
    } catch (error) {
      this.#failure = error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      // Watchers are told the end also of a run whose journal cannot be sealed.
      this.#complete();
    }
  }

  /**
   * Ends the run without an end. A journal file is left unsealed, under its partial name.
   * @throws JournalWriteError if it cannot be written; watchers are told the end all the same
   */
  fail(message: string): void {
    if (!this.live) return;
    this.#failure = message;
    this.#cancelFlush();
    try {
      this.#writer.release();
    } finally {
      this.#complete();
    }
  }

  get records(): number {
    return this.#sealed?.records ?? this.#log.head;
  }
  get sealed(): boolean {
    return this.#sealed?.sealed ?? false;
  }
  get live(): boolean {
    return this.#sealed === null && this.#failure === null;
  }

  summary(): RunSummary {
    if (this.#sealed) return this.#sealed.summary();
    const { head, steps, digest } = this.#log;
    const unknown = { sealed: false, verdict: null, end: null, root: null, torn: null };
    return { ...startFacts(this.#start), records: head, steps, live: this.live, digest, failure: this.#failure, ...unknown };
  }

  async *events(fromSeq: number, signal: AbortSignal): AsyncGenerator<RunEvent, void> {
    let next = Math.max(fromSeq, 1);
    const history = this.#log.head;
    while (!signal.aborted) {
      if (this.#sealed) return yield* this.#sealed.events(next, signal);
      const resumed = this.#resumeAt(next, history);
      if (resumed > next) {
        const gap: RunEvent = { type: 'gap', from: next, to: resumed - 1 };
        next = resumed;
        yield gap;
        continue;
      }
      const records = this.#log.recordsFrom(next, BATCH_RECORDS);
      if (records.length > 0) {
        next += records.length;
        yield { type: 'records', records };
      } else if (this.#failure !== null) return;
      else await growth(this.#grown, signal);
    }
  }

  journal(): JournalBytes | null {
    return this.#sealed?.journal() ?? null;
  }

  close(): void {
    this.fail('the run was closed before its end');
    this.#sealed?.close();
  }

  /**
   * Where a reader that wants `next` goes on. Records from before it came are told as long as they
   * are here; of the later ones it may miss as many as `lagRecords`. Beyond that it goes on in the
   * middle, so that the next record does not open the next gap.
   */
  #resumeAt(next: number, history: number): number {
    const { head, tail } = this.#log;
    if (next < tail) return tail;
    if (next <= history || head - next < this.#lagRecords) return next;
    return this.#log.stepStartAt(head - Math.floor(this.#lagRecords / 2) + 1);
  }

  #complete(): void {
    this.#records.complete();
    this.#grown.complete();
  }

  /** Sees to it that a file holds what came, also where nothing comes after it. */
  #flushLater(): void {
    if (this.#file === null || this.#isDue) return;
    this.#isDue = true;
    this.#cancelFlush = this.#clock.after(FLUSH_MS, () => {
      this.#isDue = false;
      try {
        this.#writer.flush();
      } catch {
        // The writer says it again at the next block, or at the seal, where there is a caller.
      }
    });
  }
}
