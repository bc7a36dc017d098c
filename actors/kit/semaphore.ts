/**
 * struct semaphore: so many at once; who waits sleeps, and is served in the order of arrival. up()
 * hands over to the first that waits, so no one that comes meanwhile gets past it.
 *
 * @see kernel kernel/locking/semaphore.c, __down_common(), __up()
 */
import { emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { SemaphoreEvent } from '../../events/kit.ts';
import { type HostItem, host, kernelSource } from '../host/host-env.ts';
import { COUNT, INTO, PER, primitive, restOf, WHERE } from './checked.ts';
import type { Local } from './local.ts';
import type { LockWhere } from './mutex.ts';
import { instanceAt, type Per, type Primitive } from './primitive.ts';
import { ANY, downItem, type Ends, FATAL, tryItem } from './queued.ts';

const { step } = host;
const SEMAPHORE = kernelSource('kernel/locking/semaphore.c, down(), up()');

export interface SemaphoreContext {
  readonly count: number;
  /** wait_list: who came first is served first. */
  readonly queue: readonly ActorId[];
}

const SCHEDULER: ActorId = 'sched';

export const semaphoreMachine = setup({
  types: {
    context: {} as SemaphoreContext,
    events: {} as Stamped<SemaphoreEvent>,
    emitted: {} as Outgoing,
    input: {} as Pick<SemaphoreContext, 'count'>,
  },
  guards: {
    isFree: ({ context: c }) => c.count > 0,
    isQueued: ({ context: c, event }) => c.queue.includes(sender(event)),
  },
  actions: {
    take: enqueueActions(({ context: c, enqueue }) => enqueue.assign({ count: c.count - 1 })),
    join: enqueueActions(({ context: c, event, enqueue }) => enqueue.assign({ queue: [...c.queue, sender(event)] })),
    leaveQueue: enqueueActions(({ context: c, event, enqueue }) =>
      enqueue.assign({ queue: c.queue.filter((waiter) => waiter !== sender(event)) }),
    ),
    up: enqueueActions(({ context: c, enqueue }) => {
      const [thread, ...queue] = c.queue;
      if (thread === undefined) enqueue.assign({ count: c.count + 1 });
      else {
        enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
        enqueue.assign({ queue });
      }
    }),
    answerTaken: emit(({ event }) => outgoing(sender(event), { type: 'queued.granted', granted: true })),
    answerBusy: emit(({ event }) => outgoing(sender(event), { type: 'queued.granted', granted: false })),
  },
}).createMachine({
  id: 'semaphore',
  context: ({ input }) => ({ ...input, queue: [] }),
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'semaphore.down': [{ guard: 'isFree', actions: ['take', 'answerTaken'] }, { actions: ['join', 'answerBusy'] }],
        'semaphore.trylock': [{ guard: 'isFree', actions: ['take', 'answerTaken'] }, { actions: 'answerBusy' }],
        'semaphore.woken': [{ guard: 'isQueued', actions: 'answerBusy' }, { actions: 'answerTaken' }],
        'semaphore.cancel': [{ guard: 'isQueued', actions: ['leaveQueue', 'answerBusy'] }, { actions: 'answerTaken' }],
        'semaphore.up': { actions: 'up' },
      },
    },
  },
});

/** A counting semaphore. @public */
export interface Semaphore extends Primitive {
  readonly kind: string;
  down(where?: LockWhere): HostItem;
  /** down_interruptible(); `into` gets whether it is down: a signal ends the wait. */
  downInterruptible(into: Local<boolean>, where?: LockWhere): HostItem;
  /** down_killable(): a fatal signal ends the wait. */
  downKillable(into: Local<boolean>, where?: LockWhere): HostItem;
  /** down_trylock(); `into` gets whether it is down: the kernel's answer is the other way round. */
  downTrylock(into: Local<boolean>, where?: LockWhere): HostItem;
  /** up(): by whom it may be, also by who has not taken it. */
  up(where?: LockWhere): HostItem;
}

/** A semaphore of this name, with `count` free from the start: 1 unless given. @public */
export function semaphore(name: string, rest: { readonly per?: Per; readonly count?: number } = {}): Semaphore {
  const { per = 'host', count = 1 } = restOf('semaphore', name, rest, { ...PER, count: COUNT });
  const says = (type: SemaphoreEvent['type'], { at }: LockWhere) => {
    const id = instanceAt(name, per, at);
    return (...[t, l]: Parameters<typeof id>) => outgoing(id(t, l), { type });
  };
  const down = (as: string, where: LockWhere = {}, ends?: Ends): HostItem =>
    downItem(
      {
        as: where.as ?? as,
        source: SEMAPHORE,
        ask: says('semaphore.down', where),
        again: says('semaphore.woken', where),
        cancel: says('semaphore.cancel', where),
      },
      ends,
    );
  return primitive<Semaphore>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => semaphoreMachine, input: () => ({ count }) }],
      down: (where) => down('down', where),
      downInterruptible: (into, where) => down('down_interruptible', where, { ...ANY, into }),
      downKillable: (into, where) => down('down_killable', where, { ...FATAL, into }),
      downTrylock: (into, where = {}) => tryItem(where.as ?? 'down_trylock', SEMAPHORE, says('semaphore.trylock', where), into),
      up: (where = {}) => step(where.as ?? 'up', { ...SEMAPHORE, send: says('semaphore.up', where) }),
    },
    { down: [WHERE], downInterruptible: [INTO, WHERE], downKillable: [INTO, WHERE], downTrylock: [INTO, WHERE], up: [WHERE] },
  );
}
