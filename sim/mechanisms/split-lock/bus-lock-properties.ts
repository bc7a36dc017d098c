/**
 * What must hold of bus locks, where the processor tells of them after the fact.
 * @see domain debug-and-split-lock C.1, C.2
 */
import type { MemoryBusContext } from '../../../actors/split-lock/bus-lock-limit.ts';
import { alwaysEach, sometimes } from '../../property.ts';

export const busLocksPaid = alwaysEach<MemoryBusContext>('sld.bus-locks-paid', {
  kind: 'memoryBus',
  source:
    'kernel Documentation/arch/x86/buslock.rst, ratelimit: no more than so many bus locks a second; api.rst, KVM_CAP_X86_BUS_LOCK_EXIT',
  grade: 'decision',
  each: ({ context: { again } }) =>
    again === null ? null : `${again} locks the bus once more, and nothing has held it up since the last time`,
});

export const busLockTaken = sometimes('sld.bus-lock-taken', {
  kinds: ['memoryBus'],
  source: 'domain debug-and-split-lock C.1: a trap after the instruction',
  grade: 'decision',
  check: (world) => {
    const [bus] = world.actors<MemoryBusContext>('memoryBus');
    return bus && bus.context.unpaid.length > 0 ? `${bus.context.unpaid.join(' and ')} has locked the bus` : null;
  },
});
