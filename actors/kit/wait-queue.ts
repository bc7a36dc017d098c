/**
 * Wait queues: a thread puts itself on the queue and says what it waits in, looks at its condition,
 * and sleeps; each of these is a step. wake_up() wakes all that wait, and of those that wait
 * exclusively the one that has waited longest.
 *
 * Simplified: a wake-up walks the whole queue in one step, as under its lock.
 *
 * @see kernel include/linux/wait.h, ___wait_event(); kernel/sched/wait.c, prepare_to_wait_event(),
 * finish_wait(), __wake_up_common(), autoremove_wake_function()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { WaitQueueEvent } from '../../events/kit-waits.ts';
import type { TaskState, WakeAnswer, WakeMode } from '../../events/sched.ts';
import { fromMemory, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { endsWait, RUNNING, schedule } from '../host/task-state.ts';
import { flag } from '../path/fits.ts';
import { otherwise } from '../path/path.ts';
import { FUNCTION, INTO, ITEM, PER, primitive, restOf, STATE, WHERE, whereWith } from './checked.ts';
import { fn } from './fn.ts';
import { type Local, local } from './local.ts';
import type { LockWhere } from './mutex.ts';
import { instanceAt, type Per, type Primitive } from './primitive.ts';
import { timeoutItems, timeouts } from './timeout.ts';

const { step, call, loop, when, leaveLoop } = host;
const WAIT = fromMemory('include/linux/wait.h, ___wait_event(); kernel/sched/wait.c, prepare_to_wait_event(), finish_wait()');
const WAKE = fromMemory('kernel/sched/wait.c, __wake_up_common(), autoremove_wake_function()');

interface Waiter {
  readonly thread: ActorId;
  readonly exclusive: boolean;
}
export interface WaitQueueContext {
  /** Those that do not wait exclusively, the last first; then those that do, the first first. */
  readonly waiters: readonly Waiter[];
  /** A wake-up that is under way: who is asked next, and how many may be woken; gone at its end. */
  readonly walk?: { readonly mode: WakeMode; readonly nr: number | null; readonly left: readonly Waiter[] } | undefined;
}

const without = (waiters: readonly Waiter[], thread: ActorId) => waiters.filter((one) => one.thread !== thread);
const joined = (waiters: readonly Waiter[], one: Waiter): readonly Waiter[] => {
  if (waiters.some(({ thread }) => thread === one.thread)) return waiters;
  return one.exclusive ? [...waiters, one] : [one, ...waiters];
};
const ask = ({ thread }: Waiter, mode: WakeMode) => outgoing(thread, { type: 'task.wake', mode, asks: true });

export const waitQueueMachine = setup({
  types: { context: {} as WaitQueueContext, events: {} as Stamped<WaitQueueEvent | WakeAnswer>, emitted: {} as Outgoing },
  actions: {
    join: assign(({ context: c, event }) =>
      event.type === 'wq.prepare' ? { waiters: joined(c.waiters, { thread: sender(event), exclusive: event.exclusive }) } : {},
    ),
    leave: assign({ waiters: ({ context: c, event }) => without(c.waiters, sender(event)) }),
    answer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'wq.active', active: c.waiters.length > 0 })),
    wake: enqueueActions(({ context: c, event, enqueue }) => {
      const [first, ...left] = c.waiters;
      if (event.type !== 'wq.wake' || first === undefined) return;
      enqueue.assign({ walk: { mode: event.mode, nr: event.nr, left } });
      enqueue.emit(ask(first, event.mode));
    }),
    /** One that was woken leaves the queue. */
    walkOn: enqueueActions(({ context: { waiters, walk }, event, enqueue }) => {
      if (event.type !== 'task.woken' || walk === undefined) return;
      const asked = waiters.find(({ thread }) => thread === sender(event))!;
      const nr = walk.nr !== null && event.woken && asked.exclusive ? walk.nr - 1 : walk.nr;
      const [next, ...left] = walk.left;
      const goesOn = next !== undefined && nr !== 0;
      enqueue.assign({
        waiters: event.woken ? without(waiters, asked.thread) : waiters,
        walk: goesOn ? { ...walk, nr, left } : undefined,
      });
      if (goesOn) enqueue.emit(ask(next, walk.mode));
    }),
  },
}).createMachine({
  id: 'waitQueue',
  context: { waiters: [] },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'wq.prepare': { actions: 'join' },
        'wq.finish': { actions: 'leave' },
        'wq.wake': { actions: 'wake' },
        'task.woken': { actions: 'walkOn' },
        'wq.active?': { actions: 'answer' },
      },
    },
  },
});

