/**
 * Completions: complete() lets one waiter through, now or later, and complete_all() all of them. A
 * waiter looks and puts itself on the queue under one lock, so that it misses none.
 *
 * @see kernel kernel/sched/completion.c, do_wait_for_common(), complete_with_flags(),
 * complete_all(); kernel/sched/swait.c, swake_up_locked()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { CompletionEvent } from '../../events/kit-waits.ts';
import type { TaskState } from '../../events/sched.ts';
import { fromMemory, type HostItem, type HostLocals, type HostThread, host } from '../host/host-env.ts';
import { endsWait, schedule } from '../host/task-state.ts';
import { INTO, PER, primitive, restOf, WHERE } from './checked.ts';
import { fn } from './fn.ts';
import { type Local, local } from './local.ts';
import type { LockWhere } from './mutex.ts';
import { instanceAt, type Per, type Primitive } from './primitive.ts';
import { timeoutItems, timeouts } from './timeout.ts';

const { step, call, loop, when, note, leaveLoop } = host;
const SOURCE = fromMemory('kernel/sched/completion.c, do_wait_for_common(), complete_with_flags(), complete_all()');

export interface CompletionContext {
  /** How many waiters may pass; all that ever come after complete_all(). */
  readonly done: number | 'all';
  /** The one that has waited longest first. */
  readonly waiters: readonly ActorId[];
}
const without = (waiters: readonly ActorId[], thread: ActorId) => waiters.filter((one) => one !== thread);
const used = ({ done }: CompletionContext) => (done === 'all' ? 'all' : done - 1);
const wake = (thread: ActorId) => outgoing(thread, { type: 'task.wake', mode: 'normal' });

export const completionMachine = setup({
  types: { context: {} as CompletionContext, events: {} as Stamped<CompletionEvent>, emitted: {} as Outgoing },
  guards: { isDone: ({ context: c }) => c.done !== 0, isLast: ({ event }) => event.type === 'completion.wait' && event.last },
  actions: {
    pass: assign(({ context: c, event }) => ({ done: used(c), waiters: without(c.waiters, sender(event)) })),
    give: assign(({ context: c }) => ({ done: used(c) })),
    leave: assign(({ context: c, event }) => ({ waiters: without(c.waiters, sender(event)) })),
    join: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'completion.wait') return;
      enqueue.assign({ waiters: c.waiters.includes(sender(event)) ? c.waiters : [...c.waiters, sender(event)] });
      enqueue.emit(outgoing(sender(event), { type: 'task.state', state: event.state }));
    }),
    answerDone: emit(({ event }) => outgoing(sender(event), { type: 'completion.done', done: true, over: true })),
    answerNot: emit(({ event }) =>
      outgoing(sender(event), { type: 'completion.done', done: false, over: event.type !== 'completion.wait' || event.last }),
    ),
    complete: enqueueActions(({ context: c, enqueue }) => {
      const [first, ...waiters] = c.waiters;
      if (first !== undefined) enqueue.emit(wake(first));
      enqueue.assign({ done: c.done === 'all' ? 'all' : c.done + 1, waiters });
    }),
    completeAll: enqueueActions(({ context: c, enqueue }) => {
      for (const thread of c.waiters) enqueue.emit(wake(thread));
      enqueue.assign({ done: 'all', waiters: [] });
    }),
    reinit: assign({ done: 0 }),
  },
}).createMachine({
  id: 'completion',
  context: { done: 0, waiters: [] },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'completion.wait': [
          { guard: 'isDone', actions: ['pass', 'answerDone'] },
          { guard: 'isLast', actions: ['leave', 'answerNot'] },
          { actions: ['join', 'answerNot'] },
        ],
        'completion.try': [{ guard: 'isDone', actions: ['give', 'answerDone'] }, { actions: 'answerNot' }],
        'completion.done?': [{ guard: 'isDone', actions: 'answerDone' }, { actions: 'answerNot' }],
        'completion.complete': { actions: 'complete' },
        'completion.all': { actions: 'completeAll' },
        'completion.reinit': { actions: 'reinit' },
      },
    },
  },
});

