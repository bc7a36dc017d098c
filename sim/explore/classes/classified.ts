/**
 * A search over classes with the conditions that it stands on. Where CPUs cannot be renamed, it
 * searches once more without; where one configuration cannot speak for others, it is refused.
 */
import { MemoEngine } from '../../engine/memo.ts';
import { topologyOf } from '../../host/topology.ts';
import { SymmetryError } from '../reduce/symmetry.ts';
import type { Search, SearchTotals } from '../request.ts';
import { closing, reexecuted } from '../turns.ts';
import { checkCongruence } from './checks.ts';
import { ClassError } from './class-error.ts';
import type { ClassOptions } from './options.ts';
import { takeAgain } from './retake.ts';
import { ClassSearch } from './search.ts';

/** A search over classes that is over, and whose conditions hold. */
export interface Classified {
  readonly search: ClassSearch;
  readonly limit: SearchTotals['limit'];
  /** Reactions that are remembered and were not executed again, as time was over. */
  readonly unverified: number;
}

/** @throws ClassError if no configuration of the scheduler may stand for others */
export function* classified(asked: ClassOptions): Search<Classified> {
  const engine = new MemoEngine(topologyOf(asked.scenario));
  for (let { renames } = asked; ; ) {
    const search = new ClassSearch({ ...asked, renames }, engine);
    if (!search.parts.hasScheduler) throw new ClassError('the model has no scheduler, so that no state can stand for others by it');
    engine.untake(search.world.initial);
    try {
      const limit = yield* search.run();
      const isStopped = yield* closing(checked(search));
      const unverified = isStopped ? 0 : yield* reexecuted(engine);
      return { search, limit: isStopped || unverified > 0 ? (limit ?? 'stopped') : limit, unverified };
    } catch (error) {
      if (!(error instanceof SymmetryError) || renames !== 'cpus') throw error;
      renames = 'none';
    }
  }
}

/** Holds all conditions against what was met. @returns whether it was stopped before */
function* checked(search: ClassSearch): Search<boolean> {
  if (yield* inTurns(search, checkCongruence(search))) return true;
  // What is asked again under other names was met before: nothing more is taken by that.
  search.world.engine.lookAhead(() => search.names?.verify(search.watches));
  return search.isOverTaken ? yield* inTurns(search, takeAgain(search)) : false;
}

function* inTurns(search: ClassSearch, work: Iterable<void>): Search<boolean> {
  for (const _ of work) if (yield search.progress) return true;
  return false;
}
