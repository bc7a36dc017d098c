/** What must hold of the RMP, and of the host and guests that use it, in every reachable world. */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { HostProcessContext } from '../../../actors/host/host-process.ts';
import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { VmContext } from '../../../actors/kvm/vm.ts';
import { contentInWords } from '../../../actors/sev-snp/contents.ts';
import type { RmpRegionContext } from '../../../actors/sev-snp/rmp-region.ts';
import { assignedAs4K, covering, entryAt, pageStateOf, permsOf } from '../../../actors/sev-snp/rmp-table.ts';
import type { VmPagesContext } from '../../../actors/sev-snp/vm-pages.ts';
import type { ActorId } from '../../../events/event.ts';
import type { Waits } from '../../host/mechanism.ts';
import { always, alwaysEach, leavesEach, type Property, sometimes } from '../../property.ts';
import { hex, type WorldView } from '../../view.ts';
import { accessProperties } from './access-properties.ts';
import { policyProperties } from './policy-properties.ts';
import { pspProperties } from './psp-properties.ts';

const THREAD = 'SNP v5 host-write discussion';

const hostPanic = alwaysEach<PcpuContext>('rmp.host-panic', {
  kind: 'pcpu',
  source: `${THREAD}: "the kernel panics due to the unhandled RMP fault page fault"; domain snp h, I1`,
  grade: 'read',
  each: ({ id, context }) => (context.panicReason === null ? null : `${id} panicked: ${context.panicReason}`),
});

const innocentProcessKilled = alwaysEach<HostProcessContext>('rmp.innocent-process-killed', {
  kind: 'hostProcess',
  source: `${THREAD}: "a well behaved userspace process receiving a SIGBUS"; domain snp h, I2`,
  grade: 'read',
  each: ({ id, context: { signal, vms, pfn } }) =>
    signal === 'SIGBUS' && vms.length === 0 ? `${id} serves guests, wrote PFN ${hex(pfn ?? 0)} and was killed by SIGBUS` : null,
});

/** The guest whose pages an actor keeps track of. */
const guestOf = (pages: ActorId): string => `the guest of vm:${pages.slice(pages.indexOf(':') + 1)}`;

const guestPageLost = alwaysEach<VmPagesContext>('rmp.guest-page-lost', {
  kind: 'vmPages',
  source: `${THREAD}: "Guest gets a #VC error because the page is not PVALIDATED"; SNP-15, SNP-16`,
  grade: 'read',
  each: ({ id, context: { lost } }) =>
    lost.length > 0 ? `${guestOf(id)} got #VC 0x404 on GFN ${hex(lost[0]!)}, which it had validated` : null,
});

const silentCorruption = alwaysEach<VmPagesContext>('rmp.silent-corruption', {
  kind: 'vmPages',
  source: `${THREAD}: a guest that blindly re-PVALIDATEs on #VC consumes corrupt data; SNP-18; domain snp h, I7`,
  grade: 'read',
  each: ({ id, context: { replaced, found } }) => {
    const gfn = replaced[0];
    return gfn === undefined ? null : `${guestOf(id)} takes for its own, at GFN ${hex(gfn)}, ${contentInWords(found![gfn]!)}`;
  },
});

const guestKilled = alwaysEach<VmContext>('rmp.guest-killed', {
  kind: 'vm',
  source: `${THREAD}: "simplified to just the KVM killing the guest"; SNP-33`,
  grade: 'read',
  each: ({ id, context }) =>
    context.dead === 'dead' ? `${id} was ended by the host because of a write to one of its private pages` : null,
});

/** sev_es_terminate(), or an SVSM's like of it. */
const guestEndsItself = alwaysEach<Vcpu>('rmp.guest-ends-itself', {
  kind: 'vcpu',
  source: 'arch/x86/coco/sev/shared.c, sev_es_terminate(), pvalidate_pages(); domain snp e.1, SNP-17',
  grade: 'read',
  each: ({ id, value }) => (JSON.stringify(value).includes('"sev_es_terminate"') ? `${id} ends its guest, and tells the host why` : null),
});

