/**
 * Timers and hrtimers: a function that runs on the CPU that armed its timer, at any time from then
 * on, unless the timer is deleted first. No clock says when: the interrupt of the expiry is in
 * flight.
 *
 * The function of a timer runs in softirq context, with preemption off; that of an hrtimer in
 * hardirq context, with interrupts off. timer_delete_sync() waits for a function that runs: called
 * from where it cannot return, it never ends.
 *
 * Simplified: each expiry is an interrupt of its own, no two timers expire in one.
 *
 * @see kernel kernel/time/timer.c, __mod_timer(), __run_timers(), try_to_del_timer_sync(),
 * timer_delete_sync(), timer_shutdown_sync(); kernel/time/hrtimer.c, __run_hrtimer(),
 * hrtimer_cancel()
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { TimerEvent } from '../../events/kit-waits.ts';
import { fromMemory, type HostItem, host } from '../host/host-env.ts';
import { type Handles, raiseOn } from '../host/kernel-thread.ts';
import type { Source } from '../path/path.ts';
import { A_FUNCTION, checkBody, checkName, INTO, maybe, primitive, restOf } from './checked.ts';
import { fn } from './fn.ts';
import { handlerPart } from './interrupt.ts';
import { type Body, bodyOf } from './kthread.ts';
import { type Local, local } from './local.ts';
import type { Primitive } from './primitive.ts';
import type { Test } from './wait-queue.ts';

const { step, call, loop, when, note, leaveLoop } = host;
const TIMER = fromMemory('kernel/time/timer.c, __mod_timer(), __run_timers(), timer_delete_sync(), timer_shutdown_sync()');
const HRTIMER = fromMemory('kernel/time/hrtimer.c, hrtimer_start_range_ns(), __run_hrtimer(), hrtimer_cancel()');

export interface TimerContext {
  readonly irq: string;
  /** The CPU that it is pending on. */
  readonly pending: ActorId | null;
  /** The CPU that its function runs on. */
  readonly running: ActorId | null;
  /** timer_shutdown_sync(): it is never armed again. */
  readonly shutdown: boolean;
}

const was = (event: Stamped<TimerEvent>, value: number) => outgoing(sender(event), { type: 'timer.was', value });
const one = (c: TimerContext) => (c.pending === null ? 0 : 1);

export const timerMachine = setup({
  types: { context: {} as TimerContext, events: {} as Stamped<TimerEvent>, emitted: {} as Outgoing, input: {} as { readonly irq: string } },
  guards: { isRunning: ({ context: c }) => c.running !== null },
  actions: {
    /** It stays on the CPU that its function runs on: timer_delete_sync() has to know of that. */
    mod: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'timer.mod') return;
      enqueue.emit(was(event, one(c)));
      if (c.shutdown) return;
      const cpu = c.running ?? event.cpu;
      enqueue.assign({ pending: cpu });
      enqueue.emit(raiseOn(cpu, c.irq));
    }),
    answer: emit(({ context: c, event }) => was(event, one(c))),
    answerRunning: emit(({ event }) => was(event, -1)),
    remove: assign(({ context: c, event }) => ({
      pending: null,
      shutdown: c.shutdown || ((event.type === 'timer.del' || event.type === 'timer.tryDel') && event.shutdown),
    })),
    run: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'timer.run?') return;
      const run = c.pending === event.cpu;
      enqueue.emit(outgoing(sender(event), { type: 'timer.run', run }));
      if (run) enqueue.assign({ pending: null, running: event.cpu });
    }),
    ran: assign({ running: null }),
  },
}).createMachine({
  id: 'timer',
  context: ({ input }) => ({ irq: input.irq, pending: null, running: null, shutdown: false }),
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'timer.mod': { actions: 'mod' },
        'timer.pending?': { actions: 'answer' },
        'timer.del': { actions: ['answer', 'remove'] },
        'timer.tryDel': [{ guard: 'isRunning', actions: 'answerRunning' }, { actions: ['answer', 'remove'] }],
        'timer.run?': { actions: 'run' },
        'timer.ran': { actions: 'ran' },
      },
    },
  },
});

/** What both kinds of timers have. */
interface Armed extends Primitive {
  readonly kind: string;
}

/** A timer. `into` gets whether it was pending. @public */
export interface Timer extends Armed {
  /** mod_timer(), on the CPU of the caller. */
  mod(into?: Local<boolean>): HostItem;
  /** timer_pending(). */
  pending(into: Local<boolean>): HostItem;
  /** timer_delete(): its function may run still. */
  delete(into?: Local<boolean>): HostItem;
  /** timer_delete_sync(): its function runs no more; another may arm it again. */
  deleteSync(into?: Local<boolean>): HostItem;
  /** timer_shutdown_sync(): as before, and nothing arms it again. */
  shutdownSync(into?: Local<boolean>): HostItem;
}

/** An hrtimer. `into` gets whether it was queued. @public */
export interface Hrtimer extends Armed {
  /** hrtimer_start(). */
  start(): HostItem;
  /** hrtimer_try_to_cancel(); `into` gets 0, 1, or -1 where its function runs. */
  tryToCancel(into: Local<number>): HostItem;
  /** hrtimer_cancel(): its function runs no more. */
  cancel(into?: Local<boolean>): HostItem;
}

