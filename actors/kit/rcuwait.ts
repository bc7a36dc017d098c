/**
 * rcuwait: one task at most waits, and what wakes it takes no lock: it reads which task that is,
 * and wakes it. In between the task may have gone on, and wait for something else: it is woken for
 * nothing then.
 *
 * @see kernel include/linux/rcuwait.h, rcuwait_wait_event(); kernel/exit.c, rcuwait_wake_up()
 */
import { assign, emit, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { RcuwaitEvent } from '../../events/kit-waits.ts';
import type { TaskState } from '../../events/sched.ts';
import { fromMemory, type HostItem, host } from '../host/host-env.ts';
import { endsWait, RUNNING, schedule, setCurrentState } from '../host/task-state.ts';
import { FUNCTION, INTO, ITEM, PER, primitive, restOf, STATE, WHERE, WHICH } from './checked.ts';
import { fn } from './fn.ts';
import { type Local, local } from './local.ts';
import type { LockWhere } from './mutex.ts';
import { instanceAt, type Per, type Primitive } from './primitive.ts';
import type { Test } from './wait-queue.ts';

const { step, call, loop, when, leaveLoop } = host;
const SOURCE = fromMemory('include/linux/rcuwait.h, rcuwait_wait_event(); kernel/exit.c, rcuwait_wake_up()');

export interface RcuwaitContext {
  readonly task: ActorId | null;
}

const rcuwaitMachine = setup({
  types: { context: {} as RcuwaitContext, events: {} as Stamped<RcuwaitEvent>, emitted: {} as Outgoing },
  actions: {
    prepare: assign({ task: ({ event }) => sender(event) }),
    finish: assign({ task: null }),
    answer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'rcuwait.task', task: c.task })),
  },
}).createMachine({
  id: 'rcuwait',
  context: { task: null },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'rcuwait.prepare': { actions: 'prepare' },
        'rcuwait.finish': { actions: 'finish' },
        'rcuwait.task?': { actions: 'answer' },
      },
    },
  },
});

/** A wait of one task. @public */
export interface Rcuwait extends Primitive {
  readonly kind: string;
  /** rcuwait_wait_event(); `into` gets whether the condition held: a signal may end the wait. */
  waitEvent(state: TaskState, into: Local<boolean>, test: Test, ...condition: readonly HostItem[]): HostItem;
  /** rcuwait_wake_up(). */
  wakeUp(where?: LockWhere): HostItem;
  prepareTo(where?: LockWhere): HostItem;
  finish(where?: LockWhere): HostItem;
}

const task = local<ActorId | null>('rcuwaitTask');

/** An rcuwait of this name: one for the host, or one for each VM, vCPU or CPU. @public */
export function rcuwait(name: string, rest: { readonly per?: Per; readonly at?: NonNullable<LockWhere['at']> } = {}): Rcuwait {
  const { per = 'host', at } = restOf('rcuwait', name, rest, { ...PER, at: WHICH });
  const to = (where: LockWhere) => instanceAt(name, per, where.at ?? at);
  const prepareTo = (where: LockWhere = {}): HostItem => {
    const id = to(where);
    return step(where.as ?? 'prepare_to_rcuwait', { ...SOURCE, send: (t, l) => outgoing(id(t, l), { type: 'rcuwait.prepare' }) });
  };
  const finish = (where: LockWhere = {}): HostItem => {
    const id = to(where);
    return step(where.as ?? 'finish_rcuwait', {
      ...SOURCE,
      set: () => RUNNING,
      send: (t, l) => outgoing(id(t, l), { type: 'rcuwait.finish' }),
    });
  };
  return primitive<Rcuwait>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => rcuwaitMachine }],
      prepareTo,
      finish,
      waitEvent: (state, into, test, ...condition) =>
        call(
          fn(
            'rcuwait_wait_event',
            SOURCE,
            [
              prepareTo(),
              loop(
                setCurrentState(state),
                ...condition,
                when(
                  [test, [into.set(true) as HostItem, leaveLoop]],
                  [(t) => endsWait(t, state), [into.set(false) as HostItem, leaveLoop]],
                ),
                schedule(),
              ),
              finish(),
            ],
            { leaves: [into.name] },
          ),
        ),
      wakeUp: (where = {}) => {
        const id = to(where);
        const read = step('rcu_dereference', {
          ...SOURCE,
          leaves: [task.name],
          send: (t, l) => outgoing(id(t, l), { type: 'rcuwait.task?' }),
          answers: { 'rcuwait.task': (e) => ({ [task.name]: e.task }) },
        });
        const wake = step('wake_up_process', {
          ...SOURCE,
          send: (_t, l) => outgoing(task.of(l)!, { type: 'task.wake', mode: 'normal' }),
        });
        return call(fn(where.as ?? 'rcuwait_wake_up', SOURCE, [read, when([(_t, l) => task.of(l) != null, [wake]])]));
      },
    },
    { waitEvent: [STATE, INTO, FUNCTION, ITEM], wakeUp: [WHERE], prepareTo: [WHERE], finish: [WHERE] },
  );
}