const vmBugged = alwaysEach<VmContext>('rmp.vm-bugged', {
  kind: 'vm',
  source: 'domain snp h, R7: a healthy VM is not killed by its own legal RMPADJUST; kernel kvm_rmp_make_shared()',
  grade: 'decision',
  each: ({ id, context }) => (context.dead === 'bugged' ? `${id} is bugged: the host's RMPUPDATE of one of its pages failed` : null),
});

/** The #PF handler's RMPUPDATE was refused, and has not got through its check since. */
export const retriesUpdate: Waits = ({ value, context: { frames } }) =>
  frames.code?.retrying === true && (frames.code.result !== 'SUCCESS' || JSON.stringify(value).includes('"RMPUPDATE":"check"'));

/** rmpupdate() repeats the instruction itself, until it has the lock of the entry. */
export const repeatsUpdate: Waits = ({ value, context: { frames } }, options) => {
  const result = frames.code?.result;
  const isRetried = result === 'FAIL_OVERLAP' || (result === 'FAIL_INUSE' && options['kvm.rmpupdateRetry'] === 'overlap-and-inuse');
  return isRetried && JSON.stringify(value).includes('"rmpupdate":{"RMPUPDATE"');
};

/** snp_rmptable_psmash() repeats PSMASH itself, until it has the lock of the head. */
export const repeatsSmash: Waits = ({ value, context: { frames } }) =>
  frames.code?.result === 'FAIL_INUSE' && JSON.stringify(value).includes('"snp_rmptable_psmash":{"PSMASH"');

const retryBounded = leavesEach<HostThread>('rmp.retry-bounded', {
  kind: 'hostThread',
  source: 'domain snp h, I8, R5 and R6; SNP-27, SNP-28',
  grade: 'decision',
  each: ({ id, context: { frames } }) =>
    frames.code?.retrying === true ? `${id} retries RMPUPDATE on PFN ${hex(frames.code.pfn ?? 0)} and fails each time` : null,
});

const validatedImpliesAssigned = alwaysEach<RmpRegionContext>('rmp.validated-implies-assigned', {
  kind: 'rmpRegion',
  source: 'domain snp a.3: PVALIDATE and the launch commands require an assigned page',
  grade: 'memory',
  each: ({ context }) => {
    const bad = Object.entries(context.entries).find(([, entry]) => entry.validated && !entry.assigned);
    return bad ? `PFN ${hex(Number(bad[0]))} is validated but hypervisor-owned` : null;
  },
});

const inUseIsVmsa = alwaysEach<RmpRegionContext>('rmp.in-use-is-vmsa', {
  kind: 'rmpRegion',
  source: 'domain snp a.4 and h, I4: an entry in use is never modified',
  grade: 'read',
  each: ({ context }) => {
    const bad = context.inUse.find((pfn) => !context.entries[pfn]?.vmsa && !context.vmcbs?.includes(pfn));
    return bad === undefined ? null : `PFN ${hex(bad)} is in use by a running vCPU and is no longer a VMSA page`;
  },
});

const subCountIsTrue = alwaysEach<RmpRegionContext>('rmp.sub-count-is-true', {
  kind: 'rmpRegion',
  source: 'domain snp a.2 and h, I11: the head counts the entries that are assigned as 4K',
  grade: 'read',
  each: ({ id, context: { head, entries } }) => {
    const count = assignedAs4K(entries);
    return head === undefined || head.subCount === count ? null : `${id} counts ${head.subCount} frames as assigned, and ${count} are`;
  },
});

