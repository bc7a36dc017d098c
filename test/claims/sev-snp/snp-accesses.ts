/**
 * SNP-66: what a fault tells.
 * @see domain snp c, g
 */
import assert from 'node:assert/strict';
import type { Played } from '../../sim/play.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
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

export const SNP_ACCESS_CLAIMS: readonly Claim[] = [
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
