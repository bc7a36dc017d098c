/** Drives a search: progress on a terminal, Ctrl-C and a time limit that keep what was found, and journals of the schedules it gives. */
import { mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { runIdOf, toHex } from '../replay/identity.ts';
import type { Search } from '../sim/explore/explorer.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { openSession } from '../sim/session.ts';
import { fileError } from './errors.ts';
import type { Io } from './io.ts';
import { type Recorded, Recording, RUNS_FOLDER, shownPath } from './recording.ts';

const PROGRESS_MS = 500;

/** Why a search ended before its time. */
export interface Drive<R> {
  readonly result: R;
  readonly interrupted: boolean;
  readonly timedOut: boolean;
}

export async function drive<R>(search: Search<R>, io: Io, seconds: number | undefined, what: string): Promise<Drive<R>> {
  const signal = io.interruption();
  const startedAt = performance.now();
  let shownAt = startedAt;
  let stop = false;
  let timedOut = false;
  for (;;) {
    const turn = search.next(stop);
    if (turn.done) {
      if (io.err.isTerminal) io.err.write('\r\x1b[K');
      return { result: turn.value, interrupted: signal.aborted, timedOut };
    }
    const now = performance.now();
    timedOut ||= seconds !== undefined && now - startedAt > 1000 * seconds;
    stop = signal.aborted || timedOut;
    if (io.err.isTerminal && now - shownAt >= PROGRESS_MS) {
      const { states, frontier, bytes } = turn.value;
      const rate = Math.round(states / (now - startedAt)) / 1000;
      io.err.write(`\r\x1b[K  ${what}: ${states} states, ${frontier} to expand, ${rate} M/s, ${Math.round(bytes / 2 ** 20)} MiB `);
      shownAt = now;
    }
    await new Promise((done) => setImmediate(done));
  }
}

export interface TrailOptions {
  readonly scenario: ResolvedScenario;
  /** Choices by label; after them the run goes on in order, if it has not ended. */
  readonly labels: readonly string[];
  /** The folder of the journals; the file is named after the run. */
  readonly folder: string | undefined;
  /** The file's name, if it is not to be named after the run. */
  readonly name?: string;
  readonly io: Io;
}

/** Writes the journal of a schedule that a search found. */
export async function recordTrail({ scenario, labels, folder, name, io }: TrailOptions): Promise<Recorded> {
  const choices = labels.map((label) => ({ index: 0, label }));
  const chooser = { name: 'replay', choices, match: 'label', after: { name: 'fifo' } } as const;
  const schedule = `labels ${labels.join(' ')}`;
  // The run's name is known before its journal is opened.
  const { start } = openSession({ scenario, engine: 'memo', chooser, schedule });
  const where = resolve(io.cwd, folder ?? RUNS_FOLDER);
  try {
    mkdirSync(where, { recursive: true });
  } catch (error) {
    throw fileError(error, shownPath(where, io.cwd), 'write');
  }
  const output = join(where, name ?? `${toHex(runIdOf(start))}.wsj`);
  const recording = new Recording({ output: shownPath(output, io.cwd), mode: 'buffered', io });
  const { run } = openSession({ scenario, engine: 'memo', chooser, schedule, sink: recording.sink });
  recording.begin(start);
  return recording.carry(run);
}
