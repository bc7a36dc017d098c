/**
 * seqcount_t and seqlock_t: a writer makes the count odd while it writes; a reader reads without a
 * lock, and again if the count has changed.
 *
 * Writers have to be serialized by something else. Two at once are found without a property of the
 * module's own.
 *
 * Simplified: the count never wraps, so that a writer without end has states without end.
 *
 * @see kernel include/linux/seqlock.h; Documentation/locking/seqlock.rst
 */
import { emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { SeqcountEvent } from '../../events/kit.ts';
import { type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { FROM, INTO, ITEMS, PER, primitive, restOf, WHERE } from './checked.ts';
import { fn } from './fn.ts';
import { memorized } from './known.ts';
import { type Local, local } from './local.ts';
import type { LockWhere } from './mutex.ts';
import { type Breach, instanceAt, type Per, type Primitive } from './primitive.ts';
import { type Spinlock, spinlock } from './spinlock.ts';

const { path, step, call, loop, when, leaveLoop } = host;
const SEQCOUNT = memorized('include/linux/seqlock.h, write_seqcount_begin(), read_seqcount_begin()');

export interface SeqcountContext {
  readonly sequence: number;
  readonly writer: ActorId | null;
  /** A second writer that has begun meanwhile. */
  readonly intruder: ActorId | null;
}

const seqcountMachine = setup({
  types: { context: {} as SeqcountContext, events: {} as Stamped<SeqcountEvent>, emitted: {} as Outgoing },
  actions: {
    begin: enqueueActions(({ context: c, event, enqueue }) => {
      const by = sender(event);
      enqueue.assign({ sequence: c.sequence + 1, ...(c.writer === null ? { writer: by } : { intruder: c.intruder ?? by }) });
    }),
    end: enqueueActions(({ context: c, enqueue }) => enqueue.assign({ sequence: c.sequence + 1, writer: null })),
    answer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'seqcount.value', sequence: c.sequence })),
  },
}).createMachine({
  id: 'seqcount',
  context: { sequence: 0, writer: null, intruder: null },
  initial: 'counting',
  states: {
    counting: {
      tags: 'rest',
      on: { 'seqcount.begin': { actions: 'begin' }, 'seqcount.end': { actions: 'end' }, 'seqcount.read': { actions: 'answer' } },
    },
  },
});

const TWO_WRITERS: Breach<SeqcountContext> = {
  id: 'one-writer',
  source: 'kernel Documentation/locking/seqlock.rst, "Write side critical sections must thus be serialized"',
  grade: 'memory',
  each: ({ writer, intruder }, id) => intruder && `${intruder} begins to write ${id}, and ${writer ?? 'another'} has not ended`,
};

/** A sequence count. @public */
export interface Seqcount extends Primitive {
  readonly kind: string;
  /** write_seqcount_begin(), with preemption off: a lock does that, or `preemptDisable`. */
  writeBegin(where?: LockWhere): HostItem;
  writeEnd(where?: LockWhere): HostItem;
  /** read_seqcount_begin(): waits until no writer is at it. `into` gets the count. */
  readBegin(into: Local<number>, where?: LockWhere): HostItem;
  /** read_seqcount_retry(); `into` gets whether the count is another than `start`. */
  readRetry(start: Local<number>, into: Local<boolean>, where?: LockWhere): HostItem;
  /** do { … } while (read_seqcount_retry()): the items, again until no writer was in between. */
  read(items: readonly HostItem[], where?: LockWhere): HostItem;
}

/** A sequence count with a lock for its writers. @public */
export interface Seqlock extends Pick<Seqcount, 'kind' | 'parts' | 'readBegin' | 'readRetry' | 'read'> {
  /** write_seqlock(). */
  writeLock(where?: LockWhere): HostItem;
  writeUnlock(where?: LockWhere): HostItem;
}

