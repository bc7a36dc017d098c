/**
 * Whether, and how soon, an instruction that splits a lock is carried out.
 * @see domain debug-and-split-lock G, I9 and scenario 22
 */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { ClockContext } from '../../../actors/split-lock/clock.ts';
import { alwaysEach, leavesEach, sometimes } from '../../property.ts';
import { inside } from './race-properties.ts';

/**
 * No kernel promises it: the flag of a task goes where the task goes, the work item of a CPU does
 * not.
 */
export const trapsOnce = alwaysEach<HostThread>('sld.traps-once', {
  kind: 'hostThread',
  source: 'domain debug-and-split-lock G, scenario 22: migrated after put_cpu(), a task traps again',
  grade: 'decision',
  each: ({ id, context }) =>
    context.frames.code?.trapsAgain === true ? `${id} traps again on an instruction for which it has been warned` : null,
});

export const trapsAgain = sometimes('sld.traps-again', {
  kinds: ['hostThread'],
  source: 'domain debug-and-split-lock G, scenario 22',
  grade: 'decision',
  check: (world) => {
    const found = world.actors<HostThread>('hostThread').find(({ context }) => context.frames.code?.trapsAgain === true);
    return found ? `${found.id} traps again on an instruction for which it has been warned` : null;
  },
});

/** Between the first trap of an access and its retirement. */
export const splitterGetsThrough = leavesEach<HostThread>('sld.splitter-gets-through', {
  kind: 'hostThread',
  source: 'domain debug-and-split-lock G, I9: a task that splits a lock retires its instruction in the end',
  grade: 'read',
  each: ({ id, context: { frames } }) => (frames.code?.trap === true ? `${id} traps on the same instruction again and again` : null),
});

export const guestGetsThrough = leavesEach<Vcpu>('sld.guest-gets-through', {
  kind: 'vcpu',
  source: 'domain debug-and-split-lock G, I9 and scenario 23; x86.lol, "Split Lock Detection VM Hangs"',
  grade: 'read',
  each: ({ id, context: { frames } }) => (frames.guest?.trap === true ? `${id} traps on the same instruction again and again` : null),
});

export const timerInWarning = sometimes('sld.timer-runs-in-warning', {
  kinds: ['clock', 'hostThread'],
  source: 'domain debug-and-split-lock G, scenario 23: the timer of the VMM runs while its thread is warned',
  grade: 'decision',
  check: (world) => {
    const timed = world.actors<ClockContext>('clock').flatMap(({ context }) => context.armed.filter(({ kind }) => kind === 'signal'));
    const found = inside(world, /"split_lock_warn"/).find(({ id }) => timed.some(({ thread }) => thread === id));
    return found ? `${found.id} is warned while its timer runs` : null;
  },
});
