/** Carries a run to its end and writes its journal: whole under its name, or not at all. */
import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import type { RunEnd, RunStart } from '../events/journal.ts';
import { codeOf } from '../replay/errors.ts';
import { fileSource } from '../replay/file-source.ts';
import { runIdOf, toHex } from '../replay/identity.ts';
import { openJournal } from '../replay/open.ts';
import type { Journal } from '../replay/reader.ts';
import { memorySource } from '../replay/source.ts';
import { FLUSH_MS, JournalWriter, type Sealed, type WriterMode } from '../replay/writer.ts';
import { hexOf } from '../sim/canonical.ts';
import { ModelError } from '../sim/engine/port.ts';
import type { Run } from '../sim/run.ts';
import type { BlockSink } from '../sim/sequencer.ts';
import { CliError, EXIT, usageError } from './errors.ts';
import { makeFolder } from './folder.ts';
import type { Io } from './io.ts';
import { commandText, showProgress } from './output.ts';
import { targetOf, writeStream } from './target.ts';

export interface RecordingOptions {
  /**
   * The run tells what an earlier part of the command found: a signal, which may have ended that
   * part, does not cut it.
   */
  readonly tellsFound?: true;
  /** `-` is standard output; without one the file is named after the run. */
  readonly output?: string | undefined;
  /** Where files that are named after their run go; it is made. */
  readonly folder?: string | undefined;
  readonly mode: WriterMode;
  readonly io: Io;
}

/** A finished run. */
export interface Recorded {
  readonly start: RunStart;
  readonly end: RunEnd;
  readonly runId: string;
  readonly records: number;
  readonly steps: number;
  readonly digest: string;
  readonly root: string;
  /** The journal's path as the user may name it; null if it is in memory only. */
  readonly path: string | null;
  readonly met: ReadonlyMap<string, string>;
  /** The journal, open. */
  readonly journal: Journal;
  close(): void;
}

export const RUNS_FOLDER = 'worldswitch-runs';

/** Steps between two checks of the clock and of the request to stop. */
const STEPS_PER_LOOK = 32;
const TURN_MS = 40;
const PROGRESS_MS = 500;

export class Recording {
  readonly #options: RecordingOptions;
  #writer: JournalWriter | null = null;
  #start: RunStart | null = null;
  /** The file that holds the journal once it is whole; null where there is none. */
  #path: string | null = null;
  /** A device or a pipe that takes the journal once it is whole. */
  #stream: string | null = null;

  constructor(options: RecordingOptions) {
    this.#options = options;
  }

  /** Takes the records of a run; `begin` comes first. */
  readonly sink: BlockSink = (block, names) => {
    this.#writer!.block(block, names);
    // By count and not by time, so that the same run in the same mode gives the same bytes.
    if (this.#options.mode === 'sync') this.#writer!.acknowledge();
  };

  /**
   * Creates the file, so that a place that cannot be written is an error before anything has run.
   */
  begin(start: RunStart): BlockSink {
    this.#start = start;
    // From the moment that there is a file on, a signal seals it: one that ended the process would
    // leave an empty one, in the way of the next run.
    this.#options.io.interruption();
    this.#writer = this.#open(start);
    return this.sink;
  }

  #open(start: RunStart): JournalWriter {
    const { output, folder = RUNS_FOLDER, io } = this.#options;
    if (this.#options.mode === 'memory' && output !== undefined && output !== '-')
      throw usageError(`--mode memory writes no file, and -o ${output} asks for one; leave one of them out`);
    const mode = output === '-' ? 'memory' : this.#options.mode;
    if (mode === 'memory') return JournalWriter.open(null, start, { mode });
    const open = (path: string, part: 'known' | 'own'): JournalWriter => {
      this.#path = path;
      return JournalWriter.open({ path, files: io.files, part }, start, { mode });
    };
    if (output !== undefined) {
      const { path, isFile } = targetOf(output, io);
      if (!isFile) {
        this.#stream = path;
        return JournalWriter.open(null, start, { mode: 'memory' });
      }
      return open(path, 'known');
    }
    const where = resolve(io.cwd, folder);
    makeFolder(where, shownPath(where, io.cwd));
    const path = join(where, `${toHex(runIdOf(start))}.wsj`);
    try {
      return open(path, 'known');
    } catch (error) {
      if (codeOf(error) !== 'EEXIST') throw error;
      // Another process writes the same run, or was killed while it did. Neither need wait: whole,
      // both have the same bytes, and one that is stopped takes no whole one's name.
      return open(path, 'own');
    }
  }

  /**
   * Starts the run unless it has, and takes it to its end, until `steps` have been carried out, or
   * until it is interrupted.
   * @throws ModelError, ScheduleError, JournalWriteError
   */
  async carry(run: Run, steps = Number.POSITIVE_INFINITY): Promise<Recorded> {
    try {
      if (run.sequencer.seq === 0) run.start();
      await this.#advance(run, steps).finally(() => showProgress(this.#options.io.err, ''));
      const end = run.stop();
      return this.#seal(run, end);
    } catch (error) {
      throw this.#failed(run, error);
    }
  }

  /** Removes the journal of a run that could not begin. */
  discard(): void {
    this.#writer?.discard();
  }

  async #advance(run: Run, steps: number): Promise<void> {
    const { io } = this.#options;
    const signal = io.interruption();
    const isWhole = this.#options.tellsFound === true;
    let shownAt = performance.now();
    let flushedAt = shownAt;
    for (let turn = shownAt; isWhole || !signal.aborted; ) {
      for (let i = 0; i < STEPS_PER_LOOK; i++) if (run.sequencer.step >= steps || !run.advance()) return;
      const now = performance.now();
      if (now - turn < TURN_MS) continue;
      if (now - flushedAt >= FLUSH_MS) {
        this.#flush(run);
        flushedAt = now;
      }
      if (io.err.isTerminal && now - shownAt >= PROGRESS_MS) {
        showProgress(io.err, `  step ${run.sequencer.step}, ${run.sequencer.seq} records`);
        shownAt = now;
      }
      await new Promise((done) => setImmediate(done));
      turn = performance.now();
    }
  }