const READS = { readBegin: [INTO, WHERE], readRetry: [FROM, INTO, WHERE], read: [ITEMS, WHERE] };
const sequence = local<number>('seqNow');
const retry = local<boolean>('seqRetry');

/** A sequence count of this name. Two writers at once break `NAME.one-writer`. @public */
export function seqcount(name: string, rest: { readonly per?: Per } = {}): Seqcount {
  const { per = 'host' } = restOf('seqcount', name, rest, PER);
  // It lives as long as the items of a read, which may read another count.
  const start = local<number>(`${name}Start`);
  const says = (type: SeqcountEvent['type'], at: LockWhere['at']) => {
    const id = instanceAt(name, per, at);
    return (t: HostThread, l: HostLocals) => outgoing(id(t, l), { type });
  };
  const read = (as: string, into: Local<number>, at: LockWhere['at'], idles = false): HostItem =>
    step(as, {
      ...SEQCOUNT,
      ...(idles && { idles, yields: true as const }),
      leaves: [into.name],
      send: says('seqcount.read', at),
      answers: { 'seqcount.value': (e) => ({ [into.name]: e.sequence }) },
    });
  const write = (as: string, type: SeqcountEvent['type'], { at, as: own }: LockWhere = {}): HostItem =>
    call(path(own ?? as, SEQCOUNT, [step('raw_write_seqcount', { send: says(type, at) })], { requires: 'N' }));
  const isEven = (_t: HostThread, l: HostLocals): boolean => sequence.of(l)! % 2 === 0;
  const readBegin = (into: Local<number>, { at, as = 'read_seqcount_begin' }: LockWhere = {}): HostItem =>
    call(
      fn(
        as,
        SEQCOUNT,
        [loop(read('seqprop_sequence', sequence, at, true), when([isEven, [into.set((_t, l) => sequence.of(l)!), leaveLoop]]))],
        {
          leaves: [into.name],
        },
      ),
    );
  const readRetry = (from: Local<number>, into: Local<boolean>, { at, as = 'read_seqcount_retry' }: LockWhere = {}): HostItem => {
    const differs = (_t: object, l: object): boolean => sequence.of(l) !== from.of(l);
    return call(fn(as, SEQCOUNT, [read('seqprop_sequence', sequence, at), into.set(differs)], { leaves: [into.name] }));
  };
  return primitive<Seqcount>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => seqcountMachine, breaches: [TWO_WRITERS] }],
      writeBegin: (where) => write('write_seqcount_begin', 'seqcount.begin', where),
      writeEnd: (where) => write('write_seqcount_end', 'seqcount.end', where),
      readBegin,
      readRetry,
      read: (items, { at } = {}) => {
        const where = at ? { at } : {};
        return loop(readBegin(start, where), ...items, readRetry(start, retry, where), when([retry.is(false), [leaveLoop]]));
      },
    },
    { writeBegin: [WHERE], writeEnd: [WHERE], ...READS },
  );
}

/** A seqlock of this name, with its spinlock `NAMELock`. @public */
export function seqlock(name: string, rest: { readonly per?: Per } = {}): Seqlock {
  restOf('seqlock', name, rest, PER);
  const { writeBegin, writeEnd, parts, ...reads } = seqcount(name, rest);
  const lock: Spinlock = spinlock(`${name}Lock`, rest);
  const known = memorized('include/linux/seqlock.h, write_seqlock(), write_sequnlock()');
  const inner = ({ at }: LockWhere): LockWhere => (at ? { at } : {});
  return primitive<Seqlock>(
    name,
    {
      ...reads,
      parts: [...parts, ...lock.parts],
      writeLock: (where = {}) => call(fn(where.as ?? 'write_seqlock', known, [lock.lock(inner(where)), writeBegin(inner(where))])),
      writeUnlock: (where = {}) => call(fn(where.as ?? 'write_sequnlock', known, [writeEnd(inner(where)), lock.unlock(inner(where))])),
    },
    { writeLock: [WHERE], writeUnlock: [WHERE], ...READS },
  );
}
