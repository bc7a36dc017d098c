/**
 * Two small objects that threads share: a mutex that sleeps, and the counters of a program's loops.
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { LoopEvent, MutexEvent } from '../../events/sched.ts';
import { refuseUnlock } from './bad-unlock.ts';

export interface MutexContext {
  readonly owner: ActorId | null;
  /** Sorted; all are woken at unlock and try again. */
  readonly waiters: readonly ActorId[];
}

const SCHEDULER: ActorId = 'sched';

/** A sleeping lock. @see kernel kernel/locking/mutex.c */
export const mutexMachine = setup({
  types: { context: {} as MutexContext, events: {} as Stamped<MutexEvent>, emitted: {} as Outgoing },
  guards: { isFree: ({ context: c }) => c.owner === null },
  actions: {
    take: assign({ owner: ({ event }) => sender(event) }),
    queue: assign({ waiters: ({ context: c, event }) => [...new Set([...c.waiters, sender(event)])].sort() }),
    leaveQueue: assign({ waiters: ({ context: c, event }) => c.waiters.filter((waiter) => waiter !== sender(event)) }),
    answerTaken: emit(({ event }) => outgoing(sender(event), { type: 'mutex.locked', acquired: true })),
    answerBusy: emit(({ event }) => outgoing(sender(event), { type: 'mutex.locked', acquired: false })),
    answerOwned: emit(({ context: c, event }) => outgoing(sender(event), { type: 'mutex.owned', owned: c.owner !== null })),
    release: enqueueActions(({ context: c, event, enqueue }) => {
      if (c.owner !== sender(event)) refuseUnlock(sender(event), c.owner === null ? [] : [c.owner]);
      for (const thread of c.waiters) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread }));
      enqueue.assign({ owner: null, waiters: [] });
    }),
  },
}).createMachine({
  id: 'mutex',
  context: { owner: null, waiters: [] },
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'mutex.lock': [{ guard: 'isFree', actions: ['take', 'answerTaken'] }, { actions: ['queue', 'answerBusy'] }],
        'mutex.trylock': [{ guard: 'isFree', actions: ['take', 'answerTaken'] }, { actions: ['leaveQueue', 'answerBusy'] }],
        'mutex.unlock': { actions: 'release' },
        'mutex.owned?': { actions: 'answerOwned' },
      },
    },
  },
});

export interface LoopInput {
  /** How often each loop's body runs, by number. */
  readonly times: readonly number[];
}
export interface LoopContext extends LoopInput {
  /** Turns left of each loop; a loop that ended starts again. */
  readonly left: readonly number[];
}

/**
 * Counts the turns of `repeat`, apart from the thread, so that a long loop does not multiply the
 * thread's states.
 */
export const loopMachine = setup({
  types: { context: {} as LoopContext, events: {} as Stamped<LoopEvent>, emitted: {} as Outgoing, input: {} as LoopInput },
  actions: {
    turn: enqueueActions(({ context: c, event, enqueue }) => {
      const left = c.left[event.loop]! - 1;
      enqueue.emit(outgoing(sender(event), { type: 'loop.turn', again: left > 0 }));
      enqueue.assign({ left: c.left.map((value, loop) => (loop !== event.loop ? value : left > 0 ? left : c.times[loop]!)) });
    }),
  },
}).createMachine({
  id: 'loop',
  context: ({ input }) => ({ times: input.times, left: input.times }),
  initial: 'counting',
  states: { counting: { tags: 'rest', on: { 'loop.next': { actions: 'turn' } } } },
});
