/** A run that another process is still writing: its file is looked at until the run ends. */
import { Subject } from 'rxjs';
import { type GrowingFile, growingFile } from '../../replay/growing-file.ts';
import { type Clock, systemClock } from './clock.ts';
import { growth } from './growth.ts';
import { journalSourceRun } from './journal-run.ts';
import type { JournalBytes, RunEvent, RunSource, RunSummary } from './run-source.ts';

const LOOK_MS = 500;
/** Looking takes longer the longer the file is: at most one part in so many of the time. */
const LOOK_SHARE = 10;

export class FollowedRun implements RunSource {
  readonly #file: GrowingFile;
  readonly #clock: Clock;
  readonly #grown = new Subject<void>();
  /** The journal as it was at the last look. */
  #run: RunSource;
  #size: number;
  #live: boolean;
  #failure: string | null = null;
  #cancel: () => void = () => {};

  /** @throws what `openJournal` throws, and the system's error, such as ENOENT */
  constructor(path: string, clock: Clock = systemClock) {
    this.#file = growingFile(path);
    this.#clock = clock;
    try {
      this.#live = this.#file.isBeingWritten();
      const source = this.#file.look();
      this.#size = source.size;
      this.#run = journalSourceRun(source);
    } catch (error) {
      this.#file.close();
      throw error;
    }
    if (this.#live) this.#lookIn(LOOK_MS);
  }

  get id(): string {
    return this.#run.id;
  }
  get scenario(): string {
    return this.#run.scenario;
  }
  get variant(): string {
    return this.#run.variant;
  }
  get actors(): readonly string[] {
    return this.#run.actors;
  }
  get records(): number {
    return this.#run.records;
  }
  get sealed(): boolean {
    return this.#run.sealed;
  }
  get live(): boolean {
    return this.#live;
  }

  summary(): RunSummary {
    const summary = this.#run.summary();
    // What a live file lacks at its end is on the way, and its chain goes on.
    return { ...summary, live: this.#live, failure: this.#failure, ...(this.#live && { root: null, torn: null }) };
  }

  async *events(fromSeq: number, signal: AbortSignal): AsyncGenerator<RunEvent, void> {
    let next = Math.max(fromSeq, 1);
    while (!signal.aborted) {
      const run = this.#run;
      for await (const event of run.events(next, signal)) {
        if (event.type === 'records') next = event.records.at(-1)!.seq + 1;
        yield event;
      }
      if (run !== this.#run) continue;
      if (!this.#live) return;
      await growth(this.#grown, signal);
    }
  }

  journal(): JournalBytes | null {
    return this.#live ? null : this.#run.journal();
  }

  close(): void {
    this.#cancel();
    this.#live = false;
    this.#grown.complete();
    this.#file.close();
  }

  #lookIn(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => this.#look());
  }

  #look(): void {
    const startedAt = performance.now();
    // Asked first: what the writer did last is then seen.
    const goesOn = this.#file.isBeingWritten();
    try {
      const source = this.#file.look();
      if (source.size !== this.#size || !goesOn) this.#run = journalSourceRun(source);
      this.#size = source.size;
    } catch (error) {
      // While it goes on, the next look tells; the writer may be in the middle of a frame.
      if (!goesOn) this.#failure = error instanceof Error ? error.message : String(error);
    }
    this.#live = goesOn && !this.#run.sealed;
    this.#grown.next();
    if (this.#live) this.#lookIn(Math.max(LOOK_MS, LOOK_SHARE * (performance.now() - startedAt)));
    else this.#grown.complete();
  }
}
