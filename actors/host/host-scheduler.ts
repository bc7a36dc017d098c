/**
 * The host scheduler's run queues: who is queued where, who sleeps. Queues are sets: which of
 * several runnable tasks runs next is for the chooser to decide, so that no verdict depends on a
 * queueing order.
 *
 * Left out: priorities, load balancing of a running task by the stopper.
 *
 * @see kernel kernel/sched/core.c, try_to_wake_up(), set_task_cpu(); kernel/sched/syscalls.c,
 * sched_setaffinity()
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { SchedulerEvent } from '../../events/sched.ts';
import type { Chance } from './chance.ts';
import { type CountedOffers, countedOffers } from './counted-offers.ts';

export interface SchedulerInput {
  readonly cpus: readonly ActorId[];
  /** Threads runnable at the start, by CPU. */
  readonly queued: Readonly<Record<ActorId, readonly ActorId[]>>;
  /** Threads that sleep at the start, by the CPU that they are to wake on. Absent if none does. */
  readonly asleep?: Readonly<Record<ActorId, ActorId>>;
  /** Threads that belong to one CPU: they do not migrate. Absent if there are none. */
  readonly bound?: Readonly<Record<ActorId, ActorId>>;
}

export interface SchedulerContext {
  readonly cpus: readonly ActorId[];
  /** Sorted thread ids by CPU. */
  readonly rq: Readonly<Record<ActorId, readonly ActorId[]>>;
  /** Where each sleeping thread ran last. */
  readonly asleep: Readonly<Record<ActorId, ActorId>>;
  /** CPUs that run nothing any more; others may still take what is queued there. */
  readonly stopped: readonly ActorId[];
  /** Woken before it slept: it goes back to the queue at once. */
  readonly wokenEarly: readonly ActorId[];
  /** The CPU of each thread that does not migrate. */
  readonly bound?: Readonly<Record<ActorId, ActorId>>;
}

const sorted = (threads: readonly ActorId[], thread: ActorId) => [...threads, thread].sort();
const without = (threads: readonly ActorId[], thread: ActorId) => threads.filter((other) => other !== thread);
const waiting = (cpu: ActorId, threads: readonly ActorId[]) => outgoing(cpu, { type: 'rq.waiting', threads });

const isFree = ({ bound }: SchedulerContext, thread: ActorId): boolean => bound?.[thread] === undefined;

/** Each thread that is queued and free may go to each other CPU that runs. */
function migrations(c: SchedulerContext): CountedOffers {
  const { cpus, rq, stopped } = c;
  const targets = stopped.length === 0 ? cpus : cpus.filter((cpu) => !stopped.includes(cpu));
  const threads: ActorId[] = [];
  /** By thread: where its own CPU stands among the targets; their number where it does not. */
  const own: number[] = [];
  /** By thread: how many offers stand before its first. */
  const before: number[] = [];
  let count = 0;
  let next = 0;
  for (const from of cpus) {
    const isTarget = targets[next] === from;
    for (const thread of rq[from]!) {
      if (!isFree(c, thread)) continue;
      threads.push(thread);
      own.push(isTarget ? next : targets.length);
      before.push(count);
      count += isTarget ? targets.length - 1 : targets.length;
    }
    if (isTarget) next++;
  }
  return {
    count,
    at: (index) => {
      const thread = lastNotAbove(before, index);
      const target = index - before[thread]!;
      return { type: 'migrate', thread: threads[thread]!, to: targets[target < own[thread]! ? target : target + 1]! };
    },
  };
}

