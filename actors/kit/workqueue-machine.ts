/**
 * What a work queue knows: which items are pending, which run, whose timers are in flight, and who
 * waits for which of them.
 *
 * @see kernel kernel/workqueue.c
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { WorkqueueEvent } from '../../events/kit-waits.ts';

export interface WorkqueueInput {
  readonly queue: ActorId;
  /** The worker that runs each item, and its thread. */
  readonly workerOf: Readonly<Record<string, string>>;
  readonly threads: Readonly<Record<string, ActorId>>;
}

/** What a thread waits for: items that were pending when it asked, and items that ran. */
interface Barrier {
  readonly thread: ActorId;
  readonly pending: readonly string[];
  readonly running: readonly string[];
}

export interface WorkqueueContext extends WorkqueueInput {
  /** Items whose timers have been armed. */
  readonly timers: readonly string[];
  /** The one that was queued first stands first. */
  readonly pending: readonly string[];
  readonly running: readonly string[];
  /** Items that are being cancelled: they cannot be queued. One for each who cancels. */
  readonly disabled: readonly string[];
  readonly barriers: readonly Barrier[];
}

const without = (works: readonly string[], work: string) => works.filter((one) => one !== work);
const withOne = (works: readonly string[], work: string) => [...without(works, work), work].sort();
const isOver = ({ pending, running }: Barrier) => pending.length === 0 && running.length === 0;
const wake = (thread: ActorId) => outgoing(thread, { type: 'task.wake', mode: 'normal' });
const wakesWorker = ({ workerOf, threads }: WorkqueueContext, work: string) => wake(threads[workerOf[work]!]!);
const was = (event: Stamped<WorkqueueEvent>, value: boolean) => outgoing(sender(event), { type: 'kwork.was', value });
const isPending = (c: WorkqueueContext, work: string) => c.pending.includes(work) || c.timers.includes(work);

/** Barriers behind an item that has gone on, and who waits no more. */
function passed(barriers: readonly Barrier[], change: (barrier: Barrier) => Barrier) {
  const changed = barriers.map(change);
  return { barriers: changed, over: changed.filter((one, at) => isOver(one) && !isOver(barriers[at]!)).map(({ thread }) => thread) };
}

/**
 * work_grab_pending(): a barrier behind an item stays in the list without it, so that who flushes
 * the item waits for it no more.
 */
const grabbed = (barriers: readonly Barrier[], work: string) =>
  passed(barriers, (one) => ({ ...one, pending: without(one.pending, work) }));

export const workqueueMachine = setup({
  types: { context: {} as WorkqueueContext, events: {} as Stamped<WorkqueueEvent>, emitted: {} as Outgoing, input: {} as WorkqueueInput },
  guards: { isArmed: ({ context: c, event }) => event.type === 'kwork.timer' && c.timers.includes(event.work) },
  actions: {
    queue: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'kwork.queue') return;
      const queued = !isPending(c, event.work) && !c.disabled.includes(event.work);
      enqueue.emit(was(event, queued));
      if (!queued) return;
      enqueue.assign({ pending: [...c.pending, event.work] });
      enqueue.emit(wakesWorker(c, event.work));
    }),
    delay: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'kwork.delay') return;
      const { work, modifies } = event;
      const pending = isPending(c, work);
      const arms = !c.disabled.includes(work) && (modifies || !pending);
      enqueue.emit(was(event, modifies ? pending : arms));
      if (!arms) return;
      const { barriers, over } = grabbed(c.barriers, work);
      for (const thread of over) enqueue.emit(wake(thread));
      enqueue.assign({ timers: withOne(c.timers, work), pending: without(c.pending, work), barriers });
      enqueue.emit(outgoing(c.queue, { type: 'kwork.timer', work }));
    }),
    expire: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'kwork.timer') return;
      enqueue.assign({ timers: without(c.timers, event.work), pending: [...c.pending, event.work] });
      enqueue.emit(wakesWorker(c, event.work));
    }),
    /** A worker that finds nothing is about to sleep. */
    begin: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'kwork.next') return;
      const work = c.pending.find((one) => c.workerOf[one] === event.worker) ?? null;
      if (work === null) enqueue.emit(outgoing(sender(event), { type: 'task.state', state: 'uninterruptible' }));
      enqueue.emit(outgoing(sender(event), { type: 'kwork.item', work }));
      if (work === null) return;
      enqueue.assign({
        pending: without(c.pending, work),
        running: withOne(c.running, work),
        barriers: c.barriers.map((barrier) =>
          barrier.pending.includes(work)
            ? { ...barrier, pending: without(barrier.pending, work), running: withOne(barrier.running, work) }
            : barrier,
        ),
      });
    }),
    end: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'kwork.end') return;
      const { barriers, over } = passed(c.barriers, (one) => ({ ...one, running: without(one.running, event.work) }));
      enqueue.assign({ running: without(c.running, event.work), barriers });
      for (const thread of over) enqueue.emit(wake(thread));
    }),
    flush: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'kwork.flush') return;
      const timed = event.timers ? event.works.filter((work) => c.timers.includes(work)) : [];
      const pending = [...c.pending, ...timed];
      const barrier: Barrier = {
        thread: sender(event),
        pending: event.works.filter((work) => pending.includes(work)).sort(),
        running: event.works.filter((work) => c.running.includes(work) && !(event.works.length === 1 && pending.includes(work))).sort(),
      };
      enqueue.assign({ pending, timers: c.timers.filter((work) => !timed.includes(work)), barriers: [...c.barriers, barrier] });
      for (const work of timed) enqueue.emit(wakesWorker(c, work));
    }),
    flushed: enqueueActions(({ context: c, event, enqueue }) => {
      const thread = sender(event);
      const done = c.barriers.every((one) => one.thread !== thread || isOver(one));
      if (!done) enqueue.emit(outgoing(thread, { type: 'task.state', state: 'uninterruptible' }));
      enqueue.emit(outgoing(thread, { type: 'kwork.flushed', done }));
      if (done) enqueue.assign({ barriers: c.barriers.filter((one) => one.thread !== thread) });
    }),
    cancel: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'kwork.cancel') return;
      const { work, waits } = event;
      enqueue.emit(was(event, isPending(c, work)));
      const { barriers, over } = grabbed(c.barriers, work);
      for (const thread of over) enqueue.emit(wake(thread));
      const own: Barrier = { thread: sender(event), pending: [], running: c.running.includes(work) ? [work] : [] };
      enqueue.assign({
        timers: without(c.timers, work),
        pending: without(c.pending, work),
        disabled: waits ? [...c.disabled, work].sort() : c.disabled,
        barriers: waits ? [...barriers, own] : barriers,
      });
    }),
    enable: assign(({ context: c, event }) => {
      if (event.type !== 'kwork.enable') return {};
      const at = c.disabled.indexOf(event.work);
      return { disabled: c.disabled.filter((_, index) => index !== at) };
    }),
    ignore: assign({}),
  },
}).createMachine({
  id: 'workqueue',
  context: ({ input }) => ({ ...input, timers: [], pending: [], running: [], disabled: [], barriers: [] }),
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'kwork.queue': { actions: 'queue' },
        'kwork.delay': { actions: 'delay' },
        'kwork.timer': [{ guard: 'isArmed', actions: 'expire' }, { actions: 'ignore' }],
        'kwork.next': { actions: 'begin' },
        'kwork.end': { actions: 'end' },
        'kwork.flush': { actions: 'flush' },
        'kwork.flushed?': { actions: 'flushed' },
        'kwork.cancel': { actions: 'cancel' },
        'kwork.enable': { actions: 'enable' },
      },
    },
  },
});
