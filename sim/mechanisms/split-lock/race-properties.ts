/** Guards of the scenarios: a race that never happens proves nothing. */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import type { WorkqueueContext } from '../../../actors/split-lock/delayed-work.ts';
import { sometimes } from '../../property.ts';
import type { WorldView } from '../../view.ts';

const SOURCE = { source: 'domain debug-and-split-lock G, scenarios 15 to 25', grade: 'decision' } as const;

/** Threads that stand inside one of these functions. */
export const inside = (world: WorldView, functions: RegExp) =>
  world.actors<HostThread>('hostThread').filter(({ value }) => functions.test(JSON.stringify((value as { readonly code?: unknown }).code)));

export const scheduledOut = sometimes('sld.scheduled-out-in-handler', {
  kinds: ['hostThread'],
  ...SOURCE,
  check: (world) => {
    const found = inside(world, /"(?:kvm_emulate_wrmsr|kvm_emulate_rdmsr|exc_alignment_check)"/).find(
      ({ context }) => context.cpu === null,
    );
    return found ? `${found.id} is scheduled out while it handles an exit or #AC` : null;
  },
});

export const twoAtOnce = sometimes('sld.two-at-once', {
  kinds: ['hostThread'],
  ...SOURCE,
  check: (world) => {
    const pairs = [/"split_lock_warn"/, /"x86_emulate_instruction"/].map((name) => inside(world, name)).find(({ length }) => length > 1);
    return pairs ? `${pairs.map(({ id }) => id).join(' and ')} are in the same function` : null;
  },
});

export const offlineWithWork = sometimes('sld.offline-with-work', {
  kinds: ['pcpu', 'workqueue'],
  ...SOURCE,
  check: (world) => {
    const stopped = world.actors<PcpuContext>('pcpu').find(({ value }) => value === 'stopped');
    const [queue] = world.actors<WorkqueueContext>('workqueue');
    const waits = queue !== undefined && Object.values({ ...queue.context.armed, ...queue.context.queued }).length > 0;
    return stopped && waits ? `${stopped.id} is offline, and a work item is pending` : null;
  },
});
