/** What runs later, as races see it: kernel threads, work items, timers. */
import { describe, expect, it } from 'vitest';
import { assign, enqueueActions } from 'xstate';
import { type HostItem, host } from '../../../actors/host/host-env.ts';
import { schedule, setCurrentRunning, setCurrentState } from '../../../actors/host/task-state.ts';
import { cell } from '../../../actors/kit/cell.ts';
import { kthread } from '../../../actors/kit/kthread.ts';
import { local } from '../../../actors/kit/local.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { timer } from '../../../actors/kit/timer.ts';
import { type Workqueue, workqueue } from '../../../actors/kit/workqueue.ts';
import { outgoing } from '../../../events/event.ts';
import { happens, holds } from '../../../sim/host/race-properties.ts';
import type { Property } from '../../../sim/property.ts';
import { kitClaims, provides, threads } from './claims.ts';

const ignored = assign({});
interface Asked {
  readonly context: { readonly pending: readonly string[] };
  readonly event: { readonly from: string; readonly work: string };
  readonly enqueue: { emit(message: object): void; assign(context: object): void };
}
/** An action of a machine that does something else. */
const does = (action: (asked: Asked) => void) => enqueueActions(((asked: unknown) => action(asked as Asked)) as never);
/** An action that answers so, and does nothing. */
const answers = (answer: { readonly type: string; readonly [field: string]: unknown }) =>
  does(({ event, enqueue }) => enqueue.emit(outgoing(event.from, answer)));
/** queue_work() that queues the item, and says that it was pending. */
const queuesInSilence = does(({ event, enqueue }) => {
  enqueue.emit(outgoing(event.from, { type: 'kwork.was', value: false }));
  enqueue.assign({ pending: [event.work] });
  enqueue.emit(outgoing('wq_item:0', { type: 'task.wake', mode: 'normal' }));
});
/** A worker that takes the first of two items, and never the other. */
const takesFirst = does(({ context, event, enqueue }) => {
  const work = context.pending.includes('first') ? 'first' : null;
  if (work === null) enqueue.emit(outgoing(event.from, { type: 'task.state', state: 'uninterruptible' }));
  enqueue.emit(outgoing(event.from, { type: 'kwork.item', work }));
  enqueue.assign({ pending: context.pending.filter((one) => one !== work) });
});

const { when, loop, leaveLoop } = host;
const WORK = 'kernel/workqueue.c, ';
const seen = cell('seen', { inside: 0, ran: 0, queued: 0, freed: false, late: false, twice: false });
interface Seen {
  readonly ran: number;
  readonly queued: number;
  readonly late: boolean;
  readonly twice: boolean;
}
type Says = (seen: Seen) => boolean;
const may = (id: string, says: Says) => happens<Seen>({ kind: 'seen' }, `seen.${id}`, 'a test', (c) => says(c) && 'so it is');
const never = (id: string, says: Says) => holds<Seen>({ kind: 'seen' }, `seen.${id}`, 'a test', (c) => says(c) && 'so it is');
const late = never('late', (s) => s.late);
const once = never('twice', (s) => s.twice);
const asQueued = never('more-than-queued', (s) => s.ran > s.queued);
const freed = local<boolean>('freed');
const inside = local<number>('inside');
const ran = local<number>('ran');
const stop = local<boolean>('stop');
const did = local<boolean>('did');
/** What runs later: it says if it uses what has been freed, and if it runs twice at a time. */
const body: readonly HostItem[] = [
  seen.addReturn('inside', 1, inside),
  when([(_t, l) => inside.of(l)! > 1, [seen.store('twice', true)]]),
  seen.load('freed', freed),
  when([freed.is(true), [seen.store('late', true)]]),
  seen.addReturn('ran', 1),
  seen.addReturn('inside', -1),
];
const free = seen.store('freed', true);
const isLate = seen.store('late', true);
const hasRun = [seen.load('ran', ran), when([ran.is(0), [isLate]])];

const CLEAN = { verdict: 'clean', exhausted: true };
type Works = readonly (readonly HostItem[])[];
const clean = (uses: readonly Primitive[], works: Works, properties: readonly Property[] = [], cpus?: number) =>
  expect(threads(works, { uses: [seen, ...uses], properties, ...(cpus && { cpus }) })).toMatchObject(CLEAN);
const broken = (uses: readonly Primitive[], works: Works, properties: readonly Property[], ...ids: readonly string[]) =>
  expect(threads(works, { uses: [seen, ...uses], properties }).broken).toEqual(ids);

