/**
 * What the RMP and the policies around it do to host and guests, counted where a run ends: the
 * columns of `compare`.
 */
import type { HostProcessContext } from '../../../actors/host/host-process.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { VmContext } from '../../../actors/kvm/vm.ts';
import type { SevDeviceContext } from '../../../actors/sev-snp/sev-device.ts';
import type { VmPagesContext } from '../../../actors/sev-snp/vm-pages.ts';
import type { Outcome } from '../../host/mechanism.ts';
import type { WorldView } from '../../view.ts';

const count = <T>(items: readonly T[], holds: (item: T) => boolean) => items.filter(holds).length;
const vms = (world: WorldView) => world.actors<VmContext>('vm');
/** Without an actor of one of these kinds nothing of SEV brings it about. */
const among =
  (...kinds: readonly string[]): NonNullable<Outcome['concerns']> =>
  (_scenario, present) =>
    kinds.some((kind) => present.has(kind));
const pages = (world: WorldView) => world.actors<VmPagesContext>('vmPages');

export const snpOutcomes: readonly Outcome[] = [
  {
    name: 'innocentProcessesKilled',
    title: 'innocent killed',
    count: (world) =>
      count(world.actors<HostProcessContext>('hostProcess'), ({ context }) => context.signal === 'SIGBUS' && context.vms.length === 0),
    concerns: among('rmpRegion'),
  },
  {
    name: 'guestsKilled',
    title: 'guest killed',
    count: (world) => count(vms(world), ({ context }) => context.dead === 'dead'),
    concerns: among('vmPages', 'sevDevice'),
  },
  {
    name: 'guestsBugged',
    title: 'guest bugged',
    count: (world) => count(vms(world), ({ context }) => context.dead === 'bugged'),
    concerns: among('vmPages', 'sevDevice'),
  },
  {
    name: 'pagesLost',
    title: 'page lost',
    count: (world) => count(world.actors<Vcpu>('vcpu'), ({ context }) => context.lost != null),
    concerns: among('vmPages'),
  },
  {
    name: 'silentCorruptions',
    title: 'silent corruption',
    count: (world) => count(pages(world), ({ context }) => (context.replaced?.length ?? 0) > 0),
    concerns: among('vmPages'),
  },
  {
    name: 'pagesLeaked',
    title: 'page leaked',
    count: (world) =>
      [...pages(world), ...world.actors<SevDeviceContext>('sevDevice')].reduce(
        (sum, { context }) => sum + (context.leaked?.length ?? 0),
        0,
      ),
    concerns: among('vmPages', 'sevDevice'),
  },
];
