/**
 * rwlock_t: any number of readers, or one writer, who wait by spinning with preemption off unless
 * the host is `rt`. It is the queued one: a reader gets in past no writer that heads the queue, but
 * past one that stands behind another in it.
 *
 * Simplified: readers in interrupt handlers, which pass a waiting writer, are not told apart.
 *
 * @see kernel include/asm-generic/qrwlock.h, queued_read_lock(), queued_write_lock();
 * kernel/locking/qrwlock.c
 */
import { emit, enqueueActions, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { RwlockEvent } from '../../events/kit.ts';
import { type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import type { StepSpec } from '../path/path.ts';
import { PER, primitive, restOf, WHERE } from './checked.ts';
import type { LockWhere } from './mutex.ts';
import { instanceAt, type Per, type Primitive } from './primitive.ts';
import { FREE, type Holders, held, isFree, released, type Waiter } from './rw-holders.ts';
import { spinPath } from './spinlock.ts';

const { step, call } = host;
const RWLOCK = kernelSource('include/asm-generic/qrwlock.h; kernel/locking/qrwlock.c');

export interface RwlockContext extends Holders {
  /** wait_lock, a queue: who came first is its head. */
  readonly queue: readonly Waiter[];
  /**
   * What its head has put into cnts: _QW_WAITING of a writer keeps new readers out, _QR_BIAS of a
   * reader keeps new writers out.
   */
  readonly head: 'reader' | 'writer' | null;
}

type Asks = Extract<RwlockEvent, { readonly writes: boolean }>;

/** Without waiting: the first try, by cnts alone. */
const isGranted = (c: RwlockContext, { writes }: Asks): boolean =>
  writes ? isFree(c) && c.head === null : !c.writer && c.head !== 'writer';

/** The head of the queue: it waits for the lock alone. */
const isHeadGranted = (c: RwlockContext, { writes }: Asks): boolean => (writes ? isFree(c) : c.writer === null);

export const rwlockMachine = setup({
  types: { context: {} as RwlockContext, events: {} as Stamped<RwlockEvent>, emitted: {} as Outgoing },
  guards: {
    isGranted: ({ context: c, event }) => isGranted(c, event as Asks),
    isHead: ({ context: c, event }) => c.queue[0]?.id === sender(event),
    isHeadGranted: ({ context: c, event }) => c.queue[0]?.id === sender(event) && isHeadGranted(c, event as Asks),
    isQueued: ({ context: c, event }) => c.queue.some(({ id }) => id === sender(event)),
  },
  actions: {
    take: enqueueActions(({ context: c, event, enqueue }) => {
      enqueue.assign(held(c, sender(event), (event as Asks).writes));
    }),
    leaveQueue: enqueueActions(({ context: c, enqueue }) => {
      enqueue.assign({ queue: c.queue.slice(1), head: null });
    }),
    join: enqueueActions(({ context: c, event, enqueue }) => {
      enqueue.assign({ queue: [...c.queue, { id: sender(event), writes: (event as Asks).writes }] });
    }),
    setWaiting: enqueueActions(({ event, enqueue }) => {
      enqueue.assign({ head: (event as Asks).writes ? 'writer' : 'reader' });
    }),
    release: enqueueActions(({ context: c, event, enqueue }) => {
      enqueue.assign(released(c, sender(event), (event as Asks).writes));
    }),
    answerTaken: emit(({ event }) => outgoing(sender(event), { type: 'rwlock.locked', acquired: true })),
    answerBusy: emit(({ event }) => outgoing(sender(event), { type: 'rwlock.locked', acquired: false })),
  },
}).createMachine({
  id: 'rwlock',
  context: { ...FREE, queue: [], head: null },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'rwlock.trylock': [{ guard: 'isGranted', actions: ['take', 'answerTaken'] }, { actions: 'answerBusy' }],
        'rwlock.wait': [
          { guard: 'isHeadGranted', actions: ['take', 'leaveQueue', 'answerTaken'] },
          { guard: 'isHead', actions: ['setWaiting', 'answerBusy'] },
          { guard: 'isQueued', actions: 'answerBusy' },
          { actions: ['join', 'answerBusy'] },
        ],
        'rwlock.unlock': { actions: 'release' },
      },
    },
  },
});

/** A lock for many readers or one writer, waited for by spinning. @public */
export interface Rwlock extends Primitive {
  readonly kind: string;
  /** read_lock(). */
  readLock(where?: LockWhere): HostItem;
  readUnlock(where?: LockWhere): HostItem;
  /** write_lock(). */
  writeLock(where?: LockWhere): HostItem;
  writeUnlock(where?: LockWhere): HostItem;
  /** read_lock_irqsave(), with interrupts on before: they go off first. */
  readLockIrqsave(where?: LockWhere): HostItem;
  readUnlockIrqrestore(where?: LockWhere): HostItem;
  writeLockIrqsave(where?: LockWhere): HostItem;
  writeUnlockIrqrestore(where?: LockWhere): HostItem;
}

type Context = Pick<StepSpec<HostThread, HostLocals, never>, 'spin' | 'irqs'>;

/** An rwlock of this name: one for the host, or one for each VM, vCPU or CPU. @public */
export function rwlock(name: string, rest: { readonly per?: Per } = {}): Rwlock {
  const { per = 'host' } = restOf('rwlock', name, rest, PER);
  const lock =
    (as: string, writes: boolean, first: Context) =>
    (where: LockWhere = {}): HostItem => {
      const id = instanceAt(name, per, where.at);
      const ask = (type: 'rwlock.trylock' | 'rwlock.wait') => ({
        send: (t: HostThread, l: HostLocals) => outgoing(id(t, l), { type, writes }),
        answers: { 'rwlock.locked': (e: { readonly acquired: boolean }) => ({ granted: e.acquired }) },
      });
      const slowpath = `queued_${writes ? 'write' : 'read'}_lock_slowpath`;
      return call(spinPath(where.as ?? as, RWLOCK, slowpath, ask('rwlock.trylock'), { first, again: ask('rwlock.wait') }));
    };
  const unlock =
    (as: string, writes: boolean, rest: Context) =>
    (where: LockWhere = {}): HostItem => {
      const id = instanceAt(name, per, where.at);
      return step(where.as ?? as, { ...RWLOCK, ...rest, send: (t, l) => outgoing(id(t, l), { type: 'rwlock.unlock', writes }) });
    };
  return primitive<Rwlock>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => rwlockMachine, sets: ['readers'] }],
      readLock: lock('read_lock', false, { spin: 1 }),
      readUnlock: unlock('read_unlock', false, { spin: -1 }),
      writeLock: lock('write_lock', true, { spin: 1 }),
      writeUnlock: unlock('write_unlock', true, { spin: -1 }),
      readLockIrqsave: lock('read_lock_irqsave', false, { irqs: false, spin: 1 }),
      readUnlockIrqrestore: unlock('read_unlock_irqrestore', false, { spin: -1, irqs: true }),
      writeLockIrqsave: lock('write_lock_irqsave', true, { irqs: false, spin: 1 }),
      writeUnlockIrqrestore: unlock('write_unlock_irqrestore', true, { spin: -1, irqs: true }),
    },
    {
      readLock: [WHERE],
      readUnlock: [WHERE],
      writeLock: [WHERE],
      writeUnlock: [WHERE],
      readLockIrqsave: [WHERE],
      readUnlockIrqrestore: [WHERE],
      writeLockIrqsave: [WHERE],
      writeUnlockIrqrestore: [WHERE],
    },
  );
}