  /**
   * Puts all records so far into the file, where others may follow them. In sync mode blocks are
   * acknowledged by count, and handing one over would be one.
   */
  #flush(run: Run): void {
    if (this.#path === null || this.#options.mode === 'sync') return;
    run.settle();
    run.sequencer.flush();
    this.#writer!.flush();
  }

  #seal(run: Run, end: RunEnd): Recorded {
    const { io } = this.#options;
    this.#keepWhole(end);
    const sealed = this.#writer!.seal(end, this.#path ?? undefined);
    const start = this.#start!;
    const path = this.#settle(sealed);
    const { source, close } = sealed.content ? { source: memorySource(sealed.content), close: () => {} } : openFile(path!);
    const { a, b } = run.sequencer.digest;
    const shown = path === null ? null : shownPath(path, io.cwd);
    const { root, records, steps } = sealed;
    const facts = { start, end, runId: toHex(runIdOf(start)), records, steps, root, digest: hexOf(a, b), met: run.met };
    return { ...facts, path: shown, journal: openJournal(source), close };
  }

  /** A run that was stopped takes no name of its run from a journal that may be whole. */
  #keepWhole({ ended }: RunEnd): void {
    const path = this.#path;
    if (path === null || this.#options.output !== undefined || ended !== 'stopped' || !existsSync(path)) return;
    this.#path = path.replace(/\.wsj$/, '-stopped.wsj');
  }

  /** Writes a journal that is in memory to where it was asked for. */
  #settle({ content }: Sealed): string | null {
    const { output, io } = this.#options;
    if (!content) return this.#path;
    if (this.#stream !== null || output === '-') io.endInterruption();
    if (output === '-') io.out.write(content);
    else if (this.#stream !== null) writeStream(this.#stream, [content]);
    return null;
  }

  /**
   * The records before the model broke a rule are evidence and stay; after any other error the
   * journal is removed.
   */
  #failed(run: Run, error: unknown): unknown {
    const kept = error instanceof ModelError && this.#path !== null ? this.#keep(run, this.#path) : null;
    this.#writer?.discard();
    if (!(error instanceof ModelError) || this.#path === null) return error;
    const message = `the model breaks its own rules in step ${run.sequencer.step}: ${error.message}`;
    if (kept === null) return new CliError({ code: 'model', exit: EXIT.internal, message }, { cause: error });
    return new CliError(
      {
        code: 'model',
        exit: EXIT.internal,
        message: `${message}\n  ${kept} holds the steps before it`,
        attempt: `${commandText(['show', kept])}; then a report with that file`,
      },
      { cause: error },
    );
  }

  /**
   * Keeps the steps so far under a name of their own: in the folder of runs that of the scenario,
   * so that the next mistake of a module that is being mended takes the place of the last.
   * @returns the name; null where none can be kept
   */
  #keep(run: Run, path: string): string | null {
    const isNamed = this.#options.output !== undefined;
    const kept = isNamed ? `${path}.failed` : join(dirname(path), `${nameIn(this.#start!)}.wsj.failed`);
    try {
      run.sequencer.flush();
      this.#writer?.release(kept);
      return shownPath(kept, this.#options.io.cwd);
    } catch {
      return null;
    }
  }
}

const nameIn = ({ scenario }: RunStart): string => String((scenario as { readonly name?: unknown }).name ?? 'run');

function openFile(path: string) {
  const source = fileSource(path);
  return { source, close: () => source.close() };
}

/** The path relative to the current folder, if it lies below it. */
export function shownPath(path: string, cwd: string): string {
  const near = relative(cwd, path);
  return near.startsWith('..') ? path : near;
}
