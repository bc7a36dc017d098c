/**
 * Drives a search: progress on a terminal, Ctrl-C and a time limit that keep what was found, and
 * journals of the schedules it gives.
 */
import { ModelError } from '../sim/engine/port.ts';
import { wayToMistake } from '../sim/explore/mistake.ts';
import type { Progress, Search, Stop } from '../sim/explore/request.ts';
import type { PlainWorld } from '../sim/restore.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { openSession, type SessionOptions } from '../sim/session.ts';
import type { Io } from './io.ts';
import { showProgress } from './output.ts';
import { type Recorded, Recording } from './recording.ts';

const PROGRESS_MS = 500;

/** The result of a search, and why it ended early if it did. */
export interface Drive<R> {
  readonly result: R;
  readonly interrupted: boolean;
  readonly timedOut: boolean;
}

/** The share of the time that a search may take; the rest is for its closing work. */
const SEARCH_SHARE = 0.85;

export interface Limits {
  readonly seconds?: number | undefined;
  /** Whether so many bytes more fit into memory. */
  readonly fits?: ((bytes: number) => boolean) | undefined;
  /** What is searched, and within which bound. */
  readonly what: string;
}

/** Looks at a search from outside: shows how far it is, and says when it has to stop. */
export class Overseer {
  timedOut = false;
  readonly #signal: AbortSignal;
  readonly #io: Io;
  readonly #seconds: number | undefined;
  readonly #fits: ((bytes: number) => boolean) | undefined;
  readonly #startedAt = performance.now();
  #what: string;
  #shownAt = this.#startedAt;

  constructor(io: Io, { seconds, fits, what }: Limits) {
    this.#io = io;
    this.#signal = io.interruption();
    this.#seconds = seconds;
    this.#fits = fits;
    this.#what = what;
  }

  get interrupted(): boolean {
    return this.#signal.aborted;
  }

  /** Whether the search has to stop, and whether for want of memory. */
  look(progress: Progress): Stop {
    const now = performance.now();
    const share = progress.closing ? 1 : SEARCH_SHARE;
    const isOver = this.#seconds !== undefined && now - this.#startedAt > 1000 * this.#seconds * share;
    this.timedOut ||= isOver;
    if (this.#io.err.isTerminal && now - this.#shownAt >= PROGRESS_MS) {
      showProgress(this.#io.err, `  ${this.#what}: ${progressText(progress, now - this.#startedAt)}`);
      this.#shownAt = now;
    }
    return this.interrupted || isOver || (this.#fits?.(0) === false && 'bytes');
  }

  /** Goes on with another part of the same work. */
  continue(what: string): this {
    this.#what = what;
    return this;
  }

  /** Removes the line of progress. */
  end(): void {
    showProgress(this.#io.err, '');
  }
}

const grouped = (value: number): string => String(value).replace(/\B(?=(\d{3})+$)/g, ',');

/** How far a search is, in one line. */
function progressText({ states, frontier, bytes, depth, reactions }: Progress, ms: number): string {
  if (reactions !== undefined) return `${grouped(reactions)} reactions to execute again`;
  const parts = [
    `${grouped(states)} states`,
    `${grouped(frontier)} to expand${depth === undefined ? '' : ` at step ${depth}`}`,
    `${grouped(Math.round((1000 * states) / Math.max(1, ms)))} states/s`,
    ...(bytes > 0 ? [`${grouped(Math.round(bytes / 2 ** 20))} MiB`] : []),
  ];
  return parts.join(', ');
}

export const drive = <R>(search: Search<R>, io: Io, limits: Limits): Promise<Drive<R>> => driveBy(search, new Overseer(io, limits));

export async function driveBy<R>(search: Search<R>, overseer: Overseer): Promise<Drive<R>> {
  let stop: Stop = false;
  try {
    for (;;) {
      const turn = search.next(stop);
      if (turn.done) return { result: turn.value, interrupted: overseer.interrupted, timedOut: overseer.timedOut };
      stop = overseer.look(turn.value);
      await new Promise((done) => setImmediate(done));
    }
  } finally {
    overseer.end();
  }
}

export interface TrailOptions {
  readonly scenario: ResolvedScenario;
  /** Choices by label; after them the run goes on in order, if it has not ended. */
  readonly labels: readonly string[];
  /** The folder of the journals, which is made; the file is named after the run. */
  readonly folder?: string | undefined;
  /** The file, as `-o` of `run` has it, if it is not to be named after the run. */
  readonly output?: string | undefined;
  /** The property that the journal shows; others that break at once are told beside it. */
  readonly shows?: string;
  readonly io: Io;
}

interface Found extends Pick<TrailOptions, 'scenario' | 'folder' | 'io'> {
  /** Where the search starts, if not at the start of the run. */
  readonly from?: PlainWorld | null | undefined;
  /** Choices before those of the search. */
  readonly prefix: readonly string[];
}

/** An error of a worker thread has the name alone. */
const isMistake = (error: unknown): boolean => error instanceof Error && ['ModelError', 'UnhandledEventError'].includes(error.name);

/**
 * Shows a mistake of the model as the run that meets it, which leaves its journal. Where the search
 * knows no way to it, that is the shortest one to any mistake.
 */
export const shownAsRun =
  ({ scenario, from, prefix, folder, io }: Found) =>
  async (error: unknown): Promise<never> => {
    const known = error instanceof ModelError ? error.way : null;
    const way = known ?? (isMistake(error) ? wayToMistake(scenario, from ?? undefined) : null);
    if (way !== null) (await recordTrail({ scenario, labels: [...prefix, ...way], folder, io })).close();
    throw error;
  };

/** Writes the journal of a schedule that a search found. */
export async function recordTrail({ scenario, labels, folder, output, shows, io }: TrailOptions): Promise<Recorded> {
  const choices = labels.map((label) => ({ index: 0, label }));
  const chooser = { name: 'replay', choices, match: 'label', after: { name: 'fifo' } } as const;
  const opened = { scenario, engine: 'memo', chooser } as const;
  // A journal tells one property first: where a run of these choices tells another one, this
  // journal is another file.
  const sought = shows !== undefined && firstTold(opened, labels.length) !== shows ? shows : undefined;
  const schedule = `labels ${labels.join(' ')}${sought === undefined ? '' : ` to show ${sought}`}`;
  const recording = new Recording({ output, folder, mode: 'buffered', tellsFound: true, io });
  const { run, start } = openSession({ ...opened, schedule, sought, sink: recording.sink });
  recording.begin(start);
  return recording.carry(run);
}

/**
 * The property that a run of so many steps tells that it breaks; undefined where it breaks none.
 */
function firstTold(options: SessionOptions, steps: number): string | undefined {
  const { run } = openSession(options);
  run.start();
  return run.toEnd(steps)?.violation?.property;
}