const runs = local<boolean>('timerRuns');
const before = local<number>('timerWas');
const again = local<boolean>('timerRestarts');

/** The steps of one timer. */
class Steps {
  readonly #timer: ActorId;
  readonly #source: Source;

  constructor(name: string, source: Source) {
    this.#timer = `${name}:0`;
    this.#source = source;
  }

  asks(as: string, event: TimerEvent | 'mod', into?: Local<boolean>): HostItem {
    return step(as, {
      ...this.#source,
      ...(into && { leaves: [into.name] }),
      send: (t) => outgoing(this.#timer, event === 'mod' ? { type: 'timer.mod', cpu: t.cpu! } : event),
      answers: { 'timer.was': (e) => (into ? { [into.name]: e.value === 1 } : {}) },
    });
  }

  attempt(as: string, shutdown: boolean, into: Local<number>, waits: boolean): HostItem {
    return step(as, {
      ...this.#source,
      ...(waits && { idles: true, yields: true }),
      leaves: [into.name],
      send: () => outgoing(this.#timer, { type: 'timer.tryDel', shutdown }),
      answers: { 'timer.was': (e) => ({ [into.name]: e.value }) },
    });
  }

  /** Until its function does not run: spinning, as hosts that are not `rt` do. */
  sync(as: string, attempt: string, shutdown: boolean, into?: Local<boolean>): HostItem {
    const spins = loop(this.attempt(attempt, shutdown, before, true), when([(_t, l) => before.of(l) !== -1, [leaveLoop]]));
    const kept = into ? [into.set((_t, l) => before.of(l) === 1) as HostItem] : [];
    return call(fn(as, this.#source, [spins, ...kept], into ? { leaves: [into.name] } : {}));
  }

  /** The function, if the timer is pending on this CPU still. */
  runsOn(as: string, name: string, { source, items }: ReturnType<typeof bodyOf>, restarts?: Test) {
    const end = step('clear_running_timer', { ...this.#source, send: () => outgoing(this.#timer, { type: 'timer.ran' }) });
    const asked = restarts ? [note((t, l) => ({ [again.name]: restarts(t, l) }))] : [];
    const restarted = restarts ? [when([again.is(true), [this.asks('enqueue_hrtimer', 'mod')]])] : [];
    const runsBody = call(fn(`${name}_fn`, source, [...items, ...asked]));
    return fn(
      as,
      this.#source,
      [
        step('detach_expired_timer', {
          ...this.#source,
          leaves: [runs.name],
          send: (t) => outgoing(this.#timer, { type: 'timer.run?', cpu: t.cpu! }),
          answers: { 'timer.run': (e) => ({ [runs.name]: e.run }) },
        }),
        when([runs.is(true), [runsBody, ...restarted, end]]),
      ],
      { locals: [again.name] },
    );
  }
}

const partsOf = (name: string, how: Handles, walks: Parameters<typeof handlerPart>[3]): Primitive['parts'] => [
  { kind: name, per: 'host', machine: () => timerMachine, input: () => ({ irq: name }) },
  handlerPart(`${name}_expiry`, name, how, walks),
];

/** A timer of this name: timer_setup(). @public */
export function timer(name: string, body: Body): Timer {
  checkName('timer', name);
  checkBody(`timer ${name}`, body);
  const steps = new Steps(name, TIMER);
  return primitive<Timer>(
    name,
    {
      kind: name,
      parts: partsOf(name, 'softirq', (env) => steps.runsOn('call_timer_fn', name, bodyOf(body, TIMER, env))),
      mod: (into) => steps.asks('mod_timer', 'mod', into),
      pending: (into) => steps.asks('timer_pending', { type: 'timer.pending?' }, into),
      delete: (into) => steps.asks('timer_delete', { type: 'timer.del', shutdown: false }, into),
      deleteSync: (into) => steps.sync('timer_delete_sync', 'try_to_del_timer_sync', false, into),
      shutdownSync: (into) => steps.sync('timer_shutdown_sync', 'try_to_del_timer_sync', true, into),
    },
    { mod: [maybe(INTO)], pending: [INTO], delete: [maybe(INTO)], deleteSync: [maybe(INTO)], shutdownSync: [maybe(INTO)] },
  );
}

/**
 * An hrtimer of this name: hrtimer_setup(). `restarts` is asked when its function has returned:
 * HRTIMER_RESTART.
 * @public
 */
export function hrtimer(name: string, body: Body, rest: { readonly restarts?: Test } = {}): Hrtimer {
  const { restarts } = restOf('hrtimer', name, rest, { restarts: A_FUNCTION });
  checkBody(`hrtimer ${name}`, body);
  const steps = new Steps(name, HRTIMER);
  return primitive<Hrtimer>(
    name,
    {
      kind: name,
      parts: partsOf(name, 'hardirq', (env) => steps.runsOn('__run_hrtimer', name, bodyOf(body, HRTIMER, env), restarts)),
      start: () => steps.asks('hrtimer_start', 'mod'),
      tryToCancel: (into) => steps.attempt('hrtimer_try_to_cancel', false, into, false),
      cancel: (into) => steps.sync('hrtimer_cancel', 'hrtimer_try_to_cancel', false, into),
    },
    { start: [], tryToCancel: [INTO], cancel: [maybe(INTO)] },
  );
}