/** A secret of VMPL 0 that lies where another VMPL may read. */
const secretOpen = alwaysEach<RmpRegionContext>('rmp.secret-open', {
  kind: 'rmpRegion',
  source: 'coconut-svsm, kernel/src/protocols/core.rs, core_pvalidate_one(); domain snp h, R24',
  grade: 'read',
  each: ({ context: { entries, contents = {} } }) => {
    for (const [pfn, { asid, ...content }] of Object.entries(contents)) {
      const entry = entryAt(entries, Number(pfn));
      const isMoved = content.gfn !== undefined && content.gfn !== entry.gfn && asid === entry.asid;
      const vmpl = permsOf(entry).findIndex((mask, level) => level > 0 && (mask & 1) !== 0);
      if (isMoved && entry.validated && vmpl > 0) return `VMPL ${vmpl} may read, at GFN ${hex(entry.gfn)}, ${contentInWords(content)}`;
    }
    return null;
  },
});

/**
 * Judged as KVM maps: an entry that is split later, or whose frame goes, is a fault of the guest at
 * most.
 */
const mappingFits = alwaysEach<VmPagesContext>('rmp.mapping-fits', {
  kind: 'vmPages',
  source: 'arch/x86/kvm/svm/sev.c, sev_private_max_mapping_level(); domain snp c 12; SNP-65',
  grade: 'read',
  each: ({ id, context: { overmapped = [] } }) =>
    overmapped.length > 0 ? `${guestOf(id)} had GFN ${hex(overmapped[0]!)} mapped as 2M, and the entry was of 4K` : null,
});

const freedFrameIsHypervisors = always('rmp.freed-frame-is-hypervisors', {
  kinds: ['vmPages', 'rmpRegion'],
  source: 'domain snp h, I3: a frame on the free list is a page of the hypervisor',
  grade: 'read',
  check: (world) => {
    const freed = world.actors<VmPagesContext>('vmPages').flatMap(({ context }) => context.freed ?? []);
    const entries = world.actors<RmpRegionContext>('rmpRegion').map(({ context }) => context.entries);
    const kept = freed.flatMap((pfn) => entries.flatMap((some) => (some[pfn]?.assigned ? [{ pfn, entry: covering(some, pfn) }] : [])))[0];
    return kept === undefined ? null : `PFN ${hex(kept.pfn)} is free, and its RMP entry is still ${pageStateOf(kept.entry)}`;
  },
});

/** What is seen of a task: its own code, on any CPU. Of other actors all is seen. */
const seesCode: NonNullable<Property['sees']> = ({ value, context }) => {
  const { frames, entries } = context as { readonly frames?: Readonly<Record<string, unknown>>; readonly entries?: unknown };
  const code = (value as { readonly code?: unknown }).code ?? value;
  return JSON.stringify([code, frames?.code, frames?.guest, entries]);
};

/** Guards the model itself: a race that never happens proves nothing. */
const lockIsContended = sometimes('rmp.entry-lock-is-contended', {
  kinds: ['hostThread', 'vcpu'],
  source: `${THREAD}: "There is a lock for each RMP Entry so there is a race"`,
  grade: 'read',
  sees: seesCode,
  check: (world) => {
    const refused = [...world.actors<HostThread>('hostThread'), ...world.actors<Vcpu>('vcpu')].find(({ value, context }) => {
      const locals = (context.frames as Readonly<Record<string, { readonly result?: string }>>).code ?? context.frames.guest;
      return (locals?.result === 'FAIL_INUSE' || locals?.result === 'FAIL_OVERLAP') && /"(ret|spin|tryLock)"/.test(JSON.stringify(value));
    });
    return refused ? `${refused.id} met the lock of an RMP entry` : null;
  },
});

/** A vCPU has faulted on the size of an entry, and another vCPU's handler has split it since. */
const splitIsSpurious = sometimes('rmp.split-is-spurious', {
  kinds: ['hostThread'],
  source: 'arch/x86/kvm/svm/sev.c, sev_handle_rmp_fault(); domain snp h, R9',
  grade: 'read',
  check: (world) => {
    const late = world
      .actors<HostThread>('hostThread')
      .find(({ value }) => JSON.stringify(value).includes('"sev_handle_rmp_fault":"trace_kvm_rmp_fault"'));
    return late ? `${late.id} handles a fault on a 2M entry that is split already` : null;
  },
});

