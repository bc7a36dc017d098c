/**
 * The actors that SEV-SNP adds to a host, in slot order: the pages of each SNP guest, RMP regions,
 * the PSP, its driver, the mutex of its mailbox. And what it knows of a VM.
 */

import { contentAtStart } from '../../../actors/sev-snp/contents.ts';
import type { Folio } from '../../../actors/sev-snp/gmem-prepare.ts';
import type { PspInput } from '../../../actors/sev-snp/psp.ts';
import { assignedAs4K, BEHIND_HEAD, HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import { SEV_CMD_MUTEX } from '../../../actors/sev-snp/sev-command.ts';
import { SEV_DEVICE } from '../../../actors/sev-snp/sev-device.ts';
import type { VmPagesInput } from '../../../actors/sev-snp/vm-pages.ts';
import type { ActorId } from '../../../events/event.ts';
import type { ControlOp, GuestOp } from '../../../events/program.ts';
import { type RmpEntry, regionOf } from '../../../events/sev-snp/rmp.ts';
import type { VmParts } from '../../host/mechanism.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { framesOf, isAlias, type PageSetup, snpSettingsOf } from './sections.ts';

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
  const vmsas = pages.filter((page) => page.state === 'vmsa').map((page) => page.pfn);
  return {
    facts: {
      pages: pagesId(vm),
      asid,
      frames: Object.fromEntries(pages.flatMap(framesOf).map(({ gfn, pfn }) => [gfn, pfn])),
      vmsas: vm.vcpus.map((_, index) => vmsas[index] ?? null),
      huge: pages.some(({ frames }) => frames !== undefined),
      lookedAt: lookedAt(vm),
      folios: foliosOf(scenario, vm),
      vmpls: vm.vcpus.map((_, index) => vmplOf(vm, index)),
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
const FIRMWARE_ENTRIES = {
  hypervisor: HYPERVISOR_PAGE,
  firmware: { ...HYPERVISOR_PAGE, assigned: true, immutable: true },
  reclaim: { ...HYPERVISOR_PAGE, assigned: true },
} as const;

/** The count that a head begins with is what its entries say. */
function headIn(scenario: ResolvedScenario, entries: readonly (readonly [number, RmpEntry])[], region: ActorId) {
  const here = Object.fromEntries(entries.filter(([pfn]) => regionOf(pfn) === region));
  return { frames: framesIn(scenario, region), subCount: assignedAs4K(here) };
}

/** One region for every 2 MiB that the scenario touches; only the frames it names have entries. */
function regionsOf(scenario: ResolvedScenario): ActorSpec[] {
  const entries: [number, RmpEntry][] = [
    ...scenario.vms
      .map(snpSettingsOf)
      .flatMap(({ asid, pages }) => pages.filter((page) => !isAlias(page)).flatMap((page) => pageEntries(asid, page))),
    // In the place of what the frame had.
    ...scenario.vms
      .map(snpSettingsOf)
      .flatMap(({ asid, pages }) => pages.filter(({ state }) => state === 'moved').flatMap((page) => pageEntries(asid, page))),
    ...(scenario.sections?.firmware?.pages ?? []).map(({ pfn, state }): [number, RmpEntry] => [pfn, FIRMWARE_ENTRIES[state]]),
  ];
  const heads = new Map(
    scenario.vms.flatMap((vm) =>
      snpSettingsOf(vm)
        .pages.filter(({ frames }) => frames !== undefined)
        .map((page) => [regionOf(page.pfn), headIn(scenario, entries, regionOf(page.pfn))] as const),
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
      ...contentsIn(scenario, id),
    },
  }));
}

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

function pagesInput(vm: ResolvedVm): VmPagesInput {
  const own = contentsOf(vm).flatMap(({ gfn, content: { asid, ...content } }) => (asid === undefined ? [] : [[gfn, content] as const]));
  return {
    believes: validatedIn(snpSettingsOf(vm).pages),
    ...(lookedAt(vm).length > 0 && { stored: Object.fromEntries(own) }),
  };
}
const pagesOf = ({ vms }: ResolvedScenario): ActorSpec[] =>
  vms.filter(({ type }) => type === 'snp').map((vm) => ({ id: pagesId(vm), kind: 'vmPages', input: pagesInput(vm) }));

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

const svsmLocks = ({ vms }: ResolvedScenario): ActorSpec[] =>
  vms.filter(hasSvsm).map(({ id }) => ({ id: `svsm:${id}`, kind: 'svsmLock', input: null }));

export const snpActors = (scenario: ResolvedScenario): readonly ActorSpec[] => [
  ...pagesOf(scenario),
  ...regionsOf(scenario),
  ...(usesPsp(scenario) ? pspActors(scenario, scenario.sections?.firmware?.state ?? 'UNINIT') : []),
  ...svsmLocks(scenario),
];
