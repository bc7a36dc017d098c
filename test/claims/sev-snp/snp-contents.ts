/**
 * R24 and the host attack that belongs to it: what a guest finds on a page that it validates.
 * @see domain snp h
 */
import assert from 'node:assert/strict';
import type { HostOptions } from '../../../events/options.ts';
import { shipped } from '../../sim/play.ts';
import { finish, to, until } from '../../sim/steer.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const MOVED = 'rmp-moved-frame';
const ATTACKER = 'thread:attacker/0';
/** The guest waits for the page; the host moves the frame there; the guest goes on. */
const moved = (variant: string, mutant: s.Mutant) =>
  s.told(s.unchecked(shipped(MOVED, variant)), mutant, to(w.VCPU, 'PVALIDATE.lock', w.GUEST), finish(ATTACKER));

const OTHER = 'thread:qemu0/vcpu1';
type Held = HostOptions['svsm.pvalidateLock'];
/** The second vCPU is to make the page a VMSA that the first has validated, and not yet cleared. */
const createdBetween = (held: Held, mutant: s.Mutant) => {
  const pages = [w.page('guest-valid'), { gfn: 6, pfn: w.PFN, state: 'moved' as const }];
  const scenario = w.world(
    { vm0: w.vm(pages, [{ 'svsm-pvalidate': { gfn: 6 } }], [{ 'svsm-create-vcpu': { gfn: 6 } }]) },
    { qemu0: [[w.run('vm0/0')], [w.run('vm0/1')]] },
    { 'svsm.pvalidateLock': held },
    { properties: { always: ['rmp.secret-open'] } },
  );
  const other = until(OTHER, 'its CREATE_VCPU is over, or it waits', (scene) => /shutdown|spin_loop/.test(scene.at('vcpu:vm0/1')));
  return s.told(scenario, mutant, to(w.VCPU, 'zero_mem_region.store', w.GUEST), other);
};

export const SNP_CONTENTS_RACES: readonly Checked[] = [
  {
    id: 'R24',
    says: 'CREATE_VCPU that fails opens a page between PVALIDATE and its clearing, unless one lock keeps it out until then; a moved frame shows its secret',
    mutants: ['rmp-key-of-gfn', 'rmp-update-scrubs', 'snp-validated-not-cleared', 'svsm-lock-open', 'svsm-writer-passes-readers'],
    check: (mutant) => {
      const found = w.pagesOf(moved('as-found', mutant));
      assert.deepEqual([found.replaced, found.found, found.lost], [[6], { 6: { by: 'start', n: 0, gfn: 5 } }, []]);
      assert.deepEqual(w.pagesOf(moved('cleared', mutant)).replaced, []);
      for (const held of ['none', 'instruction'] as const)
        assert.equal(
          createdBetween(held, mutant).end.violation?.message,
          'VMPL 1 may read, at GFN 0x6, what was there at the start at GFN 0x5',
        );
      const kept = createdBetween('to-the-grant', mutant);
      assert.deepEqual([kept.end.violation, w.entryOf(kept).perms], [null, [15, 15, 0, 0]]);
    },
  },
];
