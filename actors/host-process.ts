/**
 * A host process: how many of its threads live, and what killed it.
 *
 * @see kernel kernel/exit.c, do_exit(), do_group_exit()
 */
import { assign, emit, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../events/event.ts';
import type { ProcessEvent, Signal } from '../events/process.ts';

export interface HostProcessInput {
  readonly threads: number;
  /** VMs whose vCPUs its threads run: what a guest does to its own VMM is its own affair. */
  readonly vms: readonly string[];
}

export interface HostProcessContext extends HostProcessInput {
  readonly signal: Signal | null;
  /** The frame behind the signal. */
  readonly pfn: number | null;
}

export const hostProcessMachine = setup({
  types: { context: {} as HostProcessContext, events: {} as Stamped<ProcessEvent>, emitted: {} as Outgoing, input: {} as HostProcessInput },
  guards: { isLast: ({ context: c }) => c.threads === 1 },
  actions: {
    threadExit: assign(({ context: c, event }) => {
      if (event.type !== 'process.threadExit') return {};
      const first = c.signal === null;
      return { threads: c.threads - 1, signal: first ? event.signal : c.signal, pfn: first ? event.pfn : c.pfn };
    }),
    /** Told to every other thread of a process that is being killed. */
    answerSignal: emit(({ context: c, event }) =>
      outgoing(sender(event), { type: 'process.signal', signal: c.signal === null ? null : 'SIGKILL' }),
    ),
  },
}).createMachine({
  id: 'hostProcess',
  context: ({ input }) => ({ ...input, signal: null, pfn: null }),
  initial: 'running',
  states: {
    running: {
      tags: 'rest',
      on: {
        'process.threadExit': [{ guard: 'isLast', target: 'exited', actions: 'threadExit' }, { actions: 'threadExit' }],
        'process.signal?': { actions: 'answerSignal' },
      },
    },
    exited: { tags: 'rest' },
  },
});