/** PVALIDATE of 2M has failed by its size, and the guest goes on with 4K. */
const fallsBackTo4K = sometimes('rmp.falls-back-to-4k', {
  kinds: ['vcpu'],
  source: 'arch/x86/coco/sev/shared.c, pvalidate_pages(); domain snp b.3, e.3',
  grade: 'read',
  check: (world) => {
    const back = world.actors<Vcpu>('vcpu').find(({ value }) => JSON.stringify(value).includes('"fall_back_to_4k"'));
    return back ? `${back.id} validates page by page what is no 2M entry any more` : null;
  },
});

/** A host thread that stands before a store to a page which has turned private. */
const storesToPrivate = (world: WorldView): string | null => {
  const entries: RmpRegionContext['entries'] = Object.assign(
    {},
    ...world.actors<RmpRegionContext>('rmpRegion').map(({ context }) => context.entries),
  );
  const writer = world.actors<HostThread>('hostThread').find(({ value, context }) => {
    const pfn = context.frames.code?.pfn;
    return pfn !== undefined && entries[pfn]?.assigned === true && JSON.stringify(value).includes('"store"');
  });
  return writer ? `${writer.id} is about to store to PFN ${hex(writer.context.frames.code!.pfn!)}, which is private now` : null;
};

/** A page-state change that was refused because host code holds the page. */
const waitsForHost = (world: WorldView): string | null => {
  const waiter = world
    .actors<HostThread>('hostThread')
    .find(({ value }) => JSON.stringify(value).includes('"synchronize_page_state":"schedule"'));
  return waiter ? `${waiter.id} waits with a page-state change until host code lets go of the page` : null;
};

/** VMRUN has found no VMSA, and KVM_RUN ends for it. */
const entryIsInvalid = sometimes('rmp.entry-is-invalid', {
  kinds: ['hostThread'],
  source: 'arch/x86/kvm/svm/svm.c, svm_handle_exit(), SVM_EXIT_ERR; domain snp h, R14',
  grade: 'read',
  check: (world) => {
    const refused = world.actors<HostThread>('hostThread').find(({ context }) => context.frames.code?.exit?.reason === 'INVALID');
    return refused ? `${refused.id} had VMEXIT_INVALID: the page that KVM has for the VMSA of its vCPU is none` : null;
  },
});

const pscMeetsHostWrite = sometimes('rmp.psc-meets-host-write', {
  kinds: ['rmpRegion', 'hostThread'],
  source: `${THREAD}: the guest converts a page while host code works on it`,
  grade: 'read',
  sees: seesCode,
  check: (world) => storesToPrivate(world) ?? waitsForHost(world),
});

/** RMPUPDATE can refuse, and the guest that has asked must not take the page for changed. */
const pscRefusalTold = sometimes('rmp.psc-refusal-told', {
  kinds: ['vcpu'],
  source: 'series v5, patch 38, snp_handle_page_state_change(); arch/x86/coco/sev/core.c, vmgexit_psc(); domain snp e.3',
  grade: 'read',
  check: (world) => {
    const told = world.actors<Vcpu>('vcpu').find(({ value }) => JSON.stringify(value).includes('"vmgexit_psc":{"sev_es_terminate"'));
    return told ? `${told.id} was told that its page was not changed, and ends its guest` : null;
  },
});

export const snpProperties: readonly Property[] = [
  hostPanic,
  innocentProcessKilled,
  guestPageLost,
  silentCorruption,
  guestKilled,
  guestEndsItself,
  vmBugged,
  retryBounded,
  validatedImpliesAssigned,
  inUseIsVmsa,
  subCountIsTrue,
  secretOpen,
  mappingFits,
  freedFrameIsHypervisors,
  lockIsContended,
  splitIsSpurious,
  fallsBackTo4K,
  entryIsInvalid,
  pscMeetsHostWrite,
  pscRefusalTold,
  ...policyProperties,
  ...accessProperties,
  ...pspProperties,
];
