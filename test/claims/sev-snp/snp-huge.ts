/**
 * SNP-37, and R9 to R11: 2M entries of the RMP, and how they are split.
 * @see domain snp g, h
 */
import assert from 'node:assert/strict';
import type { RmpRegionContext } from '../../../actors/sev-snp/rmp-region.ts';
import { microSteps, type Played, shipped } from '../../sim/play.ts';
import { finish, to, until } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const SPLIT = 'rmp-split-twice';
const GFN = 0x200;
const VALIDATE = 'rmp-validate-2m';
const OTHER_GFN = GFN + 1;
const OTHER = 'thread:qemu0/vcpu1';
const PSC = 'thread:psc/0';
const huge = { ...w.page('guest-valid', GFN, 0x1000), frames: 2 };

const region = (played: Played) => played.context<RmpRegionContext>('rmp:0x1000');
const sizes = (played: Played) => Object.values(region(played).entries).map(({ pageSize, validated }) => `${pageSize} ${validated}`);
/** The thread that frees one frame comes first. */
const frees = (variant: string, mutant: s.Mutant) =>
  s.told(
    { ...s.unchecked(shipped('rmp-overlap-forever', variant)), bounds: { steps: 600, states: 1 } },
    mutant,
    to(w.GMEM, 'RMPUPDATE.check'),
  );

export const SNP_HUGE_CLAIMS: readonly Claim[] = [
  {
    id: 'SNP-37',
    source: 'domain snp g',
    verdict: 'holds',
    says: 'an instruction of the guest that fails by the size of the entry alone has the entry split, succeeds, and no page is lost',
    shows: [
      keeps(SPLIT, 'inuse', 'rmp.sub-count-is-true', 'rmp-smash-no-count'),
      keeps(SPLIT, 'overlap-2m', 'rmp.guest-killed', 'snp-split-spurious-fatal'),
      breaks(VALIDATE, 'terminate', 'rmp.guest-ends-itself', 'rmp-validate-no-carry'),
    ],
    why: 'Validated of what was split shows in a load of the guest, which no shipped scenario has after a split',
    not: 'an access through a mapping of another size: nested mappings have the size of the entry, and there are no huge mappings of the host',
    mutants: [
      'snp-size-no-psmash',
      'rmp-smash-invalidates',
      'rmp-smash-no-head',
      'rmp-smash-no-count',
      'rmp-validate-any-size',
      'rmp-validate-no-carry',
    ],
    check: (mutant) => {
      const program = [w.rmpadjust(false, GFN + 1), w.read(true, GFN), w.read(true, GFN + 1)];
      const played = s.inOrder(w.oneGuest([huge], program, {}), mutant);
      assert.deepEqual(
        [w.exits(played), w.accesses(played)],
        [
          ['NPF', 'SHUTDOWN'],
          ['ok', 'ok'],
        ],
      );
      assert.deepEqual([sizes(played), region(played).head?.subCount], [['4K true', '4K true'], 2]);
      assert.deepEqual([w.lostPage(played), w.deadVm(played), w.panicOf(played)], [null, null, null]);
      const pages = [w.page('guest-invalid', GFN, 0x1000), w.page('guest-valid', OTHER_GFN, 0x1001)];
      const validates = [{ pvalidate: { gfn: GFN, validated: true, size: '2M' } }] as const;
      const byPage = s.inOrder(w.oneGuest(pages, validates, {}), mutant);
      const told = byPage.delivered('rmp.checked').map(({ payload }) => `${payload.result} ${payload.carryFlag === true}`);
      assert.deepEqual(told, ['FAIL_SIZEMISMATCH false', 'SUCCESS false', 'SUCCESS true']);
    },
  },
];

export const SNP_HUGE_RACES: readonly Checked[] = [
  {
    id: 'R9',
    says: 'a second fault on the size of an entry that was split meanwhile is ignored, and the instruction then succeeds',
    mutants: ['snp-split-spurious-fatal', 'rmp-smash-no-head'],
    check: (mutant) => {
      const late = to(OTHER, 'sev_handle_rmp_fault.snp_lookup_rmpentry');
      const played = s.told(s.unchecked(shipped(SPLIT, 'inuse')), mutant, late, to(w.VCPU, 'guest.shutdown', w.GUEST), finish(OTHER));
      const handled = microSteps(played, OTHER).filter((name) => name.includes('sev_handle_rmp_fault'));
      assert.deepEqual(
        handled.map((name) => name.slice(name.lastIndexOf('.') + 1)),
        ['snp_lookup_rmpentry', 'trace_kvm_rmp_fault'],
      );
      assert.deepEqual([w.deadVm(played), played.delivered('rmp.smashHead').length, sizes(played)], [null, 1, ['4K true', '4K true']]);
    },
  },
  {
    id: 'R10',
    says: 'RMPUPDATE of a frame of a 2M entry that no code splits overlaps forever; a bound frees a frame of the guest; PSMASH first cures it',
    mutants: ['rmp-update-any-size', 'rmp-smash-no-head'],
    check: (mutant) => {
      const freed = (played: Played) => [w.pagesOf(played).freed?.includes(0x1001), w.entryOf(played, 0x1001).assigned];
      const overlaps = (played: Played) =>
        played.delivered('rmp.checked').filter(({ payload }) => payload.result === 'FAIL_OVERLAP').length;
      const endless = frees('unsplit', mutant);
      assert.equal(endless.end.ended, 'bound');
      assert.ok(overlaps(endless) > 97);
      assert.deepEqual(freed(frees('psmash-first', mutant)), [true, false]);
      const bounded = frees('unsplit-bounded', mutant);
      assert.deepEqual([bounded.delivered('pages.free')[0]?.payload.pfn, overlaps(bounded)], [0x1001, 96]);
    },
  },
  {
    id: 'R11',
    says: 'RMPUPDATE of a neighbour overlaps while an entry is being split, and succeeds when it is',
    mutants: ['snp-update-never-retries', 'rmp-update-any-size'],
    check: (mutant) => {
      const played = s.told(
        s.unchecked(shipped('rmp-overlap-passes', 'inuse')),
        mutant,
        to(w.GMEM, 'PSMASH.clearHeadSize'),
        until(PSC, 'its RMPUPDATE is over', (scene) => /ret_overlap|sysret|dump/.test(scene.at(PSC))),
        finish(w.GMEM),
        finish(PSC),
      );
      const results = played.delivered('rmp.checked').filter(({ actor }) => actor === PSC);
      assert.deepEqual(
        results.map(({ payload }) => payload.result),
        ['FAIL_OVERLAP', 'SUCCESS'],
      );
      assert.deepEqual(
        [w.entryOf(played, 0x1001).assigned, w.entryOf(played, 0x1002).assigned, region(played).head?.subCount],
        [false, false, 1],
      );
    },
  },
];
