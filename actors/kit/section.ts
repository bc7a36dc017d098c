/** Sections: items between what is taken and what is given back. */
import { type HostItem, host } from '../host/host-env.ts';
import type { LockWhere } from './mutex.ts';

/** A lock that is simply taken: a mutex, a spinlock, a side of one. @public */
export interface Lockable<W = LockWhere> {
  lock(where: W): HostItem;
  unlock(where: W): HostItem;
}

/** The items with the lock held. @public */
export const under = <W>(lock: Lockable<W>, where: W, items: readonly HostItem[]): readonly HostItem[] => [
  lock.lock(where),
  ...items,
  lock.unlock(where),
];

/** The items with preemption off. @public */
export const preemptOff = (...items: readonly HostItem[]): readonly HostItem[] => [host.preemptDisable, ...items, host.preemptEnable];
