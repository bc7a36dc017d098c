/** What must hold of accesses: through the host's mappings, and by translations that CPUs keep. */
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { NptContext } from '../../../actors/sev-snp/npt.ts';
import type { RmpRegionContext } from '../../../actors/sev-snp/rmp-region.ts';
import type { VmPagesContext } from '../../../actors/sev-snp/vm-pages.ts';
import { regionOf } from '../../../events/sev-snp/rmp.ts';
import { alwaysEach, leavesEach, type Property, sometimes } from '../../property.ts';
import { hex, type WorldView } from '../../view.ts';

/** A store whose fault the handler answers by having it repeated gets through in the end. */
const faultResolved = leavesEach<HostThread>('rmp.fault-resolved', {
  kind: 'hostThread',
  source: 'domain snp d.2 and h, I8: a retry without end; series v5, patch 21, on hugetlbfs',
  grade: 'read',
  each: ({ id, context: { frames } }) =>
    frames.code?.fault === true ? `${id} stores to PFN ${hex(frames.code.pfn ?? 0)} again and again, and faults each time` : null,
});

const storeIsChecked = alwaysEach<RmpRegionContext>('rmp.store-is-checked', {
  kind: 'rmpRegion',
  source: 'domain snp b.5 and h, R25: the store of a guest lands in a frame that is no longer its own',
  grade: 'decision',
  each: ({ context: { strayed = [] } }) =>
    strayed.length > 0 ? `a guest stored to PFN ${hex(strayed[0]!)} by a translation from before its RMP entry changed` : null,
});

/** A host thread that stands before a store to a frame of whose region this holds. */
function storerBeside(world: WorldView, holds: (region: RmpRegionContext, pfn: number) => boolean, beside: string): string | null {
  const regions = world.actors<RmpRegionContext>('rmpRegion');
  const writer = world.actors<HostThread>('hostThread').find(({ value, context }) => {
    const pfn = context.frames.code?.pfn;
    if (pfn === undefined || !JSON.stringify(value).includes('"store"')) return false;
    const region = regions.find(({ id }) => id === regionOf(pfn));
    return region !== undefined && holds(region.context, pfn);
  });
  return writer ? `${writer.id} is about to store to PFN ${hex(writer.context.frames.code!.pfn!)}, beside ${beside}` : null;
}

/** A host thread stands before a store to a shared frame, and a guest has another of its 2 MiB. */
const storeBesidePrivate = sometimes('rmp.store-beside-private', {
  kinds: ['rmpRegion', 'hostThread'],
  source: 'domain snp c, row 2, and h, R12: through a 2M mapping all frames of the 2 MiB are checked',
  grade: 'read',
  check: (world) => {
    const isBeside = ({ entries }: RmpRegionContext, pfn: number) =>
      entries[pfn]?.assigned === false && Object.values(entries).some(({ assigned }) => assigned);
    return storerBeside(world, isBeside, 'a private frame');
  },
});

/** A host thread stands before a store to a frame beside one that is in use. */
const storeBesideInUse = sometimes('rmp.store-beside-in-use', {
  kinds: ['rmpRegion', 'hostThread'],
  source: 'kernel commit 75253db41a46; domain snp c, row 7, and h, R13',
  grade: 'read',
  check: (world) => storerBeside(world, ({ inUse }, pfn) => inUse.length > 0 && !inUse.includes(pfn), 'a page in use'),
});

/** A vCPU is on a CPU whose TLB has a private page of its guest that the guest no longer has. */
const oldTranslationKept = sometimes('rmp.old-translation-kept', {
  kinds: ['npt', 'rmpRegion', 'vcpu'],
  source: 'arch/x86/kvm/svm/sev.c, pre_sev_run(); domain snp h, R28',
  grade: 'read',
  check: (world) => {
    const taken = world
      .actors<RmpRegionContext>('rmpRegion')
      .some(({ context }) => Object.values(context.entries).some((e) => !e.assigned));
    const cpus = world.actors<NptContext>('npt').flatMap(({ context }) => Object.keys(context.kept));
    const vcpu = world.actors<Vcpu>('vcpu').find(({ context }) => context.cpu !== null && cpus.includes(context.cpu));
    return taken && vcpu ? `${vcpu.id} is on ${vcpu.context.cpu}, which keeps what was true before` : null;
  },
});

/** A guest stands before an access while a page of it is with the allocator again. */
const accessAfterFree = sometimes('rmp.access-after-free', {
  kinds: ['vcpu', 'vmPages'],
  source: 'domain snp h, R25 and R28: the vCPU goes on with what its CPU has kept',
  grade: 'read',
  check: (world) => {
    const isFreed = world.actors<VmPagesContext>('vmPages').some(({ context }) => (context.freed ?? []).length > 0);
    const accessing = world.actors<Vcpu>('vcpu').find(({ value }) => JSON.stringify(value).includes('"access"'));
    return isFreed && accessing ? `${accessing.id} is about to reach a page while one of its guest is free` : null;
  },
});

export const accessProperties: readonly Property[] = [
  faultResolved,
  storeIsChecked,
  storeBesidePrivate,
  storeBesideInUse,
  accessAfterFree,
  oldTranslationKept,
];
