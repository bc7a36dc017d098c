/** The machine of a monitor: it keeps what it is told to. */
import { assign, setup } from 'xstate';
import type { MonitorContext } from './monitor.ts';

/** The message that gives a monitor its next state; it has no sender. */
export const MONITOR_NEXT = 'monitor.next';

export interface MonitorEvent {
  readonly type: typeof MONITOR_NEXT;
  readonly state: unknown;
}

export const monitorMachine = setup({
  types: { context: {} as MonitorContext, events: {} as MonitorEvent, input: {} as MonitorContext },
  actions: { keep: assign({ state: ({ event }) => event.state }) },
}).createMachine({
  id: 'monitor',
  context: ({ input }) => ({ who: input.who, state: input.state }),
  initial: 'watching',
  states: { watching: { tags: 'rest', on: { [MONITOR_NEXT]: { actions: 'keep' } } } },
});
