/**
 * struct rw_semaphore: any number of readers, or one writer, who sleep while they wait.
 *
 * While readers hold it and a writer waits, a reader that comes waits behind the writer. One that
 * finds it free may take it past who waits, and so may a writer, until a waiter has waited for 4 ms
 * (HANDOFF). That time is not counted here: a waiter may be passed any number of times.
 *
 * Simplified: writers do not spin.
 *
 * @see kernel kernel/locking/rwsem.c, rwsem_down_read_slowpath(), rwsem_down_write_slowpath(),
 * rwsem_mark_wake()
 */
import { emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { RwsemEvent } from '../../events/kit.ts';
import { type HostItem, host } from '../host/host-env.ts';
import type { Source } from '../path/path.ts';
import { INTO, PER, primitive, restOf, WHERE } from './checked.ts';
import type { Local } from './local.ts';
import type { LockWhere } from './mutex.ts';
import { instanceAt, type Per, type Primitive } from './primitive.ts';
import { downItem, type Ends, FATAL, tryItem } from './queued.ts';
import { FREE, type Holders, held, isFree, released, type Waiter } from './rw-holders.ts';

const { step } = host;
const RWSEM: Source = { source: 'kernel/locking/rwsem.c, 6.12', grade: 'memory' };

export interface RwsemContext extends Holders {
  /** wait_list: who came first is its head. */
  readonly queue: readonly Waiter[];
}

type Asks = Extract<RwsemEvent, { readonly writes: boolean }>;
const SCHEDULER: ActorId = 'sched';

/** What comes finds it free, or held by readers for whom no one waits. */
const isGranted = (c: RwsemContext, { writes }: Asks): boolean => isFree(c) || (!writes && c.writer === null && c.queue.length === 0);

/** A trylock takes nothing past who waits. */
const isTaken = (c: RwsemContext, asks: Asks): boolean => c.queue.length === 0 && isGranted(c, asks);

/**
 * rwsem_mark_wake(): a writer that heads the queue is woken, to try. A reader there is granted the
 * lock, and with it all readers of the queue.
 */
function wake(c: RwsemContext, wakesWriter = true): { readonly context: RwsemContext; readonly woken: readonly ActorId[] } {
  const [head] = c.queue;
  if (head === undefined || c.writer !== null) return { context: c, woken: [] };
  if (head.writes) return { context: c, woken: wakesWriter && isFree(c) ? [head.id] : [] };
  const woken = c.queue.filter(({ writes }) => !writes).map(({ id }) => id);
  return { context: { ...c, queue: c.queue.filter(({ writes }) => writes), readers: [...c.readers, ...woken].sort() }, woken };
}

const withoutWaiter = (c: RwsemContext, waiter: ActorId): RwsemContext => ({ ...c, queue: c.queue.filter(({ id }) => id !== waiter) });

export const rwsemMachine = setup({
  types: { context: {} as RwsemContext, events: {} as Stamped<RwsemEvent>, emitted: {} as Outgoing },
  guards: {
    isGranted: ({ context: c, event }) => isGranted(c, event as Asks),
    isTaken: ({ context: c, event }) => isTaken(c, event as Asks),
    isQueued: ({ context: c, event }) => c.queue.some(({ id }) => id === sender(event)),
    wasGranted: ({ context: c, event }) => !c.queue.some(({ id }) => id === sender(event)),
    isForWriter: ({ context: c, event }) => (event as Asks).writes && isFree(c),
  },
  actions: {
    take: enqueueActions(({ context: c, event, enqueue }) => {
      const taken = held(withoutWaiter(c, sender(event)), sender(event), (event as Asks).writes);
      // A reader that has taken it takes those along that head the queue.
      const { context, woken } = wake(taken, false);
      for (const thread of woken) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign(context);
    }),
    join: enqueueActions(({ context: c, event, enqueue }) => {
      enqueue.assign({ queue: [...c.queue, { id: sender(event), writes: (event as Asks).writes }] });
    }),
    release: enqueueActions(({ context: c, event, enqueue }) => {
      const { context, woken } = wake(released(c, sender(event), (event as Asks).writes));
      for (const thread of woken) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign(context);
    }),
    downgrade: enqueueActions(({ context: c, event, enqueue }) => {
      const { context, woken } = wake(held(released(c, sender(event), true), sender(event), false), false);
      for (const thread of woken) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign(context);
    }),
    leaveQueue: enqueueActions(({ context: c, event, enqueue }) => {
      const { context, woken } = wake(withoutWaiter(c, sender(event)));
      for (const thread of woken) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign(context);
    }),
    answerTaken: emit(({ event }) => outgoing(sender(event), { type: 'queued.granted', granted: true })),
    answerBusy: emit(({ event }) => outgoing(sender(event), { type: 'queued.granted', granted: false })),
  },
}).createMachine({
  id: 'rwsem',
  context: { ...FREE, queue: [] },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'rwsem.down': [{ guard: 'isGranted', actions: ['take', 'answerTaken'] }, { actions: ['join', 'answerBusy'] }],
        'rwsem.woken': [
          // A reader that is in the queue no more was granted the lock; a writer takes it itself.
          { guard: 'wasGranted', actions: 'answerTaken' },
          { guard: 'isForWriter', actions: ['take', 'answerTaken'] },
          { actions: 'answerBusy' },
        ],
        'rwsem.trylock': [{ guard: 'isTaken', actions: ['take', 'answerTaken'] }, { actions: 'answerBusy' }],
        'rwsem.cancel': [{ guard: 'isQueued', actions: ['leaveQueue', 'answerBusy'] }, { actions: 'answerTaken' }],
        'rwsem.downgrade': { actions: 'downgrade' },
        'rwsem.up': { actions: 'release' },
      },
    },
  },
});

