/** Vocabulary of the primitives that modules are built from: what threads ask shared memory. */
import type { ActorId, Delivery, EventOf } from './event.ts';
import { WAIT_EVENTS, type WaitAnswer, type WaitEvent } from './kit-waits.ts';
import type { ObjectEvent } from './object.ts';

/** What a field of a cell holds. @public */
export type CellValue = string | number | boolean | null;

/** One access to one field; the field is as wide as one access is. @public */
export type CellEvent = EventOf<{
  'cell.load': { field: string };
  'cell.store': { field: string; value: CellValue };
  /** Locked: gives back what was there. */
  'cell.xchg': { field: string; value: CellValue };
  /** Locked: stores only where `expected` is; gives back what was there. */
  'cell.cmpxchg': { field: string; expected: CellValue; value: CellValue };
  /** Locked: gives back the sum. */
  'cell.add': { field: string; value: number };
}>;

/** What a cell answers. @public */
export type CellAnswer = EventOf<{ 'cell.value': { value: CellValue } }>;

/** A spinlock: it answers in the same step. @public */
export type SpinEvent = EventOf<{ 'spin.lock': object; 'spin.unlock': object }>;
/** What a spinlock answers. @public */
export type SpinAnswer = EventOf<{ 'spin.locked': { acquired: boolean } }>;

/** A reference count. @public */
export type RefcountEvent = EventOf<{
  'refcount.inc': object;
  'refcount.incNotZero': object;
  'refcount.decAndTest': object;
  'refcount.decNotOne': object;
  'refcount.set': { count: number };
  'refcount.read': object;
}>;
/** What a reference count answers. @public */
export type RefcountAnswer = EventOf<{ 'refcount.done': { result: boolean }; 'refcount.value': { count: number | 'saturated' } }>;

/** RCU, or one SRCU domain. @public */
export type GraceEvent = EventOf<{
  /** rcu_read_lock(), which counts in its own task: no other CPU sees it. */
  'grace.read': object;
  /** srcu_read_lock(). */
  'grace.enter': object;
  /** With the index that an SRCU reader was given. */
  'grace.leave': { index?: 0 | 1 };
  'grace.synchronize': object;
  'grace.call': { callback: { to: ActorId; event: { readonly type: string; readonly [field: string]: unknown } } };
  /** Offer: the grace period ends. */
  'grace.end': object;
}>;
/** What it answers. @public */
export type GraceAnswer = EventOf<{ 'grace.index': { index: 0 | 1 }; 'grace.over': { over: boolean } }>;

/** An rwlock: it answers in the same step. @public */
export type RwlockEvent = EventOf<{
  'rwlock.trylock': { writes: boolean };
  /** In the queue, or to get there. */
  'rwlock.wait': { writes: boolean };
  'rwlock.unlock': { writes: boolean };
}>;
/** What an rwlock answers. @public */
export type RwlockAnswer = EventOf<{ 'rwlock.locked': { acquired: boolean } }>;

/** An rw_semaphore. @public */
export type RwsemEvent = EventOf<{
  'rwsem.down': { writes: boolean };
  'rwsem.trylock': { writes: boolean };
  /** By a thread that was woken: whether it was granted the lock, or can take it. */
  'rwsem.woken': { writes: boolean };
  /** By a thread that waits no more. */
  'rwsem.cancel': object;
  'rwsem.downgrade': object;
  'rwsem.up': { writes: boolean };
}>;
/** A counting semaphore. @public */
export type SemaphoreEvent = EventOf<{
  'semaphore.down': object;
  'semaphore.trylock': object;
  'semaphore.woken': object;
  'semaphore.cancel': object;
  'semaphore.up': object;
}>;
/** What locks with a queue answer. @public */
export type QueuedAnswer = EventOf<{ 'queued.granted': { granted: boolean } }>;

/** A sequence count. @public */
export type SeqcountEvent = EventOf<{ 'seqcount.begin': object; 'seqcount.end': object; 'seqcount.read': object }>;
/** What a sequence count answers. @public */
export type SeqcountAnswer = EventOf<{ 'seqcount.value': { sequence: number } }>;

/** What primitives answer threads and guests. */
export type KitAnswer = WaitAnswer | CellAnswer | SpinAnswer | RefcountAnswer | GraceAnswer | RwlockAnswer | QueuedAnswer | SeqcountAnswer;
export type KitEvent =
  | WaitEvent
  | CellEvent
  | SpinEvent
  | RefcountEvent
  | GraceEvent
  | RwlockEvent
  | RwsemEvent
  | SemaphoreEvent
  | SeqcountEvent
  | KitAnswer;

/**
 * How a processor carries out what is asked of a primitive whose actor tells `by` whom it is asked.
 * A plain store may wait in a store buffer, a plain load finds what waits there, a locked
 * instruction waits until nothing does. `none`: it is no access to memory, or a plain load of what
 * no store waits for. What does not stand here waits until nothing does, and then goes its own way.
 */
export const ACCESSES: Readonly<Partial<Record<KitEvent['type'] | ObjectEvent['type'], 'load' | 'store' | 'rmw' | 'none'>>> = {
  'cell.load': 'load',
  'cell.store': 'store',
  'cell.xchg': 'rmw',
  'cell.cmpxchg': 'rmw',
  'cell.add': 'rmw',
  'spin.lock': 'rmw',
  'spin.unlock': 'store',
  'grace.read': 'none',
  // Said of the access beside it.
  'object.use': 'none',
  'wq.active?': 'none',
  'completion.done?': 'none',
  'timer.pending?': 'none',
  'refcount.read': 'none',
  'seqcount.read': 'none',
};

export const KIT_EVENTS = {
  ...WAIT_EVENTS,
  'cell.load': 'bus',
  'cell.store': 'bus',
  'cell.xchg': 'bus',
  'cell.cmpxchg': 'bus',
  'cell.add': 'bus',
  'cell.value': 'bus',
  'spin.lock': 'bus',
  'spin.unlock': 'bus',
  'spin.locked': 'bus',
  'refcount.inc': 'bus',
  'refcount.incNotZero': 'bus',
  'refcount.decAndTest': 'bus',
  'refcount.decNotOne': 'bus',
  'refcount.set': 'bus',
  'refcount.read': 'bus',
  'refcount.done': 'bus',
  'refcount.value': 'bus',
  'grace.read': 'bus',
  'grace.enter': 'bus',
  'grace.leave': 'bus',
  'grace.synchronize': 'bus',
  'grace.call': 'bus',
  'grace.end': 'offer',
  'grace.index': 'bus',
  'grace.over': 'bus',
  'rwlock.trylock': 'bus',
  'rwlock.wait': 'bus',
  'rwlock.unlock': 'bus',
  'rwlock.locked': 'bus',
  'rwsem.down': 'bus',
  'rwsem.trylock': 'bus',
  'rwsem.woken': 'bus',
  'rwsem.cancel': 'bus',
  'rwsem.downgrade': 'bus',
  'rwsem.up': 'bus',
  'semaphore.down': 'bus',
  'semaphore.trylock': 'bus',
  'semaphore.woken': 'bus',
  'semaphore.cancel': 'bus',
  'semaphore.up': 'bus',
  'queued.granted': 'bus',
  'seqcount.begin': 'bus',
  'seqcount.end': 'bus',
  'seqcount.read': 'bus',
  'seqcount.value': 'bus',
} as const satisfies Readonly<Record<KitEvent['type'], Delivery>>;
