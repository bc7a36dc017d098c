/**
 * Places for a bounded number of things: numbers from 0 up. The lowest one that is free is taken,
 * as POSIX has it for file descriptors, so that two histories that leave the same things alive are
 * one state.
 *
 * @see kernel fs/file.c, alloc_fd(), find_next_fd(); lib/idr.c, ida_alloc_range()
 */
import { enqueueActions, setup } from 'xstate';
import { type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { PoolEvent } from '../../events/object.ts';
import type { Misuse } from './object-life.ts';

/** A pool. @public */
export interface PoolContext {
  readonly size: number;
  /** Places that are taken, ascending. */
  readonly taken: readonly number[];
  /** A place was given back that was free. */
  readonly misused?: Misuse | undefined;
}

/** The lowest place that is free; null if none is. */
function lowestFree({ size, taken }: PoolContext): number | null {
  const at = taken.findIndex((place, index) => place !== index);
  const free = at < 0 ? taken.length : at;
  return free < size ? free : null;
}

/** Pools, by their size. @public */
export const poolMachine = setup({
  types: {
    context: {} as PoolContext,
    events: {} as Stamped<PoolEvent>,
    emitted: {} as Outgoing,
    input: {} as { readonly size: number },
  },
  actions: {
    take: enqueueActions(({ context: c, event, enqueue }) => {
      const at = lowestFree(c);
      enqueue.emit(outgoing(sender(event), { type: 'pool.taken', at }));
      if (at !== null) enqueue.assign({ taken: [...c.taken, at].sort((a, b) => a - b) });
    }),
    give: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'pool.give') return;
      const rest = c.taken.filter((place) => place !== event.at);
      enqueue.assign(rest.length < c.taken.length ? { taken: rest } : { misused: { by: sender(event), with: event.type } });
    }),
  },
}).createMachine({
  id: 'pool',
  context: ({ input }) => ({ size: input.size, taken: [] }),
  initial: 'pool',
  states: { pool: { tags: 'rest', on: { 'pool.take': { actions: 'take' }, 'pool.give': { actions: 'give' } } } },
});
