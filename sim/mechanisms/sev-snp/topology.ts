/**
 * The actors that SEV-SNP adds to a host, in slot order: the pages of each SNP guest, RMP regions,
 * the PSP, its driver, the mutex of its mailbox. And what it knows of a VM.
 */

import { contentAtStart } from '../../../actors/sev-snp/contents.ts';
import type { Folio } from '../../../actors/sev-snp/gmem-prepare.ts';
import type { NptInput } from '../../../actors/sev-snp/npt.ts';
import { assignedAs4K, BEHIND_HEAD, HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import { LIST_MINOR } from '../../../actors/sev-snp/snp-boot.ts';
import { HV_FIXED } from '../../../actors/sev-snp/snp-commands.ts';
import { hasStaleTlb } from '../../../actors/sev-snp/stale-tlb.ts';
import type { VmPagesInput } from '../../../actors/sev-snp/vm-pages.ts';
import type { ActorId } from '../../../events/event.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { ControlOp, GuestOp } from '../../../events/program.ts';
import { nptId } from '../../../events/sev-snp/npt.ts';
import { REGION_FRAMES, type RmpEntry, regionOf } from '../../../events/sev-snp/rmp.ts';
import type { VmParts } from '../../host/mechanism.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { ghcbsOf } from './ghcb-sections.ts';
import { ghcbActors, hasSevEsState, vmsasOf } from './ghcb-topology.ts';
import { launchFactsOf, launchFrames, launchPfns } from './launch-facts.ts';
import { mapActors, mapIdsOf } from './mappings.ts';
import { allocatorActors, memoryOf } from './memory-map.ts';
import { iommuPagesOf, platformActors } from './platform.ts';
import { asidActors, pspActors, usesPsp } from './psp-topology.ts';
import { certPagesOf, requestActors } from './request-topology.ts';
import { commandBuffers, type FirmwarePageSetup, framesOf, isAlias, type PageSetup, SNP_VM, snpSettingsOf } from './sections.ts';

const pagesId = (vm: ResolvedVm): ActorId => `pages:${vm.id}`;

/** GFNs that a guest has validated when a run starts. */
const validatedIn = (pages: readonly PageSetup[]): number[] =>
  pages
    .filter((page) => page.state === 'guest-valid')
    .flatMap(framesOf)
    .map(({ gfn }) => gfn)
    .sort((a, b) => a - b);

type GfnOp = Extract<GuestOp, { readonly gfn: number }>;
const looksAt = (op: GuestOp | ControlOp): op is GfnOp => (op.op === 'read' && op.expects !== undefined) || isOfSvsm(op);
const isOfSvsm = (op: GuestOp | ControlOp): boolean => op.op === 'svsm-pvalidate' || op.op === 'svsm-create-vcpu';
const hasSvsm = ({ vcpus }: ResolvedVm): boolean => vcpus.some(({ ops }) => ops.some(isOfSvsm));
/** PFNs of the pages at whose contents a guest looks: of others the run keeps none. */
function lookedAt(vm: ResolvedVm): number[] {
  const { vcpus } = vm;
  const gfns = new Set(vcpus.flatMap(({ ops }) => ops.flatMap((op) => (looksAt(op) ? [op.gfn] : []))));
  const frames = snpSettingsOf(vm).pages.flatMap(framesOf);
  return [...new Set(frames.filter(({ gfn }) => gfns.has(gfn)).map(({ pfn }) => pfn))].sort((a, b) => a - b);
}

const vmplOf = (vm: ResolvedVm, vcpu: number): number => snpSettingsOf(vm).vmpls?.[vcpu] ?? 0;
/** What the context of a vCPU has besides: its VMPL, above 0. */
export const vcpuParts = (vm: ResolvedVm, vcpu: number): Readonly<Record<string, unknown>> =>
  vmplOf(vm, vcpu) === 0 ? {} : { vmpl: vmplOf(vm, vcpu) };

/** All frames of the run in this 2 MiB. */
const framesIn = ({ vms }: ResolvedScenario, region: ActorId): readonly number[] =>
  vms
    .flatMap((vm) =>
      snpSettingsOf(vm)
        .pages.filter((page) => !isAlias(page))
        .flatMap(framesOf),
    )
    .map(({ pfn }) => pfn)
    .filter((pfn) => regionOf(pfn) === region)
    .sort((a, b) => a - b);

/** The 2 MiB that pages of a VM lie in, where one of its pages is all of it, or was meant to be. */
function foliosOf(scenario: ResolvedScenario, vm: ResolvedVm): Readonly<Record<number, Folio>> {
  const { pages } = snpSettingsOf(vm);
  const own = pages.flatMap(framesOf);
  return Object.fromEntries(
    pages
      .filter(({ frames }) => frames !== undefined)
      .flatMap(({ gfn, pfn }) => {
        const frames = framesIn(scenario, regionOf(pfn));
        const inside = own.filter((page) => frames.includes(page.pfn) && page.gfn - gfn === page.pfn - pfn);
        return inside.map((page) => [page.gfn, { gfn, pfn, frames, whole: inside.length === frames.length }] as const);
      }),
  );
}

export function vmParts(scenario: ResolvedScenario, vm: ResolvedVm): VmParts {
  const { asid, pages } = snpSettingsOf(vm);
  const maps = mapIdsOf(scenario);
  const vmcbs = vmcbsOf(scenario, vm);
  const launch = launchFactsOf(vm);
  const inRun = launchFrames(vm);
  const vmsas = vmsasOf(vm);
  return {
    facts: {
      pages: pagesId(vm),
      asid,
      frames: Object.fromEntries([...pages.flatMap(framesOf).map(({ gfn, pfn }) => [gfn, pfn] as const), ...inRun.frames]),
      vmsas: vm.vcpus.map((_, index) => vmsas[index] ?? null),
      huge: pages.some(({ frames }) => frames !== undefined),
      isSnp: vm.type === SNP_VM,
      ghcbs: ghcbsOf(vm).map(({ gfn }) => gfn),
      certPages: certPagesOf(vm),
      hasSevEsState: hasSevEsState(scenario, vm),
      lookedAt: lookedAt(vm),
      folios: foliosOf(scenario, vm),
      unmapped: scenario.host.options['kvm.privateMemory'] === 'guest-memfd',
      vmpls: vm.vcpus.map((_, index) => vmplOf(vm, index)),
      ...(maps.length > 0 && { hostMaps: maps }),
      ...(vmcbs.length > 0 && { vmcbs }),
      ...(launch && { snpLaunch: launch }),
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
        validated: state === 'guest-valid' || state === 'vmsa',
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
  iommu: { ...HYPERVISOR_PAGE, assigned: true, immutable: true },
  reserved: HV_FIXED,
} as const;
/** With firmware that takes no list, memory that is reserved is as any other. */
const firmwareEntry = ({ host }: ResolvedScenario, state: FirmwarePageSetup['state']): RmpEntry =>
  state === 'reserved' && Number(host.options['host.snpFirmware'].slice(2)) < LIST_MINOR ? HYPERVISOR_PAGE : FIRMWARE_ENTRIES[state];
const CONTEXT_ENTRY: RmpEntry = { ...FIRMWARE_ENTRIES.firmware, vmsa: true };

/** The count that a head begins with is what its entries say. */
function headIn(scenario: ResolvedScenario, entries: readonly (readonly [number, RmpEntry])[], region: ActorId) {
  const here = Object.fromEntries(entries.filter(([pfn]) => regionOf(pfn) === region));
  return { frames: framesIn(scenario, region), subCount: assignedAs4K(here) };
}

/** One region for every 2 MiB that the scenario touches; only the frames it names have entries. */
function regionsOf(scenario: ResolvedScenario): ActorSpec[] {
  const vmcbs = scenario.vms.flatMap((vm) => vmcbsOf(scenario, vm));
  const memory = memoryOf(scenario);
  const entries: [number, RmpEntry][] = [
    ...scenario.vms
      .map(snpSettingsOf)
      .flatMap(({ asid, pages }) => pages.filter((page) => !isAlias(page)).flatMap((page) => pageEntries(asid, page))),
    ...scenario.vms.flatMap((vm) => launchPfns(vm).map((pfn): [number, RmpEntry] => [pfn, HYPERVISOR_PAGE])),
    ...(scenario.sections?.firmware?.guests ?? []).map(({ pfn }): [number, RmpEntry] => [pfn, CONTEXT_ENTRY]),
    // In the place of what the frame had.
    ...scenario.vms
      .map(snpSettingsOf)
      .flatMap(({ asid, pages }) => pages.filter(({ state }) => state === 'moved').flatMap((page) => pageEntries(asid, page))),
    ...(scenario.sections?.firmware?.pages ?? []).map(({ pfn, state }): [number, RmpEntry] => [pfn, firmwareEntry(scenario, state)]),
    ...vmcbs.map((pfn): [number, RmpEntry] => [pfn, HYPERVISOR_PAGE]),
    ...commandBuffers(scenario.sections?.firmware).map((pfn): [number, RmpEntry] => [pfn, HYPERVISOR_PAGE]),
    ...memory.free.map((pfn): [number, RmpEntry] => [pfn, HYPERVISOR_PAGE]),
  ];
  const heads = new Map<ActorId, { readonly frames: readonly number[]; readonly subCount: number }>(
    scenario.vms.flatMap((vm) =>
      snpSettingsOf(vm)
        .pages.filter(({ frames }) => frames !== undefined)
        .map((page) => [regionOf(page.pfn), headIn(scenario, entries, regionOf(page.pfn))] as const),
    ),
  );
  // The count of the head is what such a page is about.
  for (const id of new Set(iommuPagesOf(scenario).map(regionOf))) {
    const own = Object.fromEntries(entries.filter(([pfn]) => regionOf(pfn) === id));
    if (!heads.has(id)) heads.set(id, { frames: [], subCount: assignedAs4K(own) });
  }
  const regions = [...new Set(entries.map(([pfn]) => regionOf(pfn)))];
  return regions.map((id) => ({
    id,
    kind: 'rmpRegion',
    input: {
      entries: Object.fromEntries(entries.filter(([pfn]) => regionOf(pfn) === id)),
      ...(heads.has(id) && { head: heads.get(id)! }),
      ...(memory.rmpEnd !== undefined && regionOf(memory.rmpEnd) === id && { tableEnd: true as const }),
      contention: scenario.host.options['rmp.contention'],
      ...contentsIn(scenario, id),
      ...(vmcbs.length > 0 && { vmcbs: vmcbs.filter((pfn) => regionOf(pfn) === id) }),
      ...(scenario.host.options['rmp.inUseErratum'] === 'present' && { erratum: true as const }),
    },
  }));
}

/** What the guest_memfd of a VM holds when a run starts: all pages but those that are shared. */
const attributesOf = (pages: readonly PageSetup[]) =>
  pages
    .filter(({ state }) => state !== 'shared')
    .flatMap(framesOf)
    .map(({ gfn }) => gfn)
    .sort((a, b) => a - b);
/** What the frames of a VM hold when the run starts, by GFN and PFN. */
function contentsOf(vm: ResolvedVm) {
  const kept = lookedAt(vm);
  const { asid, pages } = snpSettingsOf(vm);
  return pages
    .filter((page) => !isAlias(page))
    .flatMap((page) =>
      framesOf(page).map(({ gfn, pfn }) => ({ gfn, pfn, content: contentAtStart(gfn, asid, page.state === 'guest-valid') })),
    )
    .filter(({ pfn }) => kept.includes(pfn));
}
/** Of one region, if it has any. */
function contentsIn({ vms }: ResolvedScenario, region: ActorId) {
  const here = vms.flatMap(contentsOf).filter(({ pfn }) => regionOf(pfn) === region);
  return here.length === 0 ? {} : { contents: Object.fromEntries(here.map(({ pfn, content }) => [pfn, content])) };
}

function pagesInput({ host: { options }, vms }: ResolvedScenario, vm: ResolvedVm): VmPagesInput {
  const { asid, pages } = snpSettingsOf(vm);
  const hasOthers = vms.some((other) => other.type === SNP_VM && other.id !== vm.id);
  const own = contentsOf(vm).flatMap(({ gfn, content: { asid: of, ...content } }) => (of === undefined ? [] : [[gfn, content] as const]));
  return {
    believes: validatedIn(pages),
    ...(lookedAt(vm).length > 0 && { stored: Object.fromEntries(own) }),
    ...(options['kvm.privateMemory'] === 'guest-memfd' && { attributes: attributesOf(pages), ...(hasOthers && { asid }) }),
  };
}
const pagesOf = (scenario: ResolvedScenario): ActorSpec[] =>
  scenario.vms.filter(({ type }) => type === 'snp').map((vm) => ({ id: pagesId(vm), kind: 'vmPages', input: pagesInput(scenario, vm) }));

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

const svsmLocks = ({ vms }: ResolvedScenario): ActorSpec[] =>
  vms.filter(hasSvsm).map(({ id }) => ({ id: `svsm:${id}`, kind: 'svsmLock', input: null }));

export const snpActors = (scenario: ResolvedScenario): readonly ActorSpec[] => [
  ...pagesOf(scenario),
  ...regionsOf(scenario),
  ...platformActors(scenario),
  ...ghcbActors(scenario),
  ...allocatorActors(scenario),
  ...(usesPsp(scenario) ? pspActors(scenario, scenario.sections?.firmware?.state ?? 'UNINIT') : []),
  ...requestActors(scenario),
  ...mapActors(scenario),
  ...asidActors(scenario),
  ...svsmLocks(scenario),
  ...nestedOf(scenario),
];
