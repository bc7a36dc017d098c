/**
 * The clock of a host whose VMM has a timer send signals: sleeps for a time, and periodic timers,
 * in milliseconds. What is due first fires first.
 *
 * Time passes while a task sleeps, up to whatever is due next; and by a millisecond at most for
 * each split lock of a guest, in the code that deals with it. All other code takes none.
 *
 * @see kernel kernel/time/timer.c, msleep_interruptible(); kernel/time/posix-timers.c
 */
import { enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { SignalAnswer } from '../../events/process.ts';
import type { ClockEvent } from '../../events/split-lock/split-lock.ts';
import { SLEEP_TIMER } from './delayed-work.ts';

interface Armed {
  readonly thread: ActorId;
  readonly kind: 'sleep' | 'signal';
  /** Milliseconds. */
  readonly left: number;
  readonly period: number;
  /** Of a sleep: over, and the sleeper has not looked yet. */
  readonly over: boolean;
}

export interface ClockContext {
  /** By thread, then kind. */
  readonly armed: readonly Armed[];
}

const SCHEDULER: ActorId = 'sched';
/** What host code around one trap takes at most. */
const CODE_MS = 1;
const TICK: Outgoing = outgoing(SLEEP_TIMER, { type: 'timer.tick' });

const isOf = (thread: ActorId, kind: Armed['kind']) => (entry: Armed) => entry.thread === thread && entry.kind === kind;
const withEntry = (armed: readonly Armed[], entry: Armed): readonly Armed[] =>
  [...armed.filter((other) => !isOf(entry.thread, entry.kind)(other)), entry].sort((a, b) =>
    `${a.thread} ${a.kind}` < `${b.thread} ${b.kind}` ? -1 : 1,
  );
const sleeps = ({ kind, over }: Armed) => kind === 'sleep' && !over;
const runs = ({ over }: Armed) => !over;

/** Time passes: what is left of everything, and which signals and sleeps are due. */
function pass(armed: readonly Armed[]) {
  const running = armed.filter(runs);
  const ms = running.some(sleeps) ? Math.min(...running.map(({ left }) => left)) : CODE_MS;
  const aged = armed.map((entry) => (entry.over ? entry : { ...entry, left: Math.max(0, entry.left - ms) }));
  const due = (kind: Armed['kind']) => aged.filter((entry) => runs(entry) && entry.kind === kind && entry.left === 0);
  const after = aged.map((entry): Armed => {
    if (entry.left > 0) return entry;
    return entry.kind === 'signal' ? { ...entry, left: entry.period } : { ...entry, over: true };
  });
  return { armed: after, signals: due('signal'), sleeps: due('sleep') };
}

export const clockMachine = setup({
  types: { context: {} as ClockContext, events: {} as Stamped<ClockEvent | SignalAnswer>, emitted: {} as Outgoing },
  actions: {
    arm: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'timer.arm' && event.type !== 'timer.settime') return;
      const kind = event.type === 'timer.arm' ? 'sleep' : 'signal';
      enqueue.assign({ armed: withEntry(c.armed, { thread: sender(event), kind, left: event.ms, period: event.ms, over: false }) });
      if (kind === 'sleep') enqueue.emit(TICK);
    }),
    cancel: enqueueActions(({ context: c, event, enqueue }) => {
      const thread = sender(event);
      const entry = c.armed.find(isOf(thread, 'sleep'));
      enqueue.emit(outgoing(thread, { type: 'timer.left', ms: entry?.left ?? null }));
      enqueue.assign({ armed: c.armed.filter((other) => other !== entry) });
    }),
    remove: enqueueActions(({ context: c, event, enqueue }) => {
      enqueue.assign({ armed: c.armed.filter((entry) => !isOf(sender(event), 'signal')(entry)) });
    }),
    elapse: enqueueActions(({ enqueue }) => enqueue.emit(TICK)),
    tick: enqueueActions(({ context: c, enqueue }) => {
      const due = pass(c.armed);
      enqueue.assign({ armed: due.armed });
      for (const { thread } of due.sleeps) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      for (const { thread } of due.signals) enqueue.emit(outgoing(thread, { type: 'process.signal' }));
      if (due.signals.length === 0 && due.armed.some(sleeps)) enqueue.emit(TICK);
    }),
    /** A sleeper with a signal is woken, and what is left of its sleep stays as it is. */
    signalled: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'signal.sent') return;
      const thread = sender(event);
      const isSleep = isOf(thread, 'sleep');
      const isOver = c.armed.some((entry) => isSleep(entry) && entry.over);
      const armed = event.wakes ? c.armed.map((entry) => (isSleep(entry) ? { ...entry, over: true } : entry)) : c.armed;
      enqueue.assign({ armed });
      if (event.wakes && !isOver) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      if (armed.some(sleeps)) enqueue.emit(TICK);
    }),
  },
}).createMachine({
  id: 'clock',
  context: { armed: [] },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'timer.arm': { actions: 'arm' },
        'timer.settime': { actions: 'arm' },
        'timer.cancel': { actions: 'cancel' },
        'timer.delete': { actions: 'remove' },
        'timer.elapse': { actions: 'elapse' },
        'timer.tick': { actions: 'tick' },
        'signal.sent': { actions: 'signalled' },
      },
    },
  },
});