/** A test of what the condition's steps have left. @public */
export type Test = (t: HostThread, l: HostLocals) => boolean;

/** How a thread waits. */
interface How {
  readonly state: TaskState;
  readonly exclusive?: true;
  readonly timeout?: true;
  /** Gets whether the condition held. */
  readonly into?: Local<boolean>;
}

/** A wait queue. Conditions are steps that leave something, and a test of that. @public */
export interface WaitQueue extends Primitive {
  readonly kind: string;
  /** wait_event(). */
  waitEvent(test: Test, ...condition: readonly HostItem[]): HostItem;
  /** wait_event_interruptible(); `into` gets whether the condition held: a signal ends the wait. */
  waitEventInterruptible(into: Local<boolean>, test: Test, ...condition: readonly HostItem[]): HostItem;
  /** wait_event_killable(); a fatal signal ends the wait. */
  waitEventKillable(into: Local<boolean>, test: Test, ...condition: readonly HostItem[]): HostItem;
  /** wait_event_interruptible_exclusive(). */
  waitEventInterruptibleExclusive(into: Local<boolean>, test: Test, ...condition: readonly HostItem[]): HostItem;
  /** wait_event_timeout(); `into` gets whether the condition held: false, if time is up. */
  waitEventTimeout(into: Local<boolean>, test: Test, ...condition: readonly HostItem[]): HostItem;
  /** wait_event_interruptible_timeout(). */
  waitEventInterruptibleTimeout(into: Local<boolean>, test: Test, ...condition: readonly HostItem[]): HostItem;
  /** prepare_to_wait(): it is on the queue, and has said what it waits in. */
  prepareToWait(state: TaskState, where?: LockWhere & { readonly exclusive?: true }): HostItem;
  /** finish_wait(). */
  finishWait(where?: LockWhere): HostItem;
  /** wake_up(): all, and one of those that wait exclusively. */
  wakeUp(where?: LockWhere): HostItem;
  /** wake_up_all(). */
  wakeUpAll(where?: LockWhere): HostItem;
  /** wake_up_interruptible(): none of those that no signal ends. */
  wakeUpInterruptible(where?: LockWhere): HostItem;
  /** waitqueue_active(), which takes no lock. */
  active(into: Local<boolean>, where?: LockWhere): HostItem;
  /** The same queue, of the VM, vCPU or CPU that `at` says. */
  at(at: NonNullable<LockWhere['at']>): WaitQueue;
}

const EXCLUSIVE = whereWith({ exclusive: flag });
const interrupted = local<true>('waitInterrupted');
const timeLeft = local<boolean>('waitEventTimeLeft');

/** A wait queue of this name: one for the host, or one for each VM, vCPU or CPU. @public */
export function waitQueue(name: string, rest: { readonly per?: Per } = {}): WaitQueue {
  const { per = 'host' } = restOf('waitQueue', name, rest, PER);
  const parts: Primitive['parts'] = [{ kind: name, per, machine: () => waitQueueMachine }, ...timeouts.parts];
  return queueAt(name, per, parts, undefined);
}

