/**
 * A lock that is dropped by who does not hold it: no state of the lock follows, and a kernel that
 * checks its locks says so.
 *
 * @see kernel kernel/locking/lockdep.c, print_unlock_imbalance_bug(), "bad unlock balance
 * detected!"; kernel/locking/mutex-debug.c, debug_mutex_unlock()
 */
import type { ActorId } from '../../events/event.ts';

/** A lock's rule is broken; `rule` is what a kernel with lockdep calls it. */
export class BadUnlockError extends Error {
  readonly rule = 'bad unlock balance';
}

/** @throws BadUnlockError with who unlocks, and who holds it */
export function refuseUnlock(by: ActorId, holders: readonly ActorId[], held = 'holds it'): never {
  throw new BadUnlockError(`bad unlock balance: ${by} unlocks it, and ${holders.length === 0 ? 'no one' : holders.join(', ')} ${held}`);
}
