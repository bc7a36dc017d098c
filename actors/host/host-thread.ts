/**
 * A thread of a host process: its program, the kernel functions its system calls walk, and what the
 * context switch does to it.
 *
 * Two regions that share no event: `code` is the thread's own program counter, `notify` the preempt
 * notifiers. A preempted function keeps its place in `code` while `notify` runs.
 */
import { assign, setup } from 'xstate';
import type { ActorId, Outgoing, Stamped } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import { expand } from '../path/expand.ts';
import { USER_MODE } from '../path/path.ts';
import { expandedWith, type HostEnv, type HostLocals, type HostThread, toCpu } from './host-env.ts';
import { EVERY } from './program-counter.ts';
import { notifyRegion, SWITCHED } from './switchable.ts';
import { threadPath } from './thread-program.ts';
import { KILLS, WAKES } from './thread-signals.ts';

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
  const code = expand<HostThread, HostLocals, ThreadEvent>(
    threadPath(env),
    {
      root: 'hostThread.code',
      frame: 'code',
      stepEvent: 'step',
      from: USER_MODE,
      announce: (t, letter) => toCpu(t, { type: 'cpu.context', letter }),
      ...expandedWith(env),
      ...(env.rseq && { toUser: () => ({ notifyResume: undefined }) }),
    },
    () => threadPath(env, EVERY),
  );
  return setup({
    types: { context: {} as HostThread, events: {} as Stamped<ThreadEvent>, emitted: {} as Outgoing, input: {} as HostThreadInput },
    actions: { start: assign({ unborn: undefined }) },
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
    on: { ...WAKES, ...KILLS, 'task.wakeUpNew': { actions: 'start' } },
    states: { code: { initial: code.initial, states: code.states }, notify: notifyRegion('hostThread', env.notifiers(env), env) },
  });
}
