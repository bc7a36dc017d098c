/**
 * schedule_timeout() and its likes: a thread sleeps until it is woken or its timer expires.
 *
 * No clock says how long that is: the timer of a thread that sleeps is in flight, and may expire at
 * any later step. One that is armed again while it is in flight is the same timer.
 *
 * @see kernel kernel/time/timer.c, schedule_timeout(), process_timeout()
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { TimeoutEvent } from '../../events/kit-waits.ts';
import type { TaskState } from '../../events/sched.ts';
import { fromMemory, type HostItem, type HostThread, host } from '../host/host-env.ts';
import { endsWait, schedule, setCurrentState } from '../host/task-state.ts';
import { INTO, primitive } from './checked.ts';
import { fn } from './fn.ts';
import { type Local, local } from './local.ts';
import type { Primitive } from './primitive.ts';

const { step, call } = host;
const SOURCE = fromMemory('kernel/time/timer.c, schedule_timeout(), process_timeout()');
const TIMEOUTS: ActorId = 'timeouts:0';

export interface TimeoutContext {
  /** Threads whose timers are pending, sorted. */
  readonly armed: readonly ActorId[];
}
const without = ({ armed }: TimeoutContext, thread: ActorId) => armed.filter((one) => one !== thread);

export const timeoutMachine = setup({
  types: { context: {} as TimeoutContext, events: {} as Stamped<TimeoutEvent>, emitted: {} as Outgoing },
  actions: {
    start: enqueueActions(({ context: c, event, enqueue }) => {
      const thread = sender(event);
      enqueue.assign({ armed: [...without(c, thread), thread].sort() });
      enqueue.emit(outgoing(TIMEOUTS, { type: 'timeout.expire', thread }));
    }),
    expire: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'timeout.expire' || !c.armed.includes(event.thread)) return;
      enqueue.assign({ armed: without(c, event.thread) });
      enqueue.emit(outgoing(event.thread, { type: 'task.wake', mode: 'normal' }));
    }),
    remove: enqueueActions(({ context: c, event, enqueue }) => {
      const thread = sender(event);
      enqueue.emit(outgoing(thread, { type: 'timeout.deleted', pending: c.armed.includes(thread) }));
      enqueue.assign({ armed: without(c, thread) });
    }),
    ignore: assign({}),
  },
  guards: { isArmed: ({ context: c, event }) => event.type === 'timeout.expire' && c.armed.includes(event.thread) },
}).createMachine({
  id: 'timeouts',
  context: { armed: [] },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'timeout.start': { actions: 'start' },
        'timeout.expire': [{ guard: 'isArmed', actions: 'expire' }, { actions: 'ignore' }],
        'timeout.delete': { actions: 'remove' },
      },
    },
  },
});

/** What brings the timers of threads that sleep. */
const PARTS: Primitive['parts'] = [{ kind: 'timeouts', per: 'host', machine: () => timeoutMachine, sets: ['armed'] }];

/**
 * schedule_timeout() of a thread that has said what it waits in; `into` gets whether time is left:
 * false, if the timer has expired.
 */
export const timeoutItems = (into: Local<boolean>): readonly HostItem[] => [
  schedule('schedule', () => outgoing(TIMEOUTS, { type: 'timeout.start' }), SOURCE),
  step('timer_delete_sync', {
    ...SOURCE,
    leaves: [into.name],
    send: () => outgoing(TIMEOUTS, { type: 'timeout.delete' }),
    answers: { 'timeout.deleted': (e) => ({ [into.name]: e.pending }) },
  }),
];

/** Sleeps with a time-out. @public */
export interface Timeouts extends Primitive {
  /** schedule_timeout(), after setCurrentState(); `into` gets whether time is left. */
  scheduleTimeout(into: Local<boolean>): HostItem;
  /** msleep(): only the timer ends it. */
  msleep(): HostItem;
  /** msleep_interruptible(); `into` gets whether time is left: a signal has ended it. */
  msleepInterruptible(into: Local<boolean>): HostItem;
}

const left = local<boolean>('timeoutTimeLeft');

/** One sleep, and another if something else than the timer has ended it. */
const msleepItems = (state: TaskState, into: Local<boolean>, ends: (t: HostThread) => boolean) => [
  host.loop(
    setCurrentState(state),
    call(fn('schedule_timeout', SOURCE, timeoutItems(into), { leaves: [into.name] })),
    host.when([(t, l) => into.of(l) === false || ends(t), [host.leaveLoop]]),
  ),
];

/** Sleeps with a time-out: for `uses`, and for the items of a module. @public */
export const timeouts: Timeouts = primitive<Timeouts>(
  'timeouts',
  {
    parts: PARTS,
    scheduleTimeout: (into) => call(fn('schedule_timeout', SOURCE, timeoutItems(into), { leaves: [into.name] })),
    msleep: () =>
      call(
        fn(
          'msleep',
          SOURCE,
          msleepItems('uninterruptible', left, () => false),
        ),
      ),
    msleepInterruptible: (into) =>
      call(
        fn(
          'msleep_interruptible',
          SOURCE,
          msleepItems('interruptible', into, (t) => endsWait(t, 'interruptible')),
          { leaves: [into.name] },
        ),
      ),
  },
  { scheduleTimeout: [INTO], msleep: [], msleepInterruptible: [INTO] },
);
