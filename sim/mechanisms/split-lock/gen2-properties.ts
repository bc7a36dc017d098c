/**
 * What must hold of generation 2 of the warning: detection comes back, and the semaphore with it.
 * @see domain debug-and-split-lock G, I8
 */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { CoreContext } from '../../../actors/split-lock/core.ts';
import { SEMAPHORE, type SemaphoreContext, type SysctlContext, type WorkqueueContext } from '../../../actors/split-lock/delayed-work.ts';
import { coreOf } from '../../../actors/split-lock/sld-facts.ts';
import type { SplitLineContext } from '../../../actors/split-lock/split-line.ts';
import { UNLOCK_WORK } from '../../../actors/split-lock/warn-by-work.ts';
import { always, alwaysEach } from '../../property.ts';

/** Every item that is armed, queued or running, with the CPU on which it will turn detection on. */
const itemsOf = ({ armed, queued, running }: WorkqueueContext) => [armed, queued, running].flatMap((items) => Object.entries(items));

export const detectionReturns = always('sld.detection-returns', {
  kinds: ['core', 'pcpu', 'workqueue'],
  source: 'domain debug-and-split-lock I8; "x86/split_lock: fix delayed detection enabling"',
  grade: 'read',
  check: (world) => {
    const [queue] = world.actors<WorkqueueContext>('workqueue');
    if (!queue) return null;
    const cores = world.actors<CoreContext>('core');
    const cpus = world.actors<PcpuContext>('pcpu');
    const smt = cores.length < cpus.length;
    const alive = new Set(cpus.filter(({ value }) => value !== 'stopped').map(({ context }) => context.core));
    const covered = new Set(itemsOf(queue.context).map(([, cpu]) => coreOf({ smt }, cpu)));
    const lost = cores.find(({ id, context }) => context.bootSld && !context.sld && alive.has(id) && !covered.has(id));
    return lost ? `${lost.id} has detection off, and no work item will turn it on there` : null;
  },
});

export const semaphoreKept = always('sld.buslock-sem-kept', {
  kinds: ['semaphore', 'workqueue', 'hostThread'],
  source: 'domain debug-and-split-lock I8, scenario 20',
  grade: 'read',
  check: (world) => {
    const [sem] = world.actors<SemaphoreContext>('semaphore');
    const [queue] = world.actors<WorkqueueContext>('workqueue');
    if (!sem || !queue) return null;
    if (sem.context.count > 1) return `${SEMAPHORE} is ${sem.context.count}: two cores may split locks at once`;
    const holder = world.actors<HostThread>('hostThread').some(({ context }) => context.frames.code?.holdsSem === true);
    const released = itemsOf(queue.context).some(([work]) => work === UNLOCK_WORK);
    return sem.context.count === 0 && !holder && !released ? `${SEMAPHORE} is taken, and no thread or work item will release it` : null;
  },
});

/**
 * Warnings alone turn detection off while the sysctl is on: not so where one read it before it was
 * turned on, nor where a guest has the bit and clears it.
 */
export const oneCoreAtATime = always('sld.one-core-at-a-time', {
  kinds: ['core', 'sysctl', 'vcpu'],
  source: 'kernel arch/x86/kernel/cpu/intel.c, split_lock_warn() (6.1): "only allow one buslocked disabled core at a time"',
  grade: 'read',
  check: (world) => {
    const [sysctl] = world.actors<SysctlContext>('sysctl');
    if (sysctl?.context.mitigate !== true || sysctl.context.changed) return null;
    if (world.actors<Vcpu>('vcpu').some(({ context }) => context.splitLock?.given)) return null;
    const off = world.actors<CoreContext>('core').filter(({ context }) => context.bootSld && !context.sld);
    return off.length > 1 ? `${off.map(({ id }) => id).join(' and ')} have detection off at once, and split_lock_mitigate is on` : null;
  },
});

export const noUpdateLost = alwaysEach<SplitLineContext>('sld.no-update-lost', {
  kind: 'splitLine',
  source: 'domain debug-and-split-lock G, scenario 25: the emulator writes where the guest wrote lock cmpxchg',
  grade: 'read',
  each: ({ id, context: { value, increments } }) =>
    value === increments ? null : `${id} holds ${value} after ${increments} locked increments of two vCPUs`,
});
