/**
 * SNP-43, SNP-66 to SNP-68, and R12: what a fault tells, and the host's own mappings.
 * @see domain snp c, d.2, g, h
 */
import assert from 'node:assert/strict';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { HostMapContext } from '../../../actors/sev-snp/host-map.ts';
import type { RmpRegionContext } from '../../../actors/sev-snp/rmp-region.ts';
import { vmcbPage } from '../../../sim/mechanisms/sev-snp/topology.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { finish, type Line, to, until } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

/** EXITINFO1 of the guest's nested faults, in order. */
const nestedCodes = (played: Played) =>
  played
    .delivered('vmexit')
    .filter(({ payload }) => payload.reason === 'NPF')
    .map(({ payload }) => (payload.info as { readonly errorCode?: number }).errorCode);
/** Error codes of #PF, in order. */
const hostCodes = (played: Played) => played.delivered('rmp.hostWritten').flatMap(({ payload }) => payload.errorCode ?? []);

const NEIGHBOUR = 'rmp-direct-map-neighbour';
const SPLIT = 'rmp-user-mapping-split';
const QEMU = 'thread:qemu0/0';
const VHOST1 = 'thread:vhost1/0';
const ZAP = 'thread:netd/1';
const DIRECT_MAP = 'hostmap:kernel/0x1000';
const mapped = (played: Played, id = DIRECT_MAP) => {
  const { size, holes } = played.context<HostMapContext>(id);
  return [size, holes];
};
const PANIC = 'RMP violation by the host kernel (PFN 0x1006)';
/** A page becomes private, and the kernel then writes the page beside it. */
const beside = (variant: string, mutant: s.Mutant, ...lines: readonly Line[]) =>
  s.told(s.unchecked(shipped(NEIGHBOUR, variant)), mutant, ...lines, s.over(VHOST1));
const givenAway: Line = to(QEMU, 'kvm_rmp_make_shared.ioctl');

const ERRATUM = 'rmp-in-use-erratum';
/** The kernel stores while the vCPU is in guest mode. */
const runs = (variant: string, mutant: s.Mutant) =>
  s.told(s.unchecked(shipped(ERRATUM, variant)), mutant, to(w.VCPU, 'svm_vcpu_run.guest'), s.over(VHOST1));
const inUseOf = (played: Played) => played.delivered('rmp.use').map(({ payload }) => payload.pfn);

/** As the shipped scenario, with a CPU for each thread. */
const zapped = w.world(
  { vm0: w.vm([w.page('shared')]), vm1: w.vm([w.page('shared', 0x6)]) },
  {
    netd: [[w.dmaWrite(1, 0x6, 'vm1')], [{ 'zap-mapping': { vm: 'vm1', gfn: 0x6 } }]],
    qemu0: [[{ 'make-private': { vm: 'vm0', gfn: w.GFN } }]],
  },
  {},
  { mappings: [{ of: 'netd', pfn: 0x1000, size: '2M' }] },
);

