/**
 * R16: frames that the host's allocator gives to guests.
 * @see domain snp h
 */
import assert from 'node:assert/strict';
import type { AllocatorContext } from '../../../actors/sev-snp/page-allocator.ts';
import { shipped } from '../../sim/play.ts';
import { finish } from '../../sim/steer.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const TABLE_END = 'rmp-table-end';
/** The first VM takes two frames before the second takes one. */
const firstTakesTwo = (variant: string, mutant: s.Mutant) =>
  s.told(s.unchecked(shipped(TABLE_END, variant)), mutant, finish('thread:qemu0/0'));

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
