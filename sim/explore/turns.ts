/**
 * How a search is driven turn by turn: to its end, through its closing work, and with reactions
 * executed again as far as time is left.
 */
import type { MemoEngine } from '../engine/memo.ts';
import type { Search } from './request.ts';

/** Reactions executed again between two looks at the time. */
const CHUNK = 256;

/** Drives a search to its end in one go. */
export function finish<R>(search: Search<R>): R {
  for (let turn = search.next(); ; turn = search.next()) if (turn.done) return turn.value;
}

/** Marks what a search does when it is over, so that time can be kept for it. */
export function* closing<R>(search: Search<R>): Search<R> {
  for (let turn = search.next(); ; ) {
    if (turn.done) return turn.value;
    turn = search.next(yield { ...turn.value, closing: true });
  }
}

/**
 * Executes remembered reactions again until it is told to stop.
 * @returns how many were not executed again.
 * @throws ModelError
 */
export function* reexecuted(engine: MemoEngine): Search<number> {
  for (;;) {
    const left = engine.verifySome(CHUNK);
    if (left === 0 || (yield { states: 0, frontier: 0, transitions: 0, bytes: 0, reactions: left, closing: true })) return left;
  }
}

/**
 * A search whose time is limited: what it remembers is executed again as it goes, so that little is
 * left for its end.
 */
export function* reexecuting<R>(search: Search<R>, engine: MemoEngine): Search<R> {
  for (let turn = search.next(); ; ) {
    if (turn.done) return turn.value;
    engine.verifySome(Number.POSITIVE_INFINITY);
    turn = search.next(yield turn.value);
  }
}
