/** What a run did to the host and its guests, whatever was checked: the columns by which designs are compared. */
import type { HostProcessContext } from '../actors/host-process.ts';
import type { Vcpu } from '../actors/paths/guest.ts';
import type { PcpuContext } from '../actors/pcpu.ts';
import type { VmContext } from '../actors/vm.ts';
import { mechanismsOf } from './registry.ts';
import type { Arch } from './scenario/types.ts';
import type { WorldView } from './view.ts';

/** Something that may befall a host, counted in one state. Machines of another model may lack the field: they count for nothing. */
export interface Outcome {
  /** As documents have it: camelCase. */
  readonly name: string;
  /** The heading of its column. */
  readonly title: string;
  readonly count: (world: WorldView) => number;
}

const count = <T>(items: readonly T[], holds: (item: T) => boolean) => items.filter(holds).length;
const vms = (world: WorldView) => world.actors<VmContext>('vm');

const HOST: readonly Outcome[] = [
  {
    name: 'hostPanics',
    title: 'host panics',
    count: (world) => count(world.actors<PcpuContext>('pcpu'), ({ context }) => context.panicReason != null),
  },
];

/** Of AMD hosts: what the RMP and the policies around it do. */
const AMD: readonly Outcome[] = [
  {
    name: 'innocentProcessesKilled',
    title: 'innocent killed',
    count: (world) =>
      count(world.actors<HostProcessContext>('hostProcess'), ({ context }) => context.signal === 'SIGBUS' && context.vms.length === 0),
  },
  { name: 'guestsKilled', title: 'guest killed', count: (world) => count(vms(world), ({ context }) => context.dead === 'dead') },
  { name: 'guestsBugged', title: 'guest bugged', count: (world) => count(vms(world), ({ context }) => context.dead === 'bugged') },
  { name: 'pagesLost', title: 'page lost', count: (world) => count(world.actors<Vcpu>('vcpu'), ({ context }) => context.lost != null) },
  {
    name: 'pagesLeaked',
    title: 'page leaked',
    count: (world) => vms(world).reduce((sum, { context }) => sum + (context.leaked?.length ?? 0), 0),
  },
];

/** The outcomes of a host, in the order of their columns. */
export const outcomesFor = (arch: Arch): readonly Outcome[] => [
  ...HOST,
  ...(arch === 'amd' ? AMD : []),
  ...mechanismsOf(arch).flatMap(({ outcomes }) => outcomes ?? []),
];

/** Counts in the present state, by name. */
export const outcomesOf = (world: WorldView, arch: Arch): Readonly<Record<string, number>> =>
  Object.fromEntries(outcomesFor(arch).map((outcome) => [outcome.name, outcome.count(world)]));
