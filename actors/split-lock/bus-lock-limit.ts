/**
 * Bus locks where the processor traps after them: who has locked the bus and not been held up for
 * it, and the limit of the host, so many in a second for all tasks together.
 *
 * Left out: the second itself. Its end is a message in flight.
 *
 * @see kernel arch/x86/kernel/cpu/bus_lock.c, bld_ratelimit; lib/ratelimit.c, ___ratelimit()
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { BusEvent, RatelimitEvent } from '../../events/split-lock/split-lock.ts';

export const MEMORY_BUS: ActorId = 'memory_bus';
export const RATELIMIT: ActorId = 'bld_ratelimit';

export interface MemoryBusContext {
  /**
   * Threads and vCPUs that have locked the bus since they were last held up for it, or let on;
   * sorted.
   */
  readonly unpaid: readonly ActorId[];
  /** The first who has locked it once more. */
  readonly again: ActorId | null;
}

export const memoryBusMachine = setup({
  types: { context: {} as MemoryBusContext, events: {} as Stamped<BusEvent>, emitted: {} as Outgoing },
  actions: {
    lock: assign(({ context: c, event }) => {
      if (event.type !== 'bus.lock') return c;
      return c.unpaid.includes(event.by) ? { again: c.again ?? event.by } : { unpaid: [...c.unpaid, event.by].sort() };
    }),
    pay: assign({
      unpaid: ({ context: c, event }) =>
        c.unpaid.filter((by) => by !== (event.type === 'bus.paid' && event.by !== null ? event.by : sender(event))),
    }),
  },
}).createMachine({
  id: 'memoryBus',
  context: { unpaid: [], again: null },
  initial: 'up',
  states: { up: { tags: 'rest', on: { 'bus.lock': { actions: 'lock' }, 'bus.paid': { actions: 'pay' } } } },
});

interface RatelimitInput {
  readonly burst: number;
}
interface RatelimitContext extends RatelimitInput {
  readonly passed: number;
  /** Whether the second runs. */
  readonly begun: boolean;
}

export const ratelimitMachine = setup({
  types: { context: {} as RatelimitContext, events: {} as Stamped<RatelimitEvent>, emitted: {} as Outgoing, input: {} as RatelimitInput },
  actions: {
    ask: enqueueActions(({ context: c, event, enqueue }) => {
      const passes = c.passed < c.burst;
      enqueue.emit(outgoing(sender(event), { type: 'ratelimit.answer', passes }));
      if (!c.begun) enqueue.emit(outgoing(RATELIMIT, { type: 'ratelimit.over' }));
      enqueue.assign({ begun: true, passed: passes ? c.passed + 1 : c.passed });
    }),
    begin: assign({ begun: false, passed: 0 }),
  },
}).createMachine({
  id: 'ratelimit',
  context: ({ input }) => ({ ...input, passed: 0, begun: false }),
  initial: 'up',
  states: { up: { tags: 'rest', on: { 'ratelimit?': { actions: 'ask' }, 'ratelimit.over': { actions: 'begin' } } } },
});
