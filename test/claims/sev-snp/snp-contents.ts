/**
 * R24 and the host attack that belongs to it: what a guest finds on a page that it validates.
 * @see domain snp h
 */
import assert from 'node:assert/strict';
import { shipped } from '../../sim/play.ts';
import { finish, to } from '../../sim/steer.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const MOVED = 'rmp-moved-frame';
const ATTACKER = 'thread:attacker/0';
/** The guest waits for the page; the host moves the frame there; the guest goes on. */
const moved = (variant: string, mutant: s.Mutant) =>
  s.told(s.unchecked(shipped(MOVED, variant)), mutant, to(w.VCPU, 'PVALIDATE.lock', w.GUEST), finish(ATTACKER));

export const SNP_CONTENTS_RACES: readonly Checked[] = [
  {
    id: 'R24',
    says: 'a frame that the host moves to another GFN shows the guest its own secret there, unless the guest clears what it validates',
    mutants: ['rmp-key-of-gfn', 'rmp-update-scrubs', 'snp-validated-not-cleared'],
    check: (mutant) => {
      const found = w.pagesOf(moved('as-found', mutant));
      assert.deepEqual([found.replaced, found.found, found.lost], [[6], { 6: { by: 'start', n: 0, gfn: 5 } }, []]);
      assert.deepEqual(w.pagesOf(moved('cleared', mutant)).replaced, []);
    },
  },
];
