/**
 * A thread starts another one of its process. The new task is TASK_NEW until wake_up_new_task():
 * nothing runs it, and no signal wakes it. It is queued where its parent runs, or where it is
 * bound; select_task_rq() may choose any other CPU at once, which is what a migration is.
 *
 * A thread is started once: to start it again fails, as for want of resources.
 *
 * Left out: what else fails for want of memory or of a PID; what the child inherits of thread_info.
 *
 * @see kernel kernel/fork.c, kernel_clone(), copy_process(); kernel/sched/core.c, sched_fork(),
 * wake_up_new_task()
 */
import { type ActorId, outgoing } from '../../events/event.ts';
import { fatalSignalPending, type HostEnv, type HostItem, type HostThread, host, kernelSource, opOf } from './host-env.ts';

const { path, step, call, when } = host;

declare module './host-env.ts' {
  interface HostEnv {
    /** The threads of each process, as programs number them. */
    readonly threads: Readonly<Record<ActorId, readonly ActorId[]>>;
  }
  interface HostThread {
    /** Not made yet, or TASK_NEW. */
    readonly unborn?: true | undefined;
  }
  interface HostLocals {
    /** copy_process() has made the task. It fails where a signal ends the process. */
    readonly copied?: boolean | undefined;
  }
}

function childOf(env: HostEnv, t: HostThread): ActorId {
  const op = opOf(env, t);
  if (op.op !== 'pthread_create') throw new Error(`${op.op} starts no thread`);
  return env.threads[t.process]![op.thread]!;
}

/** The operation `pthread_create`. */
export const cloneOperations = (env: HostEnv): readonly (readonly [string, HostItem])[] => [
  [
    'pthread_create',
    call(
      path(
        'kernel_clone',
        kernelSource('kernel/fork.c, kernel_clone(), copy_process(); kernel/sched/core.c, wake_up_new_task()'),
        [
          step('clone', { mode: 'kernel' }),
          step('copy_process', {
            send: (t) =>
              outgoing(t.process, {
                type: 'process.threadNew',
                thread: childOf(env, t),
                ...(fatalSignalPending(t) && { killed: true as const }),
              }),
            answers: { 'process.threadMade': (e) => ({ copied: e.done }) },
          }),
          when([
            (_t, l) => l.copied === true,
            [
              step('wake_up_new_task', {
                send: (t) => [
                  outgoing(childOf(env, t), { type: 'task.wakeUpNew' }),
                  outgoing('sched', { type: 'sched.wakeUpNew', thread: childOf(env, t), cpu: t.cpu! }),
                ],
              }),
            ],
          ]),
          step('sysret', { mode: 'user' }),
        ],
        { locals: ['copied'] },
      ),
    ),
  ],
];