/** Of ascending numbers, the place of the last that is not above a value. */
function lastNotAbove(ascending: readonly number[], value: number): number {
  let low = 0;
  let high = ascending.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (ascending[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The thread that a message wakes. */
const wokenBy = (event: Stamped<SchedulerEvent>): ActorId | null =>
  event.type === 'sched.wake' ? event.thread : event.type === 'ttwu.queue' ? sender(event) : null;

/** What it takes to migrate. */
const CHANCES: readonly Chance<SchedulerContext>[] = [
  {
    offers: ['migrate'],
    says: () => 'no migration was possible',
    needs: [
      ['there is one pCPU', (c) => c.cpus.length > 1],
      ['no thread that may move ever waited in a run queue', (c) => c.cpus.some((cpu) => c.rq[cpu]!.some((thread) => isFree(c, thread)))],
    ],
    otherwise: 'no other pCPU was up while a thread waited',
  },
];

export const hostSchedulerMachine = setup({
  types: { context: {} as SchedulerContext, events: {} as Stamped<SchedulerEvent>, emitted: {} as Outgoing, input: {} as SchedulerInput },
  guards: {
    isQueuedElsewhere: ({ context: c, event }) =>
      event.type === 'migrate' &&
      c.bound?.[event.thread] === undefined &&
      c.cpus.some((cpu) => cpu !== event.to && c.rq[cpu]!.includes(event.thread)),
    isAsleep: ({ context: c, event }) => c.asleep[wokenBy(event) ?? ''] !== undefined,
    isWokenEarly: ({ context: c, event }) => event.type === 'rq.sleep' && c.wokenEarly.includes(event.thread),
  },
  actions: {
    take: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'rq.take') return;
      const cpu = sender(event);
      const rest = without(c.rq[cpu]!, event.thread);
      enqueue.assign({ rq: { ...c.rq, [cpu]: rest } });
      enqueue.emit(waiting(cpu, rest));
    }),
    put: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'rq.put' && event.type !== 'rq.sleep') return;
      const cpu = sender(event);
      const queue = sorted(c.rq[cpu]!, event.thread);
      enqueue.assign({
        rq: { ...c.rq, [cpu]: queue },
        wokenEarly: event.type === 'rq.sleep' ? without(c.wokenEarly, event.thread) : c.wokenEarly,
      });
      enqueue.emit(waiting(cpu, queue));
    }),
    sleep: assign(({ context: c, event }) => (event.type === 'rq.sleep' ? { asleep: { ...c.asleep, [event.thread]: sender(event) } } : {})),
    wake: enqueueActions(({ context: c, event, enqueue }) => {
      const thread = wokenBy(event);
      if (thread === null) return;
      const { [thread]: cpu, ...asleep } = c.asleep;
      const queue = sorted(c.rq[cpu!]!, thread);
      enqueue.assign({ asleep, rq: { ...c.rq, [cpu!]: queue } });
      enqueue.emit(waiting(cpu!, queue));
    }),
    wakeNew: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'sched.wakeUpNew') return;
      const cpu = c.bound?.[event.thread] ?? event.cpu;
      const queue = sorted(c.rq[cpu]!, event.thread);
      enqueue.assign({ rq: { ...c.rq, [cpu]: queue } });
      enqueue.emit(waiting(cpu, queue));
    }),
    bind: assign({
      bound: ({ context: c, event }) => (event.type === 'sched.setaffinity' ? { ...c.bound, [sender(event)]: event.cpu } : c.bound),
    }),
    stop: assign({ stopped: ({ context: c, event }) => sorted(c.stopped, sender(event)) }),
    wakeEarly: assign(({ context: c, event }) => {
      const thread = wokenBy(event);
      return thread === null ? {} : { wokenEarly: sorted(without(c.wokenEarly, thread), thread) };
    }),
    move: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'migrate') return;
      const from = c.cpus.find((cpu) => c.rq[cpu]!.includes(event.thread))!;
      const left = without(c.rq[from]!, event.thread);
      const joined = sorted(c.rq[event.to]!, event.thread);
      enqueue.assign({ rq: { ...c.rq, [from]: left, [event.to]: joined } });
      enqueue.emit(waiting(from, left));
      enqueue.emit(waiting(event.to, joined));
    }),
  },
}).createMachine({
  id: 'hostScheduler',
  context: ({ input }) => ({
    cpus: input.cpus,
    rq: input.queued,
    asleep: input.asleep ?? {},
    stopped: [],
    wokenEarly: [],
    ...(input.bound && { bound: input.bound }),
  }),
  initial: 'up',
  meta: { chances: CHANCES, schedules: true },
  states: {
    up: {
      tags: 'rest',
      meta: {
        offers: countedOffers(migrations),
      },
      on: {
        'rq.take': { actions: 'take' },
        'rq.put': { actions: 'put' },
        'rq.sleep': [{ guard: 'isWokenEarly', actions: 'put' }, { actions: 'sleep' }],
        'sched.wake': [{ guard: 'isAsleep', actions: 'wake' }, { actions: 'wakeEarly' }],
        'ttwu.queue': [{ guard: 'isAsleep', actions: 'wake' }, { actions: 'wakeEarly' }],
        'sched.wakeUpNew': { actions: 'wakeNew' },
        'rq.stopped': { actions: 'stop' },
        'sched.setaffinity': { actions: 'bind' },
        migrate: { guard: 'isQueuedElsewhere', actions: 'move' },
      },
    },
  },
});
