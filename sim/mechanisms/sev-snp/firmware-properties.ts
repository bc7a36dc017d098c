/** What must hold of guest contexts, ASIDs and the firmware that knows them. */
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { AsidsContext } from '../../../actors/sev-snp/asid-bitmaps.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import { always, alwaysEach, type Property, sometimes } from '../../property.ts';
import { hex, type WorldView } from '../../view.ts';
import { pagesIn } from './page-states.ts';

const guestsIn = ({ context }: { readonly context: PspContext }) => Object.entries(context.snp?.guests ?? {});
const contextPages = (world: WorldView): readonly number[] =>
  pagesIn(world)
    .filter(({ state }) => state === 'Context')
    .map(({ pfn }) => pfn);

/** I10: the caches may hold lines of the guest that had the ASID before. */
const asidFlushed = alwaysEach<PspContext>('psp.asid-flushed', {
  kind: 'psp',
  source: 'kernel arch/x86/kvm/svm/sev.c, sev_flush_asids(); domain snp h, I10',
  grade: 'read',
  each: (psp) => {
    const { unflushed = [] } = psp.context.snp ?? {};
    const [pfn, guest] = guestsIn(psp).find(([, { asid }]) => asid !== null && unflushed.includes(asid)) ?? [];
    return guest === undefined
      ? null
      : `the guest with context PFN ${hex(Number(pfn))} has ASID ${guest.asid}, which no SNP_DF_FLUSH has freed`;
  },
});

/** The same earlier: what KVM takes for free has been flushed. */
const freeAsidFlushed = always('psp.free-asid-is-flushed', {
  kinds: ['psp', 'asidBitmaps'],
  source: 'kernel arch/x86/kvm/svm/sev.c, __sev_recycle_asids(), sev_asid_free(); domain snp h, I10, R19',
  grade: 'read',
  check: (world) => {
    const unflushed = world.actors<PspContext>('psp').flatMap(({ context }) => context.snp?.unflushed ?? []);
    const used = world.actors<AsidsContext>('asidBitmaps').map(({ context }) => context.used)[0];
    const free = unflushed.find((asid) => used?.includes(asid) === false);
    return free === undefined ? null : `KVM takes ASID ${free} for free, which no SNP_DF_FLUSH has freed`;
  },
});

/** A VM is refused an ASID although guests have given theirs up. */
const asidRecycled = alwaysEach<HostThread>('psp.asid-recycled', {
  kind: 'hostThread',
  source: 'kernel arch/x86/kvm/svm/sev.c, sev_flush_asids(): the lock guards the WBINVD indicator; domain snp h, R19',
  grade: 'read',
  each: ({ id, context }) => (context.asidNew === 'EBUSY' ? `${id} got no ASID for its VM` : null),
});

const asidOfOne = alwaysEach<PspContext>('psp.asid-of-one-guest', {
  kind: 'psp',
  source: 'SEV-SNP firmware ABI, "SNP_ACTIVATE"; domain snp f.3',
  grade: 'memory',
  each: (psp) => {
    const asids = guestsIn(psp).flatMap(([, { asid }]) => (asid === null ? [] : [asid]));
    const twice = asids.find((asid, i) => asids.indexOf(asid) !== i);
    return twice === undefined ? null : `two guests have ASID ${twice}`;
  },
});

const contextIsGuest = always('psp.context-page-is-a-guest', {
  kinds: ['psp', 'rmpRegion'],
  source: 'domain snp a.3, f.3; SNP-60: the firmware makes and ends Context pages',
  grade: 'read',
  check: (world) => {
    const guests = world
      .actors<PspContext>('psp')
      .flatMap(guestsIn)
      .map(([pfn]) => Number(pfn));
    const pages = contextPages(world);
    const lost = guests.find((pfn) => !pages.includes(pfn));
    if (lost !== undefined) return `the firmware has a guest with context PFN ${hex(lost)}, and the page is no Context page`;
    const left = pages.find((pfn) => !guests.includes(pfn));
    return left === undefined ? null : `PFN ${hex(left)} is a Context page, and the firmware knows no such guest`;
  },
});

/** What a thread was told of its last command. */
const told = (id: string, command: string, status: string, source: string): Property =>
  sometimes(id, {
    kinds: ['hostThread'],
    source,
    grade: 'read',
    check: (world) => {
      const thread = world
        .actors<HostThread>('hostThread')
        .find(({ context: { firmwareTold: last } }) => last?.command === command && last.status === status);
      return thread ? `${thread.id} was told ${status} for ${command}` : null;
    },
  });

const shutdownRefused = told(
  'psp.shutdown-refused',
  'SNP_SHUTDOWN_EX',
  'DFFLUSH_REQUIRED',
  'kernel thread on host kdump, August 2024; domain snp d.3, f.3',
);
const flushRefused = told(
  'psp.flush-refused',
  'SNP_DF_FLUSH',
  'WBINVD_REQUIRED',
  'kernel thread on host kdump, August 2024; domain snp f.3',
);

const SEV = 'kernel arch/x86/kvm/svm/sev.c';
const cpuidRefused = told(
  'psp.cpuid-page-refused',
  'SNP_LAUNCH_UPDATE',
  'INVALID_PARAM',
  `${SEV}, sev_gmem_post_populate(); domain snp f.3`,
);
const idBlockRefused = told(
  'psp.id-block-refused',
  'SNP_LAUNCH_FINISH',
  'BAD_MEASUREMENT',
  'SEV-SNP firmware ABI, "SNP_LAUNCH_FINISH"; domain snp f.7',
);

const guestLaunched = sometimes('psp.guest-launched', {
  kinds: ['psp'],
  source: `${SEV}, snp_launch_finish(); domain snp f.5`,
  grade: 'read',
  check: (world) => {
    const [pfn] =
      world
        .actors<PspContext>('psp')
        .flatMap(guestsIn)
        .find(([, { state }]) => state === 'RUNNING') ?? [];
    return pfn === undefined ? null : `the guest with context PFN ${hex(Number(pfn))} is launched`;
  },
});

export const firmwareProperties: readonly Property[] = [
  asidFlushed,
  freeAsidFlushed,
  asidRecycled,
  asidOfOne,
  contextIsGuest,
  shutdownRefused,
  flushRefused,
  cpuidRefused,
  idBlockRefused,
  guestLaunched,
];
