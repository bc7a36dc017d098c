/**
 * The freezer: whether tasks are frozen for a suspend, and who waits in the refrigerator. A run
 * with one begins at the resume.
 * @see kernel kernel/freezer.c
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { FreezerEvent } from '../../events/split-lock/split-lock.ts';

export const FREEZER: ActorId = 'freezer';
const SCHEDULER: ActorId = 'sched';

interface FreezerContext {
  readonly frozen: boolean;
  /** Sorted. */
  readonly waiters: readonly ActorId[];
}

export const freezerMachine = setup({
  types: { context: {} as FreezerContext, events: {} as Stamped<FreezerEvent>, emitted: {} as Outgoing },
  actions: {
    answer: enqueueActions(({ context: c, event, enqueue }) => {
      enqueue.emit(outgoing(sender(event), { type: 'freezer.state', frozen: c.frozen }));
      if (c.frozen) enqueue.assign({ waiters: [...new Set([...c.waiters, sender(event)])].sort() });
    }),
    wakeAll: enqueueActions(({ context: c, enqueue }) => {
      for (const thread of c.waiters) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
    }),
    thaw: assign({ frozen: false, waiters: [] }),
  },
}).createMachine({
  id: 'freezer',
  context: { frozen: true, waiters: [] },
  initial: 'up',
  states: { up: { tags: 'rest', on: { 'freezer.frozen?': { actions: 'answer' }, 'freezer.thaw': { actions: ['wakeAll', 'thaw'] } } } },
});