/** A lock for many readers or one writer, who sleep while they wait. @public */
export interface Rwsem extends Primitive {
  readonly kind: string;
  /** down_read(). */
  downRead(where?: LockWhere): HostItem;
  /** down_read_killable(); `into` gets whether it is held: a fatal signal ends the wait. */
  downReadKillable(into: Local<boolean>, where?: LockWhere): HostItem;
  /** down_read_trylock(); `into` gets whether it is held. */
  downReadTrylock(into: Local<boolean>, where?: LockWhere): HostItem;
  upRead(where?: LockWhere): HostItem;
  /** down_write(). */
  downWrite(where?: LockWhere): HostItem;
  downWriteKillable(into: Local<boolean>, where?: LockWhere): HostItem;
  downWriteTrylock(into: Local<boolean>, where?: LockWhere): HostItem;
  upWrite(where?: LockWhere): HostItem;
  /** downgrade_write(): the writer is a reader from here, and no writer was in between. */
  downgradeWrite(where?: LockWhere): HostItem;
}

/** An rw_semaphore of this name: one for the host, or one for each VM, vCPU or CPU. @public */
export function rwsem(name: string, rest: { readonly per?: Per } = {}): Rwsem {
  const { per = 'host' } = restOf('rwsem', name, rest, PER);
  const says = (event: RwsemEvent, { at }: LockWhere) => {
    const id = instanceAt(name, per, at);
    return (...[t, l]: Parameters<typeof id>) => outgoing(id(t, l), event);
  };
  const down = (as: string, writes: boolean, where: LockWhere = {}, into?: Local<boolean>): HostItem => {
    const ends: Ends | undefined = into && { ...FATAL, into };
    const ask = says({ type: 'rwsem.down', writes }, where);
    const again = says({ type: 'rwsem.woken', writes }, where);
    return downItem({ as: where.as ?? as, source: RWSEM, ask, again, cancel: says({ type: 'rwsem.cancel' }, where) }, ends);
  };
  const trylock = (as: string, writes: boolean, into: Local<boolean>, where: LockWhere = {}): HostItem =>
    tryItem(where.as ?? as, RWSEM, says({ type: 'rwsem.trylock', writes }, where), into);
  const plain = (as: string, event: RwsemEvent, where: LockWhere = {}): HostItem =>
    step(where.as ?? as, { ...RWSEM, send: says(event, where) });
  return primitive<Rwsem>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => rwsemMachine, sets: ['readers'] }],
      downRead: (where) => down('down_read', false, where),
      downReadKillable: (into, where) => down('down_read_killable', false, where, into),
      downReadTrylock: (into, where) => trylock('down_read_trylock', false, into, where),
      upRead: (where) => plain('up_read', { type: 'rwsem.up', writes: false }, where),
      downWrite: (where) => down('down_write', true, where),
      downWriteKillable: (into, where) => down('down_write_killable', true, where, into),
      downWriteTrylock: (into, where) => trylock('down_write_trylock', true, into, where),
      upWrite: (where) => plain('up_write', { type: 'rwsem.up', writes: true }, where),
      downgradeWrite: (where) => plain('downgrade_write', { type: 'rwsem.downgrade' }, where),
    },
    {
      downRead: [WHERE],
      downReadKillable: [INTO, WHERE],
      downReadTrylock: [INTO, WHERE],
      upRead: [WHERE],
      downWrite: [WHERE],
      downWriteKillable: [INTO, WHERE],
      downWriteTrylock: [INTO, WHERE],
      upWrite: [WHERE],
      downgradeWrite: [WHERE],
    },
  );
}
