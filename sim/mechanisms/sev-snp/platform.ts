/** Which scenarios have the host's SNP as a whole among their actors, and how it starts. */
import { platformOf } from '../../../actors/sev-snp/platform-rules.ts';
import { headOf } from '../../../actors/sev-snp/rmp-table.ts';
import { MINOR_MIN } from '../../../actors/sev-snp/snp-boot.ts';
import { type PlatformInput, SNP_PLATFORM } from '../../../actors/sev-snp/snp-platform.ts';
import type { ActorId } from '../../../events/event.ts';
import type { HostOp } from '../../../events/program.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { type FirmwarePageSetup, framesOf, snpSettingsOf } from './sections.ts';

export const PLATFORM_OPS: readonly HostOp['op'][] = ['enable-snp', 'init-firmware', 'create-snp-vm', 'store-frame', 'kexec', 'crash'];

const uses = (scenario: ResolvedScenario, ...names: readonly string[]): boolean =>
  scenario.processes.some(({ threads }) => threads.some(({ program }) => program.ops.some(({ op }) => names.includes(op))));

export const usesPlatform = (scenario: ResolvedScenario): boolean => uses(scenario, ...PLATFORM_OPS);

export const onlineCpus = ({ host }: ResolvedScenario): readonly ActorId[] =>
  Array.from({ length: host.cpus }, (_, cpu) => `pcpu:${cpu}` as const);

const pagesIn = ({ sections }: Pick<ResolvedScenario, 'sections'>, state: FirmwarePageSetup['state']): readonly number[] =>
  (sections?.firmware?.pages ?? []).filter((page) => page.state === state).map(({ pfn }) => pfn);
export const iommuPagesOf = (scenario: Pick<ResolvedScenario, 'sections'>) => pagesIn(scenario, 'iommu');
/** What the paths of bring-up and shutdown know of pages. */
export const hostPagesOf = (scenario: ResolvedScenario) => ({
  iommuPages: iommuPagesOf(scenario),
  reserved: pagesIn(scenario, 'reserved'),
});

export function platformActors(scenario: ResolvedScenario): readonly ActorSpec[] {
  if (!usesPlatform(scenario)) return [];
  const { options, cpus } = scenario.host;
  const offline: readonly ActorId[] = options['host.cpusOnline'] === 'all' ? [] : [`pcpu:${cpus}`];
  const frames = [
    ...scenario.vms.flatMap((vm) => snpSettingsOf(vm).pages.flatMap(framesOf)),
    ...(scenario.sections?.firmware?.pages ?? []),
  ].map(({ pfn }) => pfn);
  const firm = {
    iommu: options['host.iommu'] === 'enforcing',
    covers: options['host.rmpTable'] === 'covers-ram',
    param: options['kvm.sevSnp'] === 'on',
    minor: Number(options['host.snpFirmware'].slice(2)),
  };
  // A bring-up that lies behind has gone as far as the host lets it.
  const isBehind = !uses(scenario, 'enable-snp');
  const isUp = isBehind && firm.iommu && firm.covers;
  const input: PlatformInput = {
    platform: platformOf([...onlineCpus(scenario), ...offline], isUp, scenario.vms.length > 0, isUp && firm.minor >= MINOR_MIN),
    ...(isBehind && !isUp && { capable: false }),
    regions: [...new Set(frames.map(headOf))].sort((a, b) => a - b),
    iommuPages: iommuPagesOf(scenario),
    offline,
    firm,
  };
  return [{ id: SNP_PLATFORM, kind: 'snpPlatform', input }];
}