/** Something that is waited for until it is done. @public */
export interface Completion extends Primitive {
  readonly kind: string;
  /** wait_for_completion(). */
  wait(where?: LockWhere): HostItem;
  /** wait_for_completion_interruptible(); `into` is false if a signal has ended the wait. */
  waitInterruptible(into: Local<boolean>, where?: LockWhere): HostItem;
  /** wait_for_completion_killable(); a fatal signal ends the wait. */
  waitKillable(into: Local<boolean>, where?: LockWhere): HostItem;
  /** wait_for_completion_timeout(); `into` gets whether it was done: false, if time is up. */
  waitTimeout(into: Local<boolean>, where?: LockWhere): HostItem;
  /** wait_for_completion_interruptible_timeout(). */
  waitInterruptibleTimeout(into: Local<boolean>, where?: LockWhere): HostItem;
  /** try_wait_for_completion(). */
  tryWait(into: Local<boolean>, where?: LockWhere): HostItem;
  /** completion_done(), which takes nothing. */
  done(into: Local<boolean>, where?: LockWhere): HostItem;
  complete(where?: LockWhere): HostItem;
  completeAll(where?: LockWhere): HostItem;
  /** reinit_completion(). */
  reinit(where?: LockWhere): HostItem;
}

const timeLeft = local<boolean>('completionTimeLeft');
const waitOver = local<boolean>('completionOver');

/** A completion of this name: one for the host, or one for each VM, vCPU or CPU. @public */
export function completion(name: string, rest: { readonly per?: Per } = {}): Completion {
  const { per = 'host' } = restOf('completion', name, rest, PER);
  const asks = (where: LockWhere, event: (t: HostThread, l: HostLocals) => CompletionEvent) => {
    const id = instanceAt(name, per, where.at);
    return { ...SOURCE, send: (t: HostThread, l: HostLocals) => outgoing(id(t, l), event(t, l)) };
  };
  const waits =
    (as: string, state: TaskState, timeout: boolean) =>
    (into: Local<boolean> | null, where: LockWhere = {}): HostItem => {
      const look = (name_: string, mayResched?: true) =>
        step(name_, {
          ...asks(where, (t, l) => ({ type: 'completion.wait', state, last: timeLeft.of(l) === false || endsWait(t, state) })),
          ...(mayResched && { mayResched }),
          leaves: ['granted', waitOver.name],
          answers: { 'completion.done': (e) => ({ granted: e.done, [waitOver.name]: e.over }) },
        });
      const sleep = timeout ? timeoutItems(timeLeft) : [schedule()];
      const kept = into ? [note((_t, l) => ({ [into.name]: l.granted === true }))] : [];
      const items = [
        look('do_wait_for_common', true),
        loop(when([waitOver.is(true), [leaveLoop]]), ...sleep, look('do_wait_for_common_again')),
        ...kept,
      ];
      return call(fn(where.as ?? as, SOURCE, items, into ? { leaves: [into.name] } : {}));
    };
  const told =
    (as: string, type: 'completion.try' | 'completion.done?') =>
    (into: Local<boolean>, where: LockWhere = {}) =>
      step(where.as ?? as, {
        ...asks(where, () => ({ type })),
        leaves: [into.name],
        answers: { 'completion.done': (e) => ({ [into.name]: e.done }) },
      });
  const tells =
    (as: string, type: 'completion.complete' | 'completion.all' | 'completion.reinit') =>
    (where: LockWhere = {}) =>
      step(
        where.as ?? as,
        asks(where, () => ({ type })),
      );
  const plain = waits('wait_for_completion', 'uninterruptible', false);
  return primitive<Completion>(
    name,
    {
      kind: name,
      parts: [{ kind: name, per, machine: () => completionMachine }, ...timeouts.parts],
      wait: (where) => plain(null, where),
      waitInterruptible: waits('wait_for_completion_interruptible', 'interruptible', false),
      waitKillable: waits('wait_for_completion_killable', 'killable', false),
      waitTimeout: waits('wait_for_completion_timeout', 'uninterruptible', true),
      waitInterruptibleTimeout: waits('wait_for_completion_interruptible_timeout', 'interruptible', true),
      tryWait: told('try_wait_for_completion', 'completion.try'),
      done: told('completion_done', 'completion.done?'),
      complete: tells('complete', 'completion.complete'),
      completeAll: tells('complete_all', 'completion.all'),
      reinit: tells('reinit_completion', 'completion.reinit'),
    },
    {
      wait: [WHERE],
      waitInterruptible: [INTO, WHERE],
      waitKillable: [INTO, WHERE],
      waitTimeout: [INTO, WHERE],
      waitInterruptibleTimeout: [INTO, WHERE],
      tryWait: [INTO, WHERE],
      done: [INTO, WHERE],
      complete: [WHERE],
      completeAll: [WHERE],
      reinit: [WHERE],
    },
  );
}
