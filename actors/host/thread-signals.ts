/**
 * What others do to a thread: a wake-up, a signal, a refusal of what it asked for.
 *
 * @see kernel kernel/signal.c, signal_wake_up_state(), legacy_queue(); kernel/sched/core.c,
 * try_to_wake_up(), kick_process()
 */
import { assign, enqueueActions } from 'xstate';
import { outgoing, type Stamped, sender } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import type { TaskState, WakeMode } from '../../events/sched.ts';
import type { Region } from '../path/expand.ts';
import type { HostThread } from './host-env.ts';
import { RUNNING } from './task-state.ts';

type Args = { readonly context: HostThread; readonly event: Stamped<ThreadEvent> };
const FATAL: readonly unknown[] = ['interruptible', 'killable'];

const WOKEN_BY: Readonly<Record<WakeMode, readonly TaskState[]>> = {
  normal: ['interruptible', 'killable', 'uninterruptible'],
  interruptible: ['interruptible'],
  parked: ['parked'],
};

const ACTIONS = {
  /** One that runs, or that waits in another state, is not woken. */
  wake: enqueueActions(({ context, event, enqueue }) => {
    const [t, e] = [context as unknown as HostThread, event as Args['event']];
    if (e.type !== 'task.wake') return;
    const woken = t.state !== undefined && WOKEN_BY[e.mode].includes(t.state);
    if (e.asks) enqueue.emit(outgoing(sender(e), { type: 'task.woken', woken }) as never);
    if (!woken) return;
    if (t.offRq) enqueue.emit(outgoing('sched', { type: 'ttwu.queue' }) as never);
    enqueue.assign(RUNNING as never);
  }),
  setState: assign(({ event: e }: Args) => (e.type === 'task.state' ? { state: e.state } : {})),
  /**
   * A thread that runs, or whose guest runs, is interrupted so that it sees the signal. One that
   * waits in a state of its own is woken: by itself, or by what wakes all threads of a process.
   */
  kill: enqueueActions(({ context, event, enqueue }) => {
    const [t, e] = [context as unknown as HostThread, event as Args['event']];
    if (t.cpu !== null) enqueue.emit(outgoing(t.cpu, { type: 'irq.reschedule' }) as never);
    const wakes = e.type === 'process.kill' && e.wakes === true;
    const ends = FATAL.includes(t.state);
    if (wakes && ends && t.offRq) enqueue.emit(outgoing('sched', { type: 'ttwu.queue' }) as never);
    enqueue.assign({
      signal: t.signal ?? { signal: 'SIGKILL', pfn: null },
      ...(t.state !== undefined && (ends ? RUNNING : !wakes && { offRq: undefined })),
    } as never);
  }),
  /**
   * The same for one that its process waits for; one that is pending already is not sent again. The
   * sender wakes it, but for a thread that waits in a state of its own.
   */
  signal: enqueueActions(({ context, event, enqueue }) => {
    const t = context as unknown as HostThread;
    const { interruptible, sleep } = t.frames.code ?? {};
    const isNew = t.sigpending !== true;
    const wakesItself = t.state === 'interruptible';
    enqueue.assign({ sigpending: true, ...(wakesItself && RUNNING) } as never);
    if (isNew && t.cpu !== null) enqueue.emit(outgoing(t.cpu, { type: 'irq.reschedule' }) as never);
    if (wakesItself && t.offRq) enqueue.emit(outgoing('sched', { type: 'ttwu.queue' }) as never);
    const wakes = isNew && !wakesItself && (interruptible === true || sleep === true);
    enqueue.emit(outgoing(sender(event as Args['event']), { type: 'signal.sent', wakes }) as never);
  }),
};

const listed = (on: object) => on as unknown as NonNullable<Region<HostThread, ThreadEvent>['on']>;

/** What every thread listens to. */
export const WAKES = listed({
  'task.wake': { actions: ACTIONS.wake },
  'task.state': { actions: ACTIONS.setState },
  'process.signal': { actions: ACTIONS.signal },
});
/** What threads of a process listen to besides. */
export const KILLS = listed({ 'process.kill': { actions: ACTIONS.kill } });