export const SNP_ACCESS_CLAIMS: readonly Claim[] = [
  {
    id: 'SNP-43',
    source: 'domain snp g; series v5, patch 14',
    verdict: 'holds',
    says: 'series v5 takes a page out of the direct map when a guest gets it and maps it again when it is shared; others split the mapping',
    shows: [
      keeps(NEIGHBOUR, 'remove', 'rmp.host-panic', 'snp-map-kept', 'snp-map-not-restored'),
      keeps(NEIGHBOUR, 'split', 'rmp.host-panic', 'snp-map-unsplit'),
    ],
    not: 'the failure of a split for want of memory',
    mutants: ['snp-map-kept', 'snp-map-not-restored', 'snp-map-unsplit'],
    check: (mutant) => {
      const removed = beside('remove', mutant, givenAway);
      assert.deepEqual([mapped(removed), w.panicOf(removed)], [['4K', []], null]);
      assert.deepEqual([removed.delivered('hostmap.remove').length, removed.delivered('hostmap.restore').length], [1, 1]);
      assert.deepEqual(w.hostStores(removed), [false, false]);
      const split = beside('split', mutant, givenAway);
      assert.deepEqual([mapped(split), w.panicOf(split), w.hostStores(split)], [['4K', []], null, [false, false]]);
    },
  },
  {
    id: 'SNP-67',
    source: 'domain snp g, d.2',
    verdict: 'holds',
    says: "a process' fault by a huge mapping on a shared page has the mapping split and the store repeated, with no signal",
    shows: [
      keeps(SPLIT, 'thp', 'rmp.fault-resolved', 'snp-map-unsplit'),
      keeps(SPLIT, 'thp', 'rmp.innocent-process-killed', 'snp-fault-no-reread'),
      breaks(SPLIT, 'hugetlbfs', 'rmp.fault-resolved', 'rmp-huge-as-small'),
    ],
    mutants: ['snp-map-unsplit', 'snp-fault-no-reread', 'rmp-huge-as-small'],
    check: (mutant) => {
      const played = s.told(s.unchecked(shipped(SPLIT, 'thp')), mutant, finish(QEMU), s.over(w.NETD));
      assert.deepEqual([w.hostStores(played), w.signalOf(played)], [[true, false], null]);
      assert.deepEqual(mapped(played, 'hostmap:netd/0x1000')[0], '4K');
    },
  },
  {
    id: 'SNP-68',
    source: 'domain snp g, d.2',
    verdict: 'holds',
    says: 'a process whose mapping is gone when its fault is handled repeats the store, which faults it in',
    shows: [keeps(SPLIT, 'thp', 'rmp.innocent-process-killed', 'snp-unmapped-kills')],
    mutants: ['snp-unmapped-kills', 'rmp-huge-as-small'],
    check: (mutant) => {
      const looks = to(w.NETD, 'exc_page_fault.lookup_address_in_pgd');
      const played = s.told(zapped, mutant, finish(QEMU), looks, finish(ZAP), s.over(w.NETD));
      assert.deepEqual(hostCodes(played), [0x8000_0007, 0x6]);
      assert.deepEqual([w.hostStores(played), w.signalOf(played)], [[true, true, false], null]);
    },
  },
  {
    id: 'SNP-64',
    source: 'domain snp g; kernel commit 75253db41a46',
    verdict: 'holds',
    says: 'the frame of a VMCB is never aligned to 2 MiB, so that no store beside it meets the erratum',
    shows: [
      keeps(ERRATUM, 'unaligned', 'rmp.host-panic', 'rmp-erratum-any-frame'),
      breaks(ERRATUM, 'first', 'rmp.host-panic', 'rmp-vmcb-unmarked', 'rmp-huge-as-small'),
    ],
    not: 'AVIC pages, which are not there, and VMSAs that KVM allocates, whose frame the scenario gives',
    mutants: ['rmp-erratum-any-frame', 'rmp-vmcb-unmarked'],
    check: (mutant) => {
      for (const first of [0x1000, 0x1001, 0x11ff, 0x1200]) assert.notEqual(vmcbPage(first, 'unaligned') % 512, 0);
      assert.deepEqual([vmcbPage(0x1000, 'first'), vmcbPage(0x1001, 'unaligned')], [0x1000, 0x1001]);
      assert.equal(w.panicOf(runs('first', mutant)), PANIC);
      const marks = [...new Set(inUseOf(runs('unaligned', mutant)))];
      assert.deepEqual([marks, w.panicOf(runs('unaligned', mutant))], [[0x1001], null]);
    },
  },
  {
    id: 'SNP-66',
    source: 'domain snp g; arch/x86/include/asm/kvm_host.h, PFERR_GUEST_*',
    verdict: 'holds',
    says: '#NPF has a code of 64 bits, whose upper half the handler needs, and #PF that of the kernel or of a process',
    shows: [
      keeps('rmp-split-twice', 'inuse', 'cpu.progress', 'rmp-npf-low-half', 'rmp-npf-no-size'),
      breaks('rmp-host-write-race', 'panic-sigbus', 'rmp.innocent-process-killed', 'rmp-pf-no-user'),
    ],
    why: 'which bits an exit has is in records and stories; a property sees what the handler makes of them',
    not: 'WALK and VMPL, which no access of a program can cause',
    mutants: ['rmp-npf-low-half', 'rmp-npf-no-size', 'rmp-pf-no-user'],
    check: (mutant) => {
      const shared = s.inOrder(w.oneGuest([w.page('shared')], [w.pvalidate(), w.write(true)], {}), mutant);
      assert.deepEqual(nestedCodes(shared), [0x5_8000_0005]);
      const stored = s.inOrder(w.oneGuest([w.page('shared')], [w.write(true)], {}), mutant);
      assert.equal(nestedCodes(stored)[0], 0x5_8000_0007);
      const made = s.inOrder(w.oneGuest([w.page('guest-valid')], [w.write(false)], {}), mutant);
      assert.deepEqual(nestedCodes(made), [0x1_8000_0007]);
      const huge = { ...w.page('guest-valid', 0x200, 0x1000), frames: 2 };
      assert.deepEqual(nestedCodes(s.inOrder(w.oneGuest([huge], [w.rmpadjust(false, 0x200)], {}), mutant)), [0xd_8000_0005]);
      assert.deepEqual(hostCodes(s.daemonMeetsPrivate(s.P0, mutant)), [0x8000_0007]);
      assert.deepEqual(hostCodes(s.kernelIsOvertaken(s.P0, mutant)), [0x8000_0003]);
    },
  },
];