const worker = kthread('worker', () => [
  loop(setCurrentState('interruptible'), worker.shouldStop(stop), when([stop.is(true), [setCurrentRunning(), leaveLoop]]), schedule()),
  ...body,
]);
const blind = kthread('blind', () => [
  loop(blind.shouldStop(stop), when([stop.is(true), [leaveLoop]]), setCurrentState('uninterruptible'), schedule()),
]);
const parks = kthread('parks', () => [
  loop(
    parks.shouldPark(did),
    when([did.is(true), [parks.parkme()]]),
    parks.shouldStop(stop),
    when([stop.is(true), [leaveLoop]]),
    seen.addReturn('inside', 1),
    seen.addReturn('inside', -1),
    { ...seen.load('freed', freed), idles: true, yields: true } as HostItem,
  ),
]);
const wq = workqueue('wq', { item: () => body });
const ordered = workqueue('ordered', { first: () => body, second: () => body }, { ordered: true });
const queues = [seen.addReturn('queued', 1), wq.queue('item', did), when([did.is(false), [seen.addReturn('queued', -1)]])];
const tm = timer('tm', () => body);

kitClaims([
  {
    id: 'KIT-50',
    says: 'a thread that looks whether it should stop after it has said that it sleeps ends when it is stopped, and kthread_stop() returns then',
    source: 'kernel/kthread.c, kthread_stop(), 6.12',
    grade: 'read',
    mutants: {
      'kthread_stop() does not wait': { worker_exited: provides({ guards: { isDone: () => true } }) },
      'its end is not told': { worker_exited: provides({ actions: { complete: ignored } }) },
    },
    check: (of) => clean([of(worker)], [[worker.wakeUp(), worker.stop(), free]], [late]),
  },
  {
    id: 'KIT-52',
    says: 'a thread does nothing between the return of kthread_park() and kthread_unpark()',
    source: 'kernel/kthread.c, kthread_park(), __kthread_parkme(), 6.12',
    grade: 'read',
    mutants: {
      'kthread_park() does not wait': { parks_parked: provides({ guards: { isDone: () => true } }) },
      'it does not say that it is parked': { parks_parked: provides({ actions: { complete: ignored } }) },
    },
    check: (of) =>
      clean(
        [of(parks)],
        [
          [
            parks.wakeUp(),
            parks.park(),
            seen.load('inside', inside),
            when([(_t, l) => inside.of(l)! > 0, [isLate]]),
            parks.unpark(),
            parks.stop(),
          ],
        ],
        [late],
      ),
  },
  {
    id: 'KIT-53',
    says: 'a work item runs once for each time that queue_work() has queued it, and never twice at a time',
    source: `${WORK}queue_work_on(), __queue_work(), 6.12`,
    grade: 'read',
    mutants: {
      'it is queued in silence': { wq: provides({ actions: { queue: queuesInSilence } }) },
      'it is not queued': { wq: provides({ actions: { queue: answers({ type: 'kwork.was', value: true }) } }) },
    },
    check: (of) =>
      clean([of(wq)], [queues, queues], [once, asQueued, may('once', (s) => s.queued === 1), may('both', (s) => s.ran === 2)], 1),
  },
  {
    id: 'KIT-54',
    says: 'when cancel_work_sync() has returned, its item is not pending and does not run',
    source: 'kernel/workqueue.c, __cancel_work(), __cancel_work_sync(), 6.12',
    grade: 'read',
    mutants: {
      'it does not wait': { wq: provides({ actions: { flushed: answers({ type: 'kwork.flushed', done: true }) } }) },
      'it takes nothing off the queue': { wq: provides({ actions: { cancel: answers({ type: 'kwork.was', value: true }) } }) },
    },
    check: (of) => {
      clean([of(wq)], [[wq.queue('item'), wq.cancelSync('item', did), free]], [late]);
      clean([of(wq)], [[wq.queueDelayed('item'), wq.cancelSync('item'), free]], [late, may('ran', (s) => s.ran === 1)]);
    },
  },
  {
    id: 'KIT-55',
    says: 'when flush_work() has returned, its item has run that was pending',
    source: 'kernel/workqueue.c, start_flush_work(), __flush_work(), 6.12',
    grade: 'read',
    mutants: {
      'it does not wait': { wq: provides({ actions: { flushed: answers({ type: 'kwork.flushed', done: true }) } }) },
      'it sees nothing': { wq: provides({ actions: { flush: ignored } }) },
    },
    check: (of) => {
      clean([of(wq)], [[wq.queue('item'), wq.flush('item'), ...hasRun]], [late]);
      clean([of(wq)], [[wq.queue('item'), wq.flushAll(), ...hasRun]], [late]);
    },
  },
  {
    id: 'KIT-56',
    says: 'a delayed item that is modified or queued again has one timer, and flush_delayed_work() does not wait for it',
    source: `${WORK}mod_delayed_work_on(), flush_delayed_work(), 6.12`,
    grade: 'read',
    mutants: {
      'it sees nothing': { wq: provides({ actions: { flush: ignored } }) },
      'no timer is armed': { wq: provides({ actions: { delay: answers({ type: 'kwork.was', value: true }) } }) },
    },
    check: (of) =>
      clean(
        [of(wq)],
        [
          [
            wq.queueDelayed('item'),
            wq.modDelayed('item', did),
            when([did.is(false), [seen.addReturn('queued', 1)]]),
            wq.flushDelayed('item'),
            ...hasRun,
          ],
        ],
        [late, may('once', (s) => s.ran === 1), never('thrice', (s) => s.ran > 2)],
      ),
  },
  {
    id: 'KIT-57',
    says: 'items of an ordered queue run one at a time',
    source: 'include/linux/workqueue.h, alloc_ordered_workqueue(), 6.12',
    grade: 'read',
    mutants: {
      'they do not run': { ordered: provides({ actions: { queue: answers({ type: 'kwork.was', value: true }) } }) },
      'one of them never runs': { ordered: provides({ actions: { begin: takesFirst } }) },
    },
    check: (of) =>
      clean(
        [of(ordered)],
        [[ordered.queue('first'), ordered.queue('second')]],
        [once, may('both', (s) => s.ran === 2), never('thrice', (s) => s.ran > 2)],
      ),
  },
  {
    id: 'KIT-60',
    says: 'when timer_delete_sync() has returned, the function of the timer does not run, and will not unless another arms it',
    source: 'kernel/time/timer.c, __try_to_del_timer_sync(), 6.12',
    grade: 'read',
    mutants: {
      'it does not wait': { tm: provides({ guards: { isRunning: () => false } }) },
      'it deletes nothing': { tm: provides({ actions: { remove: ignored } }) },
    },
    check: (of) => {
      const deletes = [tm.pending(did), when([did.is(true), [tm.deleteSync(), free]])];
      clean([of(tm)], [[tm.mod()], deletes], [late, may('ran', (s) => s.ran === 1)]);
    },
  },
  {
    id: 'KIT-61',
    says: 'nothing arms a timer after timer_shutdown_sync()',
    source: 'kernel/time/timer.c, __timer_delete_sync(), 6.12',
    grade: 'read',
    mutants: {
      'it shuts nothing down': { tm: provides({ actions: { remove: assign({ pending: null }) } }) },
      'it does not wait': { tm: provides({ guards: { isRunning: () => false } }) },
    },
    check: (of) => clean([of(tm)], [[tm.shutdownSync(), free], [tm.mod()]], [late, may('ran', (s) => s.ran === 1)]),
  },
]);

