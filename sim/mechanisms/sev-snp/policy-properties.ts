/** What must hold of host code that writes guest memory, whatever becomes of the page. */
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { RmpRegionContext } from '../../../actors/sev-snp/rmp-region.ts';
import type { VmPagesContext } from '../../../actors/sev-snp/vm-pages.ts';
import { always, alwaysEach, leavesEach, type Property } from '../../property.ts';
import { hex } from '../../view.ts';

/** Its stores have no page to go to any more, and some of them are done. */
const emulationWhole = alwaysEach<HostThread>('rmp.emulation-whole', {
  kind: 'hostThread',
  source: 'domain snp g, SNP-6, P5: user space orders a conversion after its own I/O',
  grade: 'read',
  each: ({ id, value, context: { frames } }) =>
    frames.code?.partlyDone === true && JSON.stringify(value).includes('"emulate_dma_write":"access_error"')
      ? `${id} has done some of its stores to GFN ${hex(frames.code.gfn ?? 0)}, which is private now, and cannot do the others`
      : null,
});

/** Outside of a conversion, a frame is a guest's only where user space has the page private. */
const frameFollowsAttribute = always('rmp.frame-follows-attribute', {
  kinds: ['vmPages', 'rmpRegion', 'hostThread', 'pageAllocator'],
  source: 'arch/x86/kvm/svm/sev.c, sev_gmem_prepare(), sev_gmem_invalidate(); domain snp e.3',
  grade: 'read',
  check: (world) => {
    const guests = world.actors<VmPagesContext>('vmPages');
    if (guests.some(({ context }) => context.attributes === undefined)) return null;
    const converting = world
      .actors<HostThread>('hostThread')
      .flatMap(({ value, context }) =>
        JSON.stringify(value).includes('"kvm_convert_memory"') ? [`pages:${context.frames.code?.vm}`] : [],
      );
    const entries = world.actors<RmpRegionContext>('rmpRegion').flatMap(({ context }) => Object.entries(context.entries));
    // prepare-page: the page is none of the scenario's, and has the GFN of its frame.
    const ofAllocator = world.actors('pageAllocator').length > 0;
    const isStray = ([pfn, { assigned, asid, gfn }]: (typeof entries)[number]) => {
      if (!assigned || asid === 0 || (ofAllocator && gfn === Number(pfn))) return false;
      const owner = guests.length === 1 ? guests[0] : guests.find(({ context }) => context.asid === asid);
      return owner === undefined || (!converting.includes(owner.id) && !owner.context.attributes!.includes(gfn));
    };
    const stray = entries.find(isStray);
    return stray ? `PFN ${hex(Number(stray[0]))} is assigned to a guest, and user space has made its page shared` : null;
  },
});

/**
 * An access, an instruction on an RMP entry, or a page-state change of a guest that has not ended
 * itself.
 */
const STANDS_IN = /"(?:read|write|PVALIDATE|RMPADJUST|vmgexit_psc)":(?!.*"sev_es_terminate")/;

/** A guest that the host answers each time, and that faults again each time, hangs softly. */
const guestGetsThrough = leavesEach<Vcpu>('rmp.guest-gets-through', {
  kind: 'vcpu',
  source: 'domain snp h, I8 and R20; SNP-71',
  grade: 'decision',
  each: ({ id, value }) => (STANDS_IN.test(JSON.stringify(value)) ? `${id} repeats one access, and each time it faults to the host` : null),
});

export const policyProperties: readonly Property[] = [emulationWhole, frameFollowsAttribute, guestGetsThrough];
