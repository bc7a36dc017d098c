/**
 * The MMU notifier of a VM in the list of its process. An invalidation calls it if it is on the
 * list; who takes it off waits until those that were called have returned (SRCU).
 *
 * @see kernel mm/mmu_notifier.c, mn_hlist_invalidate_range_start(), mmu_notifier_unregister()
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { NotifierEvent } from '../../events/lifecycle/lifecycle.ts';

/** The actor of a VM's notifier. */
export const notifierOf = (vm: string): ActorId => `mn:${vm}`;

export interface NotifierContext {
  readonly registered: boolean;
  /** Calls of it that have not returned. */
  readonly running: number;
}

export const notifierMachine = setup({
  types: {
    context: {} as NotifierContext,
    events: {} as Stamped<NotifierEvent>,
    emitted: {} as Outgoing,
    input: {} as { readonly registered: boolean },
  },
  actions: {
    register: assign({ registered: true }),
    enter: enqueueActions(({ context: { registered, running }, event, enqueue }) => {
      enqueue.emit(outgoing(sender(event), { type: 'mn.entered', registered }));
      if (registered) enqueue.assign({ running: running + 1 });
    }),
    leave: assign({ running: ({ context }) => context.running - 1 }),
    unregister: enqueueActions(({ context: { running }, event, enqueue }) => {
      enqueue.emit(outgoing(sender(event), { type: 'mn.unregistered', done: running === 0 }));
      enqueue.assign({ registered: false });
    }),
  },
}).createMachine({
  id: 'mmuNotifier',
  context: ({ input }) => ({ registered: input.registered, running: 0 }),
  initial: 'listed',
  states: {
    listed: {
      tags: 'rest',
      on: {
        'mn.register': { actions: 'register' },
        'mn.enter': { actions: 'enter' },
        'mn.leave': { actions: 'leave' },
        'mn.unregister': { actions: 'unregister' },
      },
    },
  },
});