describe('what those contracts do not promise', () => {
  it('a thread that looks before it says that it sleeps misses its stop', () =>
    broken([worker, blind], [[blind.wakeUp(), blind.stop()]], [], 'deadlock'));
  it('cancel_work() does not wait', () => broken([wq], [[wq.queue('item'), wq.cancel('item'), free]], [late], 'seen.late'));
  it('after cancel_work_sync() another may queue the item', () =>
    broken([wq], [[wq.queue('item'), wq.cancelSync('item'), free], [wq.queue('item')]], [late], 'seen.late'));
  it('an item that cancels itself waits for itself', () => {
    const own: Workqueue<'item'> = workqueue('own', { item: () => [own.cancelSync('item')] });
    broken([own], [[own.queue('item')]], [], 'deadlock');
  });
  it('items of a queue that is not ordered run at once', () => {
    const both = workqueue('both', { first: () => body, second: () => body });
    broken([both], [[both.queue('first'), both.queue('second')]], [once], 'seen.twice');
  });
  it('timer_delete() does not wait', () =>
    broken([tm], [[tm.mod()], [tm.pending(did), when([did.is(true), [tm.delete(), free]])]], [late], 'seen.late'));
  it('after timer_delete_sync() another may arm the timer', () => broken([tm], [[tm.deleteSync(), free], [tm.mod()]], [late], 'seen.late'));
});
