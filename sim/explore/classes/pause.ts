/**
 * Turns of the caller while the graph of the scheduler grows: on a host of many CPUs one class may
 * have more configurations than anything could count.
 */
import type { Progress, Search } from '../request.ts';

/** Alternatives of the scheduler looked at between two turns. */
const TURN_ALTERNATIVES = 1 << 15;

/** The graph has grown by what it was allowed; what was found is kept, and asked again goes on. */
export class Pause extends Error {
  override readonly name = 'Pause';
}

/** A search whose graph may pause. */
interface Pausing {
  readonly graph: { allowance: number };
  readonly progress: Progress;
}

/** Whether work was done without a pause; else it has to begin again. */
export function tries({ graph }: Pausing, work: () => void): boolean {
  graph.allowance = TURN_ALTERNATIVES;
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof Pause) return false;
    throw error;
  } finally {
    graph.allowance = Number.POSITIVE_INFINITY;
  }
}

/** Does all of some work, with a turn at each pause. @returns why it was stopped */
export function* inTurns(search: Pausing, work: () => void): Search<'bytes' | 'stopped' | null> {
  while (!tries(search, work)) {
    const stop = yield search.progress;
    if (stop) return stop === 'bytes' ? stop : 'stopped';
  }
  return null;
}
