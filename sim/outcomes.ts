/** What a run did to the host and its guests, whatever was checked: the columns by which designs are compared. */
import type { HostProcessContext } from '../actors/host-process.ts';
import type { Vcpu } from '../actors/paths/guest.ts';
import type { PcpuContext } from '../actors/pcpu.ts';
import type { VmContext } from '../actors/vm.ts';
import type { WorldView } from './view.ts';

/** Counts in the present state. */
export interface Outcomes {
  readonly hostPanics: number;
  readonly innocentProcessesKilled: number;
  readonly guestsKilled: number;
  readonly guestsBugged: number;
  readonly pagesLost: number;
  readonly pagesLeaked: number;
}

const count = <T>(items: readonly T[], holds: (item: T) => boolean) => items.filter(holds).length;

export function outcomesOf(world: WorldView): Outcomes {
  const vms = world.actors<VmContext>('vm');
  return {
    hostPanics: count(world.actors<PcpuContext>('pcpu'), ({ context }) => context.panicReason !== null),
    innocentProcessesKilled: count(
      world.actors<HostProcessContext>('hostProcess'),
      ({ context }) => context.signal === 'SIGBUS' && context.vms.length === 0,
    ),
    guestsKilled: count(vms, ({ context }) => context.dead === 'dead'),
    guestsBugged: count(vms, ({ context }) => context.dead === 'bugged'),
    pagesLost: count(world.actors<Vcpu>('vcpu'), ({ context }) => context.lost !== null),
    pagesLeaked: vms.reduce((sum, { context }) => sum + context.leaked.length, 0),
  };
}
