/**
 * A counter in guest memory that crosses a cache line, and how many increments of it have been
 * carried out.
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { SplitLineEvent } from '../../events/split-lock/split-lock.ts';

export interface SplitLineContext {
  readonly value: number;
  readonly increments: number;
}

export const splitLineMachine = setup({
  types: { context: {} as SplitLineContext, events: {} as Stamped<SplitLineEvent>, emitted: {} as Outgoing },
  actions: {
    answer: emit(({ context: c, event }) => outgoing(sender(event), { type: 'line.value', value: c.value })),
    exchange: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'line.cmpxchg') return;
      const ok = c.value === event.expected;
      enqueue.emit(outgoing(sender(event), { type: 'line.exchanged', ok }));
      if (ok) enqueue.assign({ value: c.value + 1, increments: c.increments + 1 });
    }),
    write: assign(({ context: c, event }) => (event.type === 'line.write' ? { value: event.value, increments: c.increments + 1 } : c)),
  },
}).createMachine({
  id: 'splitLine',
  context: { value: 0, increments: 0 },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: { 'line.read?': { actions: 'answer' }, 'line.cmpxchg': { actions: 'exchange' }, 'line.write': { actions: 'write' } },
    },
  },
});
