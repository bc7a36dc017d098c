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
const pages = (world: WorldView) => world.actors<VmPagesContext>('vmPages');

export const snpOutcomes: readonly Outcome[] = [
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
    name: 'silentCorruptions',
    title: 'silent corruption',
    count: (world) => count(pages(world), ({ context }) => (context.replaced?.length ?? 0) > 0),
  },
  {
    name: 'pagesLeaked',
    title: 'page leaked',
    count: (world) =>
      [...pages(world), ...world.actors<SevDeviceContext>('sevDevice')].reduce(
        (sum, { context }) => sum + (context.leaked?.length ?? 0),
        0,
      ),
  },
];
