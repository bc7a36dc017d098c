/**
 * A host process: which of its threads live, and what killed it. A thread may start another one.
 * The first that dies of a signal takes the others with it.
 *
 * @see kernel kernel/exit.c, do_exit(), do_group_exit(); kernel/signal.c, zap_other_threads()
 */
import { enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { ProcessEvent, Signal } from '../../events/process.ts';

export interface HostProcessInput {
  /** Those that live, sorted. */
  readonly threads: readonly ActorId[];
  /** Those that its threads may start yet, sorted; absent if there are none. */
  readonly unborn?: readonly ActorId[] | undefined;
  /** VMs whose vCPUs its threads run: what a guest does to its own VMM is its own affair. */
  readonly vms: readonly string[];
}

export interface HostProcessContext extends HostProcessInput {
  readonly signal: Signal | null;
  /** The frame behind the signal. */
  readonly pfn: number | null;
}

const SCHEDULER: ActorId = 'sched';

export const hostProcessMachine = setup({
  types: { context: {} as HostProcessContext, events: {} as Stamped<ProcessEvent>, emitted: {} as Outgoing, input: {} as HostProcessInput },
  guards: { isLast: ({ context: c }) => c.threads.length === 1 },
  actions: {
    threadNew: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'process.threadNew') return;
      const { unborn = [], threads } = c;
      const done = c.signal === null && !event.killed && unborn.includes(event.thread);
      enqueue.emit(outgoing(sender(event), { type: 'process.threadMade', done }));
      if (!done) return;
      const left = unborn.filter((thread) => thread !== event.thread);
      enqueue.assign({ threads: [...threads, event.thread].sort(), unborn: left.length > 0 ? left : undefined });
    }),
    threadExit: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'process.threadExit') return;
      const threads = c.threads.filter((thread) => thread !== sender(event));
      if (c.signal !== null || event.signal === null) {
        enqueue.assign({ threads });
        return;
      }
      enqueue.assign({ threads, signal: event.signal, pfn: event.pfn });
      for (const thread of threads) {
        enqueue.emit(outgoing(thread, { type: 'process.kill' }));
        enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      }
    }),
  },
}).createMachine({
  id: 'hostProcess',
  context: ({ input }) => ({ ...input, signal: null, pfn: null }),
  initial: 'running',
  states: {
    running: {
      tags: 'rest',
      on: {
        'process.threadNew': { actions: 'threadNew' },
        'process.threadExit': [{ guard: 'isLast', target: 'exited', actions: 'threadExit' }, { actions: 'threadExit' }],
      },
    },
    exited: { tags: 'rest' },
  },
});
