/**
 * SNP-65 and R27: what guest_memfd makes of 2 MiB, and how KVM maps it.
 * @see domain snp g, h; e.3, Flow A, step 8
 */
import assert from 'node:assert/strict';
import type { PageSetup } from '../../../sim/mechanisms/sev-snp/sections.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { finish, to } from '../../sim/steer.ts';
import { type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const PREPARE = 'rmp-prepare-2m';
const GFN = 0x200;
const HEAD = 0x1000;
const FIRST = 'thread:qemu0/0';
const SECOND = 'thread:qemu1/0';
const folio = { ...w.page('shared', GFN, HEAD), frames: 2 };

/** Each GFN is mapped by a thread of its own, in order. */
const mapped = (pages: readonly PageSetup[], gfns: readonly number[], mutant: s.Mutant): Played =>
  s.inOrder(w.world({ vm0: w.vm(pages) }, { vmm: gfns.map((gfn) => [w.preFault(gfn)]) }), mutant);
const updates = (played: Played) => played.delivered('rmp.writeUpdate').map(({ payload }) => `${payload.pageSize} ${payload.pfn}`);
const entries = (played: Played) => [HEAD, HEAD + 1].map((pfn) => w.entryOf(played, pfn).pageSize);

export const SNP_GMEM_CLAIMS: readonly Claim[] = [
  {
    id: 'SNP-65',
    source: 'domain snp g',
    verdict: 'holds',
    says: 'KVM maps a page as large as its RMP entry is: 4K of an entry of 4K, also if the folio has 2 MiB',
    shows: [keeps(PREPARE, 'alignment', 'rmp.mapping-fits', 'snp-map-unclamped')],
    not: 'a mapping that stays while the entry is split: those that faults make are not kept',
    mutants: ['snp-map-unclamped', 'rmp-read-own-slot'],
    check: (mutant) => {
      const whole = mapped([folio], [GFN + 1], mutant);
      assert.deepEqual([entries(whole), w.pagesOf(whole).mapped], [['2M', '4K'], { [GFN]: '2M' }]);
      const third = w.page('guest-valid', GFN + 2, HEAD + 2);
      const begun = mapped([folio, third], [GFN, GFN + 1], mutant);
      assert.deepEqual([entries(begun), w.pagesOf(begun).mapped], [['4K', '4K'], { [GFN]: '4K', [GFN + 1]: '4K' }]);
    },
  },
];

export const SNP_GMEM_RACES: readonly Checked[] = [
  {
    id: 'R27',
    says: 'a look at each entry of 2 MiB does not keep another guest out: RMPUPDATE of 2M overlaps without end; a folio of the guest alone does',
    mutants: ['snp-prepare-unchecked', 'snp-prepare-always', 'snp-update-never-retries'],
    check: (mutant) => {
      const world = (variant: string) => ({ ...s.unchecked(shipped(PREPARE, variant)), bounds: { steps: 400, states: 1 } });
      const looked = to(FIRST, 'RMPUPDATE.tryLock');
      const met = s.told(world('alignment'), mutant, looked, finish(SECOND));
      assert.equal(met.end.ended, 'bound');
      const after = s.told(world('alignment'), mutant, finish(SECOND), finish(FIRST));
      assert.deepEqual([after.end.ended, updates(after)], ['done', [`4K ${HEAD + 2}`, `4K ${HEAD + 1}`]]);
      assert.equal(s.told(world('folio'), mutant, looked, finish(SECOND)).end.ended, 'done');
      assert.deepEqual(updates(mapped([folio], [GFN + 1, GFN], mutant)), [`2M ${HEAD}`]);
      assert.deepEqual(updates(mapped([w.page('shared')], [w.GFN, w.GFN], mutant)), [`4K ${w.PFN}`]);
    },
  },
];
