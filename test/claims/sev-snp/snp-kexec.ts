/**
 * SNP-12 to SNP-14, SNP-62, R17 and R18: the kernel of the host is replaced.
 * @see domain snp d.3, g, h
 */
import assert from 'node:assert/strict';
import type { PlatformContext } from '../../../actors/sev-snp/snp-platform.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { to, until } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import { panicsBesideCommand } from './snp-mailbox.ts';
import * as s from './snp-worlds.ts';

const holds = { source: 'domain snp g', verdict: 'holds' } as const;
const PRIVATE = 'kexec-private-page';
const KDUMP = 'kdump-shutdown';
const HELD = 'kdump-mailbox-held';
const COUNT = 'kexec-iommu-count';
const ADMIN = 'thread:admin/0';

const platformOf = (played: Played) => played.context<PlatformContext>('snp-platform');
const bootOf = (played: Played) => platformOf(played).next?.boot ?? null;
const after = (scenario: string, variant: string, mutant: s.Mutant) => s.inOrder(s.unchecked(shipped(scenario, variant)), mutant);
const over = until(ADMIN, 'the next kernel has booted, or panicked', (scene) => /(?:replaced|halted)$/.test(scene.at(ADMIN)));
/** The guest runs, and does not leave guest mode by itself, when the kernel is replaced. */
const inGuest = (variant: string, mutant: s.Mutant) =>
  s.told(s.unchecked(shipped(PRIVATE, variant)), mutant, to(w.VCPU, 'svm_vcpu_run.guest'), over);
const commands = (played: Played): unknown[] => played.delivered('platform.done').map(({ payload }) => payload.status);

export const SNP_KEXEC_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-12',
    says: 'the RMP outlives the kernel: the next one that stores to a page of a guest panics, shares it under auto-share, or finds the checks ended',
    shows: [
      breaks(PRIVATE, 'strict', 'rmp.host-panic', 'snp-kexec-zeroes'),
      keeps(PRIVATE, 'auto-share', 'rmp.host-panic', 'snp-share-known-owners'),
    ],
    mutants: ['snp-kexec-zeroes', 'snp-share-known-owners'],
    check: (mutant) => {
      const strict = after(PRIVATE, 'strict', mutant);
      assert.deepEqual([w.panicOf(strict) !== null, bootOf(strict), w.entryOf(strict).assigned], [true, 'under way', true]);
      const shared = after(PRIVATE, 'auto-share', mutant);
      assert.deepEqual([w.panicOf(shared), bootOf(shared), w.hostStores(shared)], [null, 'done', [true, false]]);
      const ended = after(PRIVATE, 'checks-ended', mutant);
      assert.deepEqual([w.panicOf(ended), bootOf(ended), w.hostStores(ended)], [null, 'done', [false]]);
    },
  },
  {
    ...holds,
    id: 'SNP-13',
    says: 'under auto-share the next kernel boots without any state of the last one: it finds the owner of a page in the RMP alone',
    shows: [
      keeps(PRIVATE, 'auto-share', 'rmp.host-panic', 'snp-share-known-owners'),
      keeps(PRIVATE, 'auto-share', 'snp.next-kernel-boots', 'snp-kexec-no-shutdown'),
    ],
    mutants: ['snp-share-known-owners', 'snp-kexec-no-shutdown'],
    check: (mutant) => {
      const played = after(PRIVATE, 'auto-share', mutant);
      assert.deepEqual([bootOf(played), w.entryOf(played).assigned, platformOf(played).initialized], ['done', false, false]);
    },
  },
  {
    ...holds,
    id: 'SNP-14',
    says: 'no guest goes on after a kexec, and what it had in memory is lost to it once the next kernel has used the frame',
    shows: [
      keeps(PRIVATE, 'auto-share', 'snp.old-kernel-is-over', 'kexec-no-wait'),
      keeps(KDUMP, 'before-stop', 'snp.old-kernel-is-over', 'kexec-no-wait'),
    ],
    mutants: ['kexec-no-wait', 'snp-share-known-owners'],
    check: (mutant) => {
      for (const played of [inGuest('auto-share', mutant), ...s.runsOf(s.unchecked(shipped(PRIVATE, 'auto-share')), 20, mutant)]) {
        const kexec = played.records.findIndex(({ kind, type }) => kind === 'deliver' && type === 'platform.kexec');
        const later = played.records.slice(kexec).filter(({ kind, actor }) => kind === 'deliver' && /^(?:vcpu|thread:qemu0)/.test(actor));
        assert.deepEqual([kexec > 0, later.length], [true, 0]);
        assert.deepEqual([w.entryOf(played).assigned, w.entryOf(played).validated], [false, false]);
      }
    },
  },
  {
    ...holds,
    id: 'SNP-62',
    says: 'the firmware is shut down before the next kernel, which else hangs with an IOMMU that enforces the RMP',
    shows: [
      keeps(PRIVATE, 'auto-share', 'snp.next-kernel-boots', 'snp-kexec-no-shutdown', 'snp-no-second-shutdown'),
      breaks(KDUMP, 'after-stop', 'snp.next-kernel-boots', 'psp-decommission-untagged'),
      keeps(KDUMP, 'before-stop', 'snp.next-kernel-boots', 'snp-nmi-no-wbinvd', 'snp-no-second-shutdown'),
      keeps(HELD, 'default', 'psp.command-awaited', 'snp-panic-ignores-mutex'),
    ],
    mutants: ['snp-kexec-no-shutdown', 'snp-no-second-shutdown'],
    check: (mutant) => {
      const played = after(PRIVATE, 'checks-ended', mutant);
      assert.deepEqual([bootOf(played), platformOf(played).platform.firmware], ['done', 'UNINIT']);
      assert.deepEqual(commands(played), ['SUCCESS', 'DFFLUSH_REQUIRED', 'SUCCESS', 'SUCCESS']);
      assert.equal(bootOf(after(PRIVATE, 'not-shut-down', mutant)), 'hung');
    },
  },
];

