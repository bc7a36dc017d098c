/** Lets a run go on while clients are served: some steps, then a turn of the event loop. */
import type { RunEnd } from '../../events/journal.ts';
import type { Run } from '../../sim/run.ts';
import { type Clock, systemClock } from './clock.ts';
import type { LiveRun } from './live-run.ts';

export interface DriveOptions {
  /** Steps between two turns of the event loop. */
  readonly stepsPerTurn?: number;
  /** Milliseconds between two turns, for eyes that follow. */
  readonly pauseMs?: number;
  readonly clock?: Clock;
  /** Ends the run as interrupted. */
  readonly signal?: AbortSignal;
  /** Ends the run as stopped after this step. */
  readonly to?: number;
  /** Starts the run unless it has been, and carries out what goes before the first turn. */
  readonly begin?: () => void;
}

const STEPS_PER_TURN = 500;

const started = (run: Run): void => {
  if (run.sequencer.seq === 0) run.start();
};

/**
 * Starts a run whose sink is `live.block`, unless it has been started, carries it to its end, and
 * seals it.
 * @throws what the model or the journal throws; watchers are told that the run failed
 */
export async function driveRun(run: Run, live: LiveRun, options: DriveOptions = {}): Promise<RunEnd> {
  const { stepsPerTurn = STEPS_PER_TURN, pauseMs = 0, clock = systemClock, signal, to, begin = () => started(run) } = options;
  const turn = (): Promise<void> =>
    new Promise((resolve) => {
      if (pauseMs > 0) clock.after(pauseMs, resolve);
      else setImmediate(resolve);
    });
  try {
    begin();
    do {
      run.settle();
      run.sequencer.flush();
      await turn();
    } while (!signal?.aborted && advance(run, stepsPerTurn, to));
    const end = run.stop();
    live.seal(end);
    return end;
  } catch (error) {
    live.fail(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

function advance(run: Run, steps: number, to = Number.POSITIVE_INFINITY): boolean {
  for (let step = 0; step < steps; step++) if (run.sequencer.step >= to || !run.advance()) return false;
  return true;
}
