/**
 * What generation 2 of the split-lock warning stands on: delayed work items, the semaphore that
 * lets one task at a time split locks, the sysctl, and the timer of a sleep.
 *
 * Left out: the time that passes. A timer that is armed is a message in flight.
 *
 * @see kernel kernel/workqueue.c, schedule_delayed_work_on(); kernel/locking/semaphore.c; domain
 * debug-and-split-lock C.3
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { SemaphoreEvent, SleepTimerEvent, SysctlEvent, WorkEvent } from '../../events/split-lock/split-lock.ts';

export const WORKQUEUE: ActorId = 'workqueue';
export const SEMAPHORE: ActorId = 'buslock_sem';
export const SYSCTL: ActorId = 'sysctl';
export const SLEEP_TIMER: ActorId = 'hrtimer';
const SCHEDULER: ActorId = 'sched';

/** The worker of a CPU. */
export const workerOf = (cpu: ActorId): ActorId => `thread:kworker/${cpu.slice('pcpu:'.length)}`;

/** CPUs by work item. */
type Items = Readonly<Record<string, ActorId>>;
export interface WorkqueueContext {
  /** Its timer is in flight. */
  readonly armed: Items;
  /** The worker of the CPU has been told. */
  readonly queued: Items;
  readonly running: Items;
  /** CPUs whose worker has found nothing to do and must be woken, sorted. */
  readonly idle: readonly ActorId[];
  /** CPUs that work, sorted. */
  readonly cpus: readonly ActorId[];
}

export interface WorkqueueInput {
  readonly cpus: readonly ActorId[];
}

const without = (items: Items, work: string): Items => Object.fromEntries(Object.entries(items).filter(([name]) => name !== work));
/** The first item, by name, that waits on a CPU. */
const nextOn = ({ queued }: WorkqueueContext, cpu: ActorId): string | null =>
  Object.keys(queued)
    .sort()
    .find((work) => queued[work] === cpu) ?? null;

export const workqueueMachine = setup({
  types: {
    context: {} as WorkqueueContext,
    events: {} as Stamped<WorkEvent>,
    emitted: {} as Outgoing,
    input: {} as WorkqueueInput,
  },
  actions: {
    schedule: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'work.schedule' || c.armed[event.work] !== undefined || c.queued[event.work] !== undefined) return;
      enqueue.assign({ armed: { ...c.armed, [event.work]: event.cpu } });
      enqueue.emit(outgoing(WORKQUEUE, { type: 'work.timer', work: event.work }));
    }),
    queue: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'work.timer') return;
      const cpu = c.armed[event.work]!;
      const armed = without(c.armed, event.work);
      enqueue.assign({ armed, queued: { ...c.queued, [event.work]: cpu }, idle: c.idle.filter((other) => other !== cpu) });
      if (c.idle.includes(cpu)) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread: workerOf(cpu) }));
    }),
    begin: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'work.next?') return;
      const work = nextOn(c, event.cpu);
      enqueue.emit(outgoing(sender(event), { type: 'work.item', work }));
      if (work === null) enqueue.assign({ idle: [...new Set([...c.idle, event.cpu])].sort() });
      else enqueue.assign({ queued: without(c.queued, work), running: { ...c.running, [work]: event.cpu } });
    }),
    /**
     * Timers and items go to the first CPU that is left; its worker is woken if anything is due.
     */
    leave: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'work.offline') return;
      const cpus = c.cpus.filter((cpu) => cpu !== event.cpu);
      const moved = (items: Items): Items =>
        Object.fromEntries(Object.entries(items).map(([work, cpu]) => [work, cpu === event.cpu ? cpus[0]! : cpu]));
      const wakes = Object.values(c.queued).includes(event.cpu) && c.idle.includes(cpus[0]!);
      if (wakes) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread: workerOf(cpus[0]!) }));
      const idle = c.idle.filter((cpu) => cpu !== event.cpu && !(wakes && cpu === cpus[0]));
      enqueue.assign({ cpus, idle, armed: moved(c.armed), queued: moved(c.queued) });
    }),
    finish: assign({ running: ({ context: c, event }) => (event.type === 'work.done' ? without(c.running, event.work) : c.running) }),
  },
}).createMachine({
  id: 'workqueue',
  context: ({ input }) => ({ armed: {}, queued: {}, running: {}, idle: input.cpus, cpus: input.cpus }),
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'work.schedule': { actions: 'schedule' },
        'work.timer': { actions: 'queue' },
        'work.next?': { actions: 'begin' },
        'work.done': { actions: 'finish' },
        'work.offline': { actions: 'leave' },
      },
    },
  },
});

export interface SemaphoreContext {
  readonly count: number;
  /** Sorted; all are woken by an up and try again. */
  readonly waiters: readonly ActorId[];
}

export const semaphoreMachine = setup({
  types: { context: {} as SemaphoreContext, events: {} as Stamped<SemaphoreEvent>, emitted: {} as Outgoing },
  actions: {
    down: enqueueActions(({ context: c, event, enqueue }) => {
      const taken = c.count > 0;
      enqueue.emit(outgoing(sender(event), { type: 'sem.taken', taken }));
      enqueue.assign(taken ? { count: c.count - 1 } : { waiters: [...new Set([...c.waiters, sender(event)])].sort() });
    }),
    up: enqueueActions(({ context: c, enqueue }) => {
      for (const thread of c.waiters) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign({ count: c.count + 1, waiters: [] });
    }),
    leave: assign({ waiters: ({ context: c, event }) => c.waiters.filter((thread) => thread !== sender(event)) }),
  },
}).createMachine({
  id: 'semaphore',
  context: { count: 1, waiters: [] },
  initial: 'up',
  states: { up: { tags: 'rest', on: { 'sem.down': { actions: 'down' }, 'sem.up': { actions: 'up' }, 'sem.leave': { actions: 'leave' } } } },
});

export interface SysctlContext {
  readonly mitigate: boolean;
  /** It was another one before: a warning may go by that still. */
  readonly changed?: true;
}
export const sysctlMachine = setup({
  types: { context: {} as SysctlContext, events: {} as Stamped<SysctlEvent>, emitted: {} as Outgoing, input: {} as SysctlContext },
  actions: {
    answer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'sysctl.value', mitigate: c.mitigate })),
    write: assign(({ context: c, event }) =>
      event.type === 'sysctl.write' && event.mitigate !== c.mitigate ? { mitigate: event.mitigate, changed: true as const } : {},
    ),
  },
}).createMachine({
  id: 'sysctl',
  context: ({ input }) => input,
  initial: 'up',
  states: { up: { tags: 'rest', on: { 'sysctl.read?': { actions: 'answer' }, 'sysctl.write': { actions: 'write' } } } },
});

export const sleepTimerMachine = setup({
  types: { events: {} as Stamped<SleepTimerEvent>, emitted: {} as Outgoing },
  actions: { arm: emit(({ event }) => outgoing(SCHEDULER, { type: 'sched.wake', thread: sender(event) })) },
}).createMachine({ id: 'sleepTimer', initial: 'up', states: { up: { tags: 'rest', on: { 'timer.arm': { actions: 'arm' } } } } });