export const SNP_KEXEC_RACES: readonly Checked[] = [
  {
    id: 'R17',
    says: 'after a panic SNP_SHUTDOWN_EX needs the guests decommissioned and WBINVD on each CPU, which comes too late once they have stopped; in the middle of a command nothing is shut down',
    mutants: ['snp-nmi-no-wbinvd', 'psp-decommission-untagged', 'snp-panic-ignores-mutex', 'psp-polled-interrupts'],
    check: (mutant) => {
      const ends = ['never', 'after-stop', 'before-stop'].map((variant) => {
        const played = after(KDUMP, variant, mutant);
        return [bootOf(played), ...commands(played)];
      });
      assert.deepEqual(ends, [
        ['hung', 'DFFLUSH_REQUIRED', 'SUCCESS', 'DFFLUSH_REQUIRED'],
        ['hung', 'SUCCESS', 'DFFLUSH_REQUIRED', 'WBINVD_REQUIRED'],
        ['done', 'SUCCESS', 'DFFLUSH_REQUIRED', 'SUCCESS', 'SUCCESS'],
      ]);
      panicsBesideCommand(mutant);
    },
  },
  {
    id: 'R18',
    says: 'firmware before 1.53 leaves the count of the IOMMU pages in the head: a store beside them through a 2M mapping faults in the next kernel',
    mutants: ['rmp-release-miscounts', 'snp-iommu-not-shared'],
    check: (mutant) => {
      const count = (played: Played) => played.context<{ readonly head: { readonly subCount: number } }>('rmp:0x1800').head.subCount;
      const miscounted = after(COUNT, 'miscounted', mutant);
      assert.deepEqual([w.panicOf(miscounted) !== null, w.entryOf(miscounted, 0x1800).assigned, count(miscounted)], [true, false, 1]);
      const reclaimed = after(COUNT, 'reclaimed', mutant);
      assert.deepEqual([w.panicOf(reclaimed), w.entryOf(reclaimed, 0x1800).assigned, count(reclaimed)], [null, false, 0]);
    },
  },
];