/** The page is freed with its mapping removed, and the guest stores while that is under way. */
const flushes = w.oneGuest(
  [w.page('guest-valid')],
  [w.write(true), w.write(true)],
  { gmem: [[{ 'punch-hole': { vm: 'vm0', gfn: w.GFN } }]] },
  { 'rmp.tlb': 'stale' },
);
/** Frames that a guest stored to by an old translation. */
const strayed = (played: Played) => played.context<RmpRegionContext>('rmp:0x1000').strayed ?? [];
/** The first store is made, the page is freed, and the guest goes on. */
const freesBetween = (variant: string, mutant: s.Mutant) => {
  const first = until(w.VCPU, 'it has stored once', (scene) => scene.context<Vcpu>(w.GUEST).pc === 1);
  return s.told(s.unchecked(shipped('rmp-stale-translation', variant)), mutant, first, finish(w.GMEM));
};

export const SNP_ACCESS_RACES: readonly Checked[] = [
  {
    id: 'R25',
    says: 'a guest stores by a translation from before its page was freed; mappings removed and TLBs flushed before RMPUPDATE cure it, and either alone does not',
    mutants: ['snp-zap-no-flush', 'snp-flush-no-zap', 'snp-flush-nothing'],
    check: (mutant) => {
      assert.deepEqual(strayed(freesBetween('unflushed', mutant)), [0x1005]);
      assert.deepEqual(strayed(freesBetween('flushed', mutant)), []);
      assert.deepEqual(strayed(freesBetween('coherent', mutant)), []);
      const refills = until(w.VCPU, 'it has stored, or is refused', (scene) => {
        return scene.context<Vcpu>(w.GUEST).pc === 1 || scene.at(w.VCPU).includes('RET_PF_RETRY');
      });
      assert.deepEqual(strayed(s.told(flushes, mutant, to(w.GMEM, 'RMPUPDATE.tryLock'), refills, finish(w.GMEM))), []);
    },
  },
  {
    id: 'R28',
    says: 'an entry on a CPU where the vCPU did not run last flushes its ASID there; left out, the guest stores by what that CPU has kept',
    mutants: ['snp-flush-nothing', 'rmp-vc-first'],
    check: (mutant) => {
      const back = (variant: string) => s.inOrder(s.unchecked(shipped('rmp-stale-migration', variant)), mutant);
      assert.deepEqual([strayed(back('left-out')), w.accesses(back('left-out'))], [[0x1005], ['ok']]);
      assert.deepEqual([strayed(back('flush-if-moved')), w.accesses(back('flush-if-moved'))[0]], [[], 'npf']);
    },
  },
  {
    id: 'R13',
    says: 'a store of the kernel by a 2M mapping beside an aligned VMCB in use panics on early silicon; an unaligned VMCB, or later silicon, does not',
    mutants: ['rmp-vmcb-unmarked', 'rmp-erratum-any-frame'],
    check: (mutant) => {
      assert.deepEqual([w.panicOf(runs('first', mutant)), hostCodes(runs('first', mutant))], [PANIC, [0x8000_0003]]);
      for (const variant of ['unaligned', 'later-silicon']) {
        assert.deepEqual([w.panicOf(runs(variant, mutant)), w.hostStores(runs(variant, mutant))], [null, [false]]);
      }
    },
  },
  {
    id: 'R12',
    says: 'the kernel writes a shared page by a 2M mapping beside a private one and panics; a split before RMPUPDATE cures it, one after it does not',
    mutants: ['rmp-huge-as-small', 'snp-map-unsplit'],
    check: (mutant) => {
      const untouched = beside('untouched', mutant, givenAway);
      assert.deepEqual([w.panicOf(untouched), hostCodes(untouched)], [PANIC, [0x8000_0003]]);
      assert.equal(w.entryOf(untouched, 0x1006).assigned, false);
      const before = beside('split', mutant, to(QEMU, 'rmp_make_private.rmpupdate.RMPUPDATE.unlock'));
      assert.deepEqual([w.panicOf(before), mapped(before)[0]], [null, '4K']);
      assert.equal(w.panicOf(beside('split-after', mutant, to(QEMU, 'adjust_direct_map.lookup_address'))), PANIC);
      assert.equal(w.panicOf(beside('split-after', mutant, givenAway)), null);
    },
  },
];
