/**
 * A thread of a host process: its program, the kernel functions its system calls walk, and what the
 * context switch does to it.
 *
 * Two regions that share no event: `code` is the thread's own program counter, `notify` the preempt
 * notifiers. A preempted function keeps its place in `code` while `notify` runs.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import { expand } from '../path/expand.ts';
import { USER_MODE } from '../path/path.ts';
import { type HostEnv, type HostLocals, type HostThread, toCpu } from './host-env.ts';
import { notifyRegion, SWITCHED } from './switchable.ts';
import { threadPath } from './thread-program.ts';

export interface HostThreadInput {
  readonly process: ActorId;
  readonly program: number;
  readonly loops: ActorId | null;
  /** Flags of thread_info from the start; absent if none. */
  readonly tif?: readonly string[];
  /** It is not there: another thread starts it. Absent if it is. */
  readonly unborn?: true;
}

/** The machine of all host threads of one scenario: its options choose among the paths. */
export function hostThreadMachine(env: HostEnv) {
  const code = expand<HostThread, HostLocals, ThreadEvent>(threadPath(env), {
    root: 'hostThread.code',
    frame: 'code',
    stepEvent: 'step',
    from: USER_MODE,
    announce: (t, letter) => toCpu(t, { type: 'cpu.context', letter }),
    patches: env.patches,
    ...(env.rseq && { toUser: () => ({ notifyResume: undefined }) }),
  });
  return setup({
    types: { context: {} as HostThread, events: {} as Stamped<ThreadEvent>, emitted: {} as Outgoing, input: {} as HostThreadInput },
    actions: {
      start: assign({ unborn: undefined }),
      /**
       * signal_wake_up(): a thread that runs, or whose guest runs, is interrupted so that it sees
       * the signal.
       * @see kernel kick_process()
       */
      kill: enqueueActions(({ context: t, enqueue }) => {
        if (t.cpu !== null) enqueue.emit(outgoing(t.cpu, { type: 'irq.reschedule' }));
        enqueue.assign({ signal: t.signal ?? { signal: 'SIGKILL', pfn: null } });
      }),
      /**
       * The same for one that its process waits for; one that is pending already is not sent again.
       * The sender wakes it.
       * @see kernel legacy_queue()
       */
      signal: enqueueActions(({ context: t, event, enqueue }) => {
        const { interruptible, sleep } = t.frames.code ?? {};
        const isNew = t.sigpending !== true;
        enqueue.assign({ sigpending: true });
        if (isNew && t.cpu !== null) enqueue.emit(outgoing(t.cpu, { type: 'irq.reschedule' }));
        enqueue.emit(outgoing(sender(event), { type: 'signal.sent', wakes: isNew && (interruptible === true || sleep === true) }));
      }),
    },
  }).createMachine({
    id: 'hostThread',
    type: 'parallel',
    meta: { switched: SWITCHED, absent: ({ unborn }: HostThread) => unborn === true },
    context: ({ input }) => ({
      process: input.process,
      program: input.program,
      loops: input.loops,
      ...(input.tif && { tif: input.tif }),
      ...(input.unborn && { unborn: true }),
      pc: 0,
      cpu: null,
      letter: 'U',
      notifier: null,
      signal: null,
      asking: null,
      frames: { code: {}, notify: {} },
    }),
    on: { 'process.kill': { actions: 'kill' }, 'process.signal': { actions: 'signal' }, 'task.wakeUpNew': { actions: 'start' } },
    states: { code: { initial: code.initial, states: code.states }, notify: notifyRegion('hostThread', env.notifiers(env), env) },
  });
}
