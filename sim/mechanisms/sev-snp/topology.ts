/**
 * The actors that SEV-SNP adds to a host, in slot order: the pages of each SNP guest, RMP regions,
 * the PSP, its driver, the mutex of its mailbox. And what it knows of a VM.
 */

import type { NptInput } from '../../../actors/sev-snp/npt.ts';
import type { PspInput } from '../../../actors/sev-snp/psp.ts';
import { BEHIND_HEAD, HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import { SEV_CMD_MUTEX } from '../../../actors/sev-snp/sev-command.ts';
import { SEV_DEVICE } from '../../../actors/sev-snp/sev-device.ts';
import { hasStaleTlb } from '../../../actors/sev-snp/stale-tlb.ts';
import type { VmPagesInput } from '../../../actors/sev-snp/vm-pages.ts';
import type { ActorId } from '../../../events/event.ts';
import type { HostOptions } from '../../../events/options.ts';
import { nptId } from '../../../events/sev-snp/npt.ts';
import { REGION_FRAMES, type RmpEntry, regionOf } from '../../../events/sev-snp/rmp.ts';
import type { VmParts } from '../../host/mechanism.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { mapActors, mapIdsOf } from './mappings.ts';
import { framesOf, type PageSetup, SNP_VM, snpSettingsOf } from './sections.ts';

const pagesId = (vm: ResolvedVm): ActorId => `pages:${vm.id}`;

/** GFNs that a guest has validated when a run starts. */
const validatedIn = (pages: readonly PageSetup[]): number[] =>
  pages
    .filter((page) => page.state === 'guest-valid')
    .flatMap(framesOf)
    .map(({ gfn }) => gfn)
    .sort((a, b) => a - b);

export function vmParts(scenario: ResolvedScenario, vm: ResolvedVm): VmParts {
  const { asid, pages } = snpSettingsOf(vm);
  const maps = mapIdsOf(scenario);
  const vmcbs = vmcbsOf(scenario, vm);
  const vmsas = pages.filter((page) => page.state === 'vmsa').map((page) => page.pfn);
  return {
    facts: {
      pages: pagesId(vm),
      asid,
      frames: Object.fromEntries(pages.flatMap(framesOf).map(({ gfn, pfn }) => [gfn, pfn])),
      vmsas: vm.vcpus.map((_, index) => vmsas[index] ?? null),
      huge: pages.some(({ frames }) => frames !== undefined),
      ...(maps.length > 0 && { hostMaps: maps }),
      ...(vmcbs.length > 0 && { vmcbs }),
      ...(hasStaleTlb(scenario.host.options) && vm.type === SNP_VM && { npt: nptId(`vm:${vm.id}`) }),
    },
  };
}

const pageEntry = (asid: number, { gfn, state }: PageSetup): RmpEntry =>
  state === 'shared'
    ? HYPERVISOR_PAGE
    : {
        assigned: true,
        pageSize: '4K',
        immutable: false,
        asid,
        gfn,
        validated: state !== 'guest-invalid',
        vmsa: state === 'vmsa',
      };
/** The head of a 2M entry says what it is; the slots behind it say that they are assigned. */
function pageEntries(asid: number, page: PageSetup): [number, RmpEntry][] {
  const entry = pageEntry(asid, page);
  if (page.frames === undefined || page.state === 'shared') return framesOf(page).map(({ pfn }) => [pfn, entry]);
  return framesOf(page).map(({ pfn }, i) => [pfn, i === 0 ? { ...entry, pageSize: '2M' } : BEHIND_HEAD]);
}
/**
 * snp_safe_alloc_page(): of two frames the one that is not aligned to 2 MiB.
 * @see kernel arch/x86/kvm/svm/sev.c, snp_safe_alloc_page_node()
 */
export const vmcbPage = (first: number, policy: HostOptions['kvm.vmcbPage']): number =>
  policy === 'unaligned' && first % REGION_FRAMES === 0 ? first + 1 : first;
const vmcbsOf = ({ host }: ResolvedScenario, vm: ResolvedVm): readonly number[] =>
  (snpSettingsOf(vm).vmcbs ?? []).map((first) => vmcbPage(first, host.options['kvm.vmcbPage']));

const FIRMWARE_ENTRIES = {
  hypervisor: HYPERVISOR_PAGE,
  firmware: { ...HYPERVISOR_PAGE, assigned: true, immutable: true },
  reclaim: { ...HYPERVISOR_PAGE, assigned: true },
} as const;

/** One region for every 2 MiB that the scenario touches; only the frames it names have entries. */
function regionsOf(scenario: ResolvedScenario): ActorSpec[] {
  const vmcbs = scenario.vms.flatMap((vm) => vmcbsOf(scenario, vm));
  const entries: [number, RmpEntry][] = [
    ...scenario.vms.map(snpSettingsOf).flatMap(({ asid, pages }) => pages.flatMap((page) => pageEntries(asid, page))),
    ...(scenario.sections?.firmware?.pages ?? []).map(({ pfn, state }): [number, RmpEntry] => [pfn, FIRMWARE_ENTRIES[state]]),
    ...vmcbs.map((pfn): [number, RmpEntry] => [pfn, HYPERVISOR_PAGE]),
  ];
  const heads = new Map(
    scenario.vms.flatMap((vm) =>
      snpSettingsOf(vm)
        .pages.filter(({ frames }) => frames !== undefined)
        .map((page) => [regionOf(page.pfn), { frames: framesOf(page).map(({ pfn }) => pfn), subCount: 0 }] as const),
    ),
  );
  const regions = [...new Set(entries.map(([pfn]) => regionOf(pfn)))];
  return regions.map((id) => ({
    id,
    kind: 'rmpRegion',
    input: {
      entries: Object.fromEntries(entries.filter(([pfn]) => regionOf(pfn) === id)),
      ...(heads.has(id) && { head: heads.get(id)! }),
      contention: scenario.host.options['rmp.contention'],
      ...(vmcbs.length > 0 && { vmcbs: vmcbs.filter((pfn) => regionOf(pfn) === id) }),
      ...(scenario.host.options['rmp.inUseErratum'] === 'present' && { erratum: true as const }),
    },
  }));
}

const pagesOf = ({ vms }: ResolvedScenario): ActorSpec[] =>
  vms
    .filter(({ type }) => type === 'snp')
    .map((vm) => ({ id: pagesId(vm), kind: 'vmPages', input: { believes: validatedIn(snpSettingsOf(vm).pages) } satisfies VmPagesInput }));

/** Where translations may go stale: the nested page table of each guest. */
const nestedOf = ({ vms, host: { options } }: ResolvedScenario): ActorSpec[] => {
  if (!hasStaleTlb(options)) return [];
  return vms
    .filter(({ type }) => type === SNP_VM)
    .map((vm) => {
      const { pages, keptOn = [] } = snpSettingsOf(vm);
      const gfns = pages.flatMap(framesOf).map(({ gfn }) => gfn);
      const kept = Object.fromEntries(keptOn.map((cpu) => [`pcpu:${cpu}`, gfns]));
      return { id: nptId(`vm:${vm.id}`), kind: 'npt', input: { kept } satisfies NptInput };
    });
};

/** By vCPU, the nested page table of its VM, if that is an SNP VM. */
export const nptsOf = ({ vms }: ResolvedScenario): Readonly<Record<ActorId, ActorId>> =>
  Object.fromEntries(
    vms
      .filter(({ type }) => type === SNP_VM)
      .flatMap(({ id, vcpus }) => vcpus.map((_, index) => [`vcpu:${id}/${index}`, nptId(`vm:${id}`)])),
  );

/** Whether a guest asks the firmware for a report. */
export const asksForReports = ({ vms }: ResolvedScenario) =>
  vms.some(({ vcpus }) => vcpus.some(({ ops }) => ops.some(({ op }) => op === 'request-report')));

export const usesPsp = (scenario: ResolvedScenario) =>
  asksForReports(scenario) ||
  (scenario.sections?.firmware?.pages ?? []).length > 0 ||
  scenario.processes.some(({ threads }) => threads.some(({ program }) => program.ops.some((op) => op.op === 'sev-command')));
/** The firmware's mailbox, its driver, and the mutex that serializes commands. */
export const pspActors = (scenario: ResolvedScenario, state: PspInput['state']): readonly ActorSpec[] => [
  {
    id: 'psp',
    kind: 'psp',
    input: { state, errors: scenario.allow.includes('psp-error'), interrupts: scenario.allow.includes('psp-interrupt') } satisfies PspInput,
  },
  { id: SEV_DEVICE, kind: 'sevDevice', input: null },
  { id: SEV_CMD_MUTEX, kind: 'mutex', input: null },
];

export const snpActors = (scenario: ResolvedScenario): readonly ActorSpec[] => [
  ...pagesOf(scenario),
  ...regionsOf(scenario),
  ...(usesPsp(scenario) ? pspActors(scenario, scenario.sections?.firmware?.state ?? 'UNINIT') : []),
  ...mapActors(scenario),
  ...nestedOf(scenario),
];
