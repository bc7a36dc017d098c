/** Whether, and how soon, an instruction that splits a lock is carried out. @see domain debug-and-split-lock G, I9 and scenario 22 */
import type { HostThread } from '../../../actors/paths/env.ts';
import { alwaysEach, leavesEach, sometimes } from '../../property.ts';

/** No kernel promises it: the flag of a task goes where the task goes, the work item of a CPU does not. */
export const trapsOnce = alwaysEach<HostThread>('sld.traps-once', {
  kind: 'hostThread',
  source: 'domain debug-and-split-lock G, scenario 22: migrated after put_cpu(), a task traps again',
  grade: 'decision',
  each: ({ id, context }) => (context.trappedAgain === true ? `${id} traps again on an instruction for which it has been warned` : null),
});

export const trapsAgain = sometimes('sld.traps-again', {
  kinds: ['hostThread'],
  source: 'domain debug-and-split-lock G, scenario 22',
  grade: 'decision',
  check: (world) => {
    const found = world.actors<HostThread>('hostThread').find(({ context }) => context.trappedAgain === true);
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