function queueAt(name: string, per: Per, parts: Primitive['parts'], fixed: LockWhere['at']): WaitQueue {
  const to = ({ at = fixed }: LockWhere) => instanceAt(name, per, at);
  const wake =
    (as: string, mode: WakeMode, nr: number | null) =>
    (where: LockWhere = {}): HostItem => {
      const id = to(where);
      return step(where.as ?? as, { ...WAKE, send: (t, l) => outgoing(id(t, l), { type: 'wq.wake', mode, nr }) });
    };
  const finishWait = (where: LockWhere = {}): HostItem => {
    const id = to(where);
    return step(where.as ?? 'finish_wait', { ...WAIT, send: (t, l) => outgoing(id(t, l), { type: 'wq.finish' }), set: () => RUNNING });
  };
  const waits = (as: string, how: How) => {
    const wait = (test: Test, condition: readonly HostItem[], into = how.into) =>
      waitItem(as, { ...how, ...(into && { into }) }, test, condition, to({}), finishWait());
    return (into: Local<boolean>, test: Test, ...condition: readonly HostItem[]) => wait(test, condition, into);
  };
  return primitive<WaitQueue>(
    name,
    {
      kind: name,
      parts,
      waitEvent: (test, ...condition) => waitItem('wait_event', { state: 'uninterruptible' }, test, condition, to({}), finishWait()),
      waitEventInterruptible: waits('wait_event_interruptible', { state: 'interruptible' }),
      waitEventKillable: waits('wait_event_killable', { state: 'killable' }),
      waitEventInterruptibleExclusive: waits('wait_event_interruptible_exclusive', { state: 'interruptible', exclusive: true }),
      waitEventTimeout: waits('wait_event_timeout', { state: 'uninterruptible', timeout: true }),
      waitEventInterruptibleTimeout: waits('wait_event_interruptible_timeout', { state: 'interruptible', timeout: true }),
      prepareToWait: (state, where = {}) => {
        const id = to(where);
        return step(where.as ?? 'prepare_to_wait', {
          ...WAIT,
          send: (t, l) => outgoing(id(t, l), { type: 'wq.prepare', exclusive: where.exclusive === true }),
          set: () => ({ state }),
        });
      },
      finishWait,
      wakeUp: wake('wake_up', 'normal', 1),
      wakeUpAll: wake('wake_up_all', 'normal', null),
      wakeUpInterruptible: wake('wake_up_interruptible', 'interruptible', 1),
      active: (into, where = {}) => {
        const id = to(where);
        return step(where.as ?? 'waitqueue_active', {
          ...WAIT,
          leaves: [into.name],
          send: (t, l) => outgoing(id(t, l), { type: 'wq.active?' }),
          answers: { 'wq.active': (e) => ({ [into.name]: e.active }) },
        });
      },
      at: (at) => queueAt(name, per, parts, at),
    },
    {
      waitEvent: [FUNCTION, ITEM],
      waitEventInterruptible: [INTO, FUNCTION, ITEM],
      waitEventKillable: [INTO, FUNCTION, ITEM],
      waitEventInterruptibleExclusive: [INTO, FUNCTION, ITEM],
      waitEventTimeout: [INTO, FUNCTION, ITEM],
      waitEventInterruptibleTimeout: [INTO, FUNCTION, ITEM],
      prepareToWait: [STATE, EXCLUSIVE],
      finishWait: [WHERE],
      wakeUp: [WHERE],
      wakeUpAll: [WHERE],
      wakeUpInterruptible: [WHERE],
      active: [INTO, WHERE],
      at: [FUNCTION],
    },
  );
}

/** wait_event() and its likes: a look at the condition before anything else, and then the loop. */
function waitItem(
  as: string,
  { state, exclusive, timeout, into }: How,
  test: Test,
  condition: readonly HostItem[],
  id: (t: HostThread, l: HostLocals) => ActorId,
  finish: HostItem,
): HostItem {
  const over = (held: boolean): readonly HostItem[] => (into ? [into.set(held) as HostItem, leaveLoop] : [leaveLoop]);
  const prepare = step('prepare_to_wait_event', {
    ...WAIT,
    set: (t) => (endsWait(t, state) ? {} : { state }),
    local: (t) => ({ [interrupted.name]: endsWait(t, state) ? true : undefined }),
    leaves: [interrupted.name],
    send: (t, l) => outgoing(id(t, l), endsWait(t, state) ? { type: 'wq.finish' } : { type: 'wq.prepare', exclusive: exclusive === true }),
  });
  const timeIsUp: Test = (_t, l) => timeLeft.of(l) === false;
  const waits = loop(
    prepare,
    ...condition,
    when(
      [test, [finish, ...over(true)]],
      [interrupted.is(true), over(false)],
      ...(timeout ? [[timeIsUp, [{ ...finish, name: 'finish_wait_timeout' } as HostItem, ...over(false)]] as const] : []),
    ),
    ...(timeout ? timeoutItems(timeLeft) : [schedule()]),
  );
  const seen = into ? [into.set(true) as HostItem] : [];
  return call(
    fn(
      as,
      WAIT,
      [step('might_sleep', { ...WAIT, mayResched: true, ns: 5 }), ...condition, when([test, seen], [otherwise, [waits]])],
      into ? { leaves: [into.name] } : {},
    ),
  );
}
