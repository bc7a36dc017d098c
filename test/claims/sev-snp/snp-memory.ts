/**
 * SNP-47, R16: memory that KSM scans, and frames that the host's allocator gives to guests.
 * @see domain snp h
 */
import assert from 'node:assert/strict';
import type { AllocatorContext } from '../../../actors/sev-snp/page-allocator.ts';
import { shipped } from '../../sim/play.ts';
import { finish } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const KSM = 'ksm-private-page';
const TABLE_END = 'rmp-table-end';
/** The first VM takes two frames before the second takes one. */
const firstTakesTwo = (variant: string, mutant: s.Mutant) =>
  s.told(s.unchecked(shipped(TABLE_END, variant)), mutant, finish('thread:qemu0/0'));

export const SNP_MEMORY_CLAIMS: readonly Claim[] = [
  {
    id: 'SNP-47',
    source: 'domain snp g',
    verdict: 'holds',
    says: 'KSM leaves out the mapping of private pages; where it did not, its store to one faults, and the host panics',
    shows: [
      keeps(KSM, 'unmergeable', 'rmp.host-panic', 'snp-ksm-scans-all'),
      breaks(KSM, 'mergeable', 'rmp.host-panic', 'rmp-host-write-unchecked'),
    ],
    mutants: ['snp-ksm-scans-all', 'rmp-host-write-unchecked'],
    check: (mutant) => {
      const scans = (ksm: 'unmergeable' | 'mergeable', state: 'shared' | 'guest-valid') => {
        const world = w.world({ vm0: w.vm([w.page(state)]) }, { ksmd: [[{ 'ksm-scan': { vm: 'vm0', gfn: w.GFN } }]] }, { 'kvm.ksm': ksm });
        const played = s.inOrder(world, mutant);
        return [w.hostStores(played), w.panicOf(played) !== null];
      };
      assert.deepEqual(scans('unmergeable', 'guest-valid'), [[], false]);
      assert.deepEqual(scans('mergeable', 'guest-valid'), [[true], true]);
      assert.deepEqual(scans('mergeable', 'shared'), [[false], false]);
    },
  },
];

export const SNP_MEMORY_RACES: readonly Checked[] = [
  {
    id: 'R16',
    says: 'RMPUPDATE refuses a frame behind the end of the RMP, to whom the allocator gives it; reserved in memblock it is given to none',
    mutants: ['rmp-update-table-end', 'snp-end-not-in-memblock'],
    check: (mutant) => {
      for (const variant of ['e820-alone', 'unreserved']) {
        const given = firstTakesTwo(variant, mutant);
        assert.deepEqual(given.context<AllocatorContext>('frames').refused, { vm: 'vm0', pfn: 0x56700 });
        assert.ok(w.updateResults(given).includes('FAIL_PERMISSION'));
        assert.deepEqual([w.entryOf(given, 0x56700).assigned, w.entryOf(given, 0x56000).assigned], [false, true]);
      }
      for (const run of [firstTakesTwo('reserved', mutant), ...s.runsOf(s.unchecked(shipped(TABLE_END, 'reserved')), 20, mutant)]) {
        assert.deepEqual(
          [run.context<AllocatorContext>('frames').refused, w.updateResults(run).includes('FAIL_PERMISSION')],
          [null, false],
        );
      }
    },
  },
];
