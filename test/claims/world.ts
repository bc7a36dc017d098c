/**
 * Small worlds for claims: one or two VMs, host threads that each have a CPU of their own, nothing
 * checked but what the test asks.
 */
import type { HostProcessContext } from '../../actors/host/host-process.ts';
import type { PcpuContext } from '../../actors/host/pcpu-context.ts';
import type { Vcpu } from '../../actors/kvm/guest-program.ts';
import type { VmContext } from '../../actors/kvm/vm.ts';
import type { RmpRegionContext } from '../../actors/sev-snp/rmp-region.ts';
import type { VmPagesContext } from '../../actors/sev-snp/vm-pages.ts';
import type { HostOptions } from '../../events/options.ts';
import type { RmpEntry } from '../../events/sev-snp/rmp.ts';
import type { PageSetup } from '../../sim/mechanisms/sev-snp/sections.ts';
import { scenario } from '../../sim/scenario/build.ts';
import type { GuestStep, HostStep } from '../../sim/scenario/program.ts';
import type { ResolvedScenario, Scenario, VmSource } from '../../sim/scenario/types.ts';
import { type Played, resolved } from '../sim/play.ts';

export const GFN = 0x5;
export const PFN = 0x1005;

/** The threads of the worlds below. */
export const NETD = 'thread:netd/0';
export const VHOST = 'thread:vhost0/0';
export const GMEM = 'thread:gmem/0';
export const VCPU = 'thread:qemu0/vcpu0';
export const GUEST = 'vcpu:vm0/0';

export const page = (state: PageSetup['state'], gfn = GFN, pfn = 0x1000 + gfn): PageSetup => ({ gfn, pfn, state });
/** Its vCPUs at these VMPLs. */
export const vmAt = (vmpls: readonly number[], pages: readonly PageSetup[], ...vcpus: readonly (readonly GuestStep[])[]): VmSource => ({
  type: 'snp',
  options: { pages, vmpls },
  vcpus,
});
export const vm = (pages: readonly PageSetup[], ...vcpus: readonly (readonly GuestStep[])[]): VmSource => ({
  type: 'snp',
  options: { pages },
  vcpus,
});

/** What host threads do. */
export const dmaWrite = (stores = 1, gfn = GFN, name = 'vm0'): HostStep => ({ write: { vm: name, gfn, stores } });
export const kernelWrite = (gfn = GFN, name = 'vm0'): HostStep => ({ 'kvm-write-guest': { vm: name, gfn } });
/** A store of the kernel that looks at no RMP entry before. */
export const strayWrite = (gfn = GFN, name = 'vm0'): HostStep => ({ 'kvm-write-unchecked': { vm: name, gfn } });
export const makeShared = (gfn = GFN, name = 'vm0'): HostStep => ({ 'make-shared': { vm: name, gfn } });
/** KVM_PRE_FAULT_MEMORY of one private page. */
export const preFault = (gfn = GFN, name = 'vm0'): HostStep => ({ 'pre-fault': { vm: name, gfn } });
export const run = (vcpu = 'vm0/0'): HostStep => ({ KVM_RUN: { vcpu } });

/** What guests do. */
export const psc = (target: 'private' | 'shared', gfn = GFN): GuestStep => ({ psc: { gfn, to: target } });
export const pvalidate = (validated = true, gfn = GFN): GuestStep => ({ pvalidate: { gfn, validated } });
export const rmpadjust = (vmsa: boolean, gfn = GFN): GuestStep => ({ rmpadjust: { gfn, vmpl: 1, vmsa } });
export const write = (isPrivate: boolean, gfn = GFN): GuestStep => ({ write: { gfn, private: isPrivate } });
export const read = (isPrivate: boolean, gfn = GFN): GuestStep => ({ read: { gfn, private: isPrivate } });
/** A load of what the guest itself has stored there. */
export const readOwn = (gfn = GFN): GuestStep => ({ read: { gfn, private: true, expects: 'own' } });
export const hlt: GuestStep = { hlt: {} };
export const spin: GuestStep = { spin: {} };

type Threads = Readonly<Record<string, readonly (readonly HostStep[])[]>>;

/** A world with as many CPUs as threads, so that each thread has one. */
export function world(
  vms: Readonly<Record<string, VmSource>>,
  threads: Threads,
  options: Partial<HostOptions> = {},
  rest: Partial<Scenario> = {},
): ResolvedScenario {
  const { host, ...others } = rest;
  const cpus = Object.values(threads).flat().length;
  return resolved(
    scenario({
      name: 'claim',
      summary: 'A claim',
      host: { arch: 'amd', cpus, preemption: 'full', features: ['sev', 'sev-es', 'sev-snp'], options, ...host },
      vms,
      processes: Object.fromEntries(Object.entries(threads).map(([id, programs]) => [id, { threads: programs }])),
      ...others,
    }),
  );
}

/** One VM with one vCPU; `threads` besides the one that runs it. */
export const oneGuest = (
  pages: readonly PageSetup[],
  program: readonly GuestStep[],
  threads: Threads,
  options: Partial<HostOptions> = {},
  rest: Partial<Scenario> = {},
): ResolvedScenario => world({ vm0: vm(pages, program) }, { ...threads, qemu0: [[run()]] }, options, rest);

/** What a test asks of a run that has ended. */
export const panicOf = (played: Played): string | null =>
  played.world.actors<PcpuContext>('pcpu').find(({ context }) => context.panicReason !== null)?.context.panicReason ?? null;
export const signalOf = (played: Played, name = 'netd') => played.context<HostProcessContext>(`process:${name}`).signal;
export const deadVm = (played: Played, name = 'vm0') => played.context<VmContext>(`vm:${name}`).dead;
export const lostPage = (played: Played, vcpu = GUEST) => played.context<Vcpu>(vcpu).lost ?? null;
export const pagesOf = (played: Played, name = 'vm0') => played.context<VmPagesContext>(`pages:${name}`);
export const entryOf = (played: Played, pfn = PFN): RmpEntry =>
  played.context<RmpRegionContext>(`rmp:0x${(pfn - (pfn % 512)).toString(16)}`).entries[pfn]!;

/** How the host's stores to a frame ended, in order: true is a #PF. */
export const hostStores = (played: Played): boolean[] => played.delivered('rmp.hostWritten').map(({ payload }) => payload.fault as boolean);

/** The same where private pages are not mapped: true is a store that found no page. */
export const mappedStores = (played: Played): boolean[] =>
  played.delivered('pages.hostStored').map(({ payload }) => payload.reached !== true);

/** How the guest's accesses ended. */
export const accesses = (played: Played): unknown[] => played.delivered('rmp.accessed').map(({ payload }) => payload.outcome);

/** Why the guest left guest mode, in order. */
export const exits = (played: Played): unknown[] => played.delivered('vmexit').map(({ payload }) => payload.reason);

/**
 * Results of RMPUPDATE and the guest's instructions, as their issuers saw them: lock answers and
 * check answers that failed, and SUCCESS.
 */
export const updateResults = (played: Played): unknown[] =>
  played.records
    .filter(
      ({ kind, type, actor }) => kind === 'deliver' && (type === 'rmp.locked' || type === 'rmp.checked') && actor.startsWith('thread:'),
    )
    .map(({ payload }) => payload.result);
