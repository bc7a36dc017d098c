/**
 * mutex_lock() and its likes: the thread asks, sleeps if it was refused, and asks again when the
 * owner has woken it. Wake-ups wake all that wait: which of them gets the lock, no rule decides.
 *
 * Simplified: no optimistic spinning, no handoff.
 *
 * @see kernel kernel/locking/mutex.c, mutex_lock(), __mutex_lock_common(), mutex_unlock()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import type { MutexEvent } from '../../events/sched.ts';
import { type HostItem, type HostLocals, type HostPath, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { mutexMachine } from '../host/kernel-objects.ts';
import { type Ask, goToSleep, isGranted, sleepUntil } from '../host/sleeping.ts';
import type { Source, StepSpec } from '../path/path.ts';
import { INTO, PER, primitive, restOf, WHERE } from './checked.ts';
import type { Local } from './local.ts';
import { type At, instanceAt, type Per, type Primitive } from './primitive.ts';
import { ANY, type Ends, FATAL, waitItem } from './queued.ts';

const { path, step, call, when, note, leaveLoop } = host;
export const MUTEX: Source = kernelSource('kernel/locking/mutex.c, mutex_lock(), __mutex_lock_common()');

export type MutexId = ActorId | ((t: HostThread, l: HostLocals) => ActorId);
const idOf = (id: MutexId, t: HostThread, l: HostLocals): ActorId => (typeof id === 'string' ? id : id(t, l));

const asks = (id: MutexId, type: MutexEvent['type']): Ask => ({
  send: (t, l) => outgoing(idOf(id, t, l), { type }),
  answers: { 'mutex.locked': (e) => ({ granted: e.acquired }) },
});

interface Names {
  readonly first: string;
  readonly again: string;
  readonly sleep: string;
}
/** How a mutex is waited for, and what the steps are called. */
interface How {
  readonly names?: Partial<Names>;
  readonly known?: Partial<Source>;
  /** A signal that ends the wait: the lock is not granted then. */
  readonly ends?: (t: HostThread) => boolean;
  /** `granted` is free again behind it. */
  readonly forgets?: true;
}

/** The wait for a mutex, inside another path. Leaves `granted` unless it forgets it. */
export const lockMutexItems = (id: MutexId, { names, known, ends, forgets }: How = {}): readonly HostItem[] => [
  ...sleepUntil(
    { first: names?.first ?? 'trylock', again: names?.again ?? 'trylock_or_handoff', ...(known && { known }) },
    asks(id, 'mutex.lock'),
    when([ends ? (t, l) => isGranted(t, l) || ends(t) : isGranted, [leaveLoop]]),
    ...(names?.sleep === undefined ? [] : [goToSleep(names.sleep)]),
  ),
  ...(forgets ? [note(() => ({ granted: undefined }))] : []),
];

/** The wait as a function of its own. No signal ends it unless `how` says so. */
export const lockMutexPath = (id: MutexId, name = 'mutex_lock', how: How = {}, source = MUTEX): HostPath =>
  path(name, source, lockMutexItems(id, how), how.ends ? {} : { locals: ['granted'] });

type UnlockRest = Pick<StepSpec<HostThread, HostLocals, never>, 'set' | 'source' | 'grade'>;
/** mutex_unlock(). */
export const unlockMutexStep = (id: MutexId, name = 'mutex_unlock', rest: UnlockRest = {}): HostItem =>
  step(name, { send: (t, l) => outgoing(idOf(id, t, l), { type: 'mutex.unlock' }), ...rest });

/** Where a step of a lock stands, and what it is called. @public */
export interface LockWhere {
  readonly at?: At<HostThread, HostLocals>;
  readonly as?: string;
  /** Where it comes from, of what is one step. */
  readonly step?: Partial<Source>;
}

/** A sleeping lock. @public */
export interface Mutex extends Primitive {
  readonly kind: string;
  /** mutex_lock(). */
  lock(where?: LockWhere): HostItem;
  /** mutex_lock_killable(); `into` gets whether it is held: a fatal signal ends the wait. */
  lockKillable(into: Local<boolean>, where?: LockWhere): HostItem;
  /** mutex_lock_interruptible(); `into` gets whether it is held: a signal ends the wait. */
  lockInterruptible(into: Local<boolean>, where?: LockWhere): HostItem;
  /** mutex_trylock(); `into` gets whether it is held. */
  trylock(into: Local<boolean>, where?: LockWhere): HostItem;
  unlock(where?: LockWhere): HostItem;
}

/** What the steps of a mutex are given. */
export const MUTEX_STEPS = {
  lock: [WHERE],
  lockKillable: [INTO, WHERE],
  lockInterruptible: [INTO, WHERE],
  trylock: [INTO, WHERE],
  unlock: [WHERE],
};
/** The steps of a mutex, by which actor it is. */
export function mutexSteps(id: (where: LockWhere) => MutexId): Omit<Mutex, 'kind' | 'parts'> {
  const endable =
    (as: string, by: Omit<Ends, 'into'>) =>
    (into: Local<boolean>, where: LockWhere = {}): HostItem => {
      const ask = asks(id(where), 'mutex.lock');
      const waits = { first: 'trylock', ask, again: ['trylock_or_handoff', ask], cancel: asks(id(where), 'mutex.trylock') } as const;
      return waitItem(where.as ?? as, MUTEX, waits, { ...by, into });
    };
  return {
    lock: (where = {}) => call(lockMutexPath(id(where), where.as)),
    lockKillable: endable('mutex_lock_killable', FATAL),
    lockInterruptible: endable('mutex_lock_interruptible', ANY),
    trylock: (into, where = {}) =>
      step(where.as ?? 'mutex_trylock', {
        ...MUTEX,
        leaves: [into.name],
        send: (t, l) => outgoing(idOf(id(where), t, l), { type: 'mutex.trylock' }),
        answers: { 'mutex.locked': (e) => ({ [into.name]: e.acquired }) },
      }),
    unlock: (where = {}) => unlockMutexStep(id(where), where.as, MUTEX),
  };
}

/** A mutex of this name: one for the host, or one for each VM, vCPU or CPU. @public */
export function mutex(name: string, rest: { readonly per?: Per } = {}): Mutex {
  const { per = 'host' } = restOf('mutex', name, rest, PER);
  return primitive<Mutex>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => mutexMachine, sets: ['waiters'] }],
      ...mutexSteps(({ at }) => instanceAt(name, per, at)),
    },
    MUTEX_STEPS,
  );
}
