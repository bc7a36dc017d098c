/**
 * SNP-19, SNP-71, R4: the handler of series v1 and v2, the export of s390, and the end of a VM with
 * its look turned round.
 */
import assert from 'node:assert/strict';
import type { HostOptions } from '../../../events/options.ts';
import { shipped } from '../../sim/play.ts';
import { finish, to } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const HANDLER = 'rmp-kernel-handler';
const EXPORT = 'rmp-export-on-access';
const holds = { source: 'domain snp g', verdict: 'holds' } as const;
const P1K: Partial<HostOptions> = { 'kvm.rmpFault': 'auto-share-kernel' };
const P6: Partial<HostOptions> = { 'kvm.rmpFault': 'export' };

export const SNP_OTHER_POLICY_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-19',
    says: 'the handler of series v1 and v2 knows kernel addresses alone: the kernel goes on with the page shared, a daemon is killed',
    shows: [
      breaks(HANDLER, 'v2', 'rmp.innocent-process-killed', 'snp-kernel-handler-for-all', 'rmp-host-write-unchecked'),
      breaks(HANDLER, 'v2', 'rmp.guest-page-lost', 'rmp-no-vc'),
      breaks(HANDLER, 'v3', 'rmp.host-panic', 'snp-no-panic'),
    ],
    mutants: ['snp-kernel-handler-for-all', 'rmp-host-write-unchecked'],
    check: (mutant) => {
      const kernel = s.told(
        w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.strayWrite()]] }, P1K),
        mutant,
        to(w.VCPU, 'read.access', w.GUEST),
        s.over(w.VHOST),
      );
      assert.deepEqual([w.panicOf(kernel), w.hostStores(kernel), w.accesses(kernel)], [null, [true, false], ['npf', 'vc']]);
      const daemon = s.daemonMeetsPrivate(P1K, mutant);
      assert.deepEqual([w.signalOf(daemon), w.hostStores(daemon), w.accesses(daemon)], ['SIGBUS', [true], ['ok']]);
    },
  },
  {
    ...holds,
    id: 'SNP-71',
    says: 'a page that the host had exported and changed does not come back: the guest faults on it again and again, and gets no #VC',
    shows: [keeps(EXPORT, 'export', 'rmp.guest-page-lost', 'snp-export-no-import')],
    why: 'that the fault has no end: in `rmp-export-on-access` store and access can also take the page from each other without end',
    not: 'the encryption and the hash: a page is as it was, or the host has stored to it',
    mutants: ['snp-export-unhashed', 'snp-export-no-import', 'rmp-host-write-unchecked'],
    check: (mutant) => {
      const changed = s.daemonMeetsPrivate(P6, mutant);
      assert.deepEqual([w.hostStores(changed), w.signalOf(changed), w.panicOf(changed)], [[true, false], null, null]);
      assert.ok(w.accesses(changed).length > 3);
      assert.deepEqual(new Set(w.accesses(changed)), new Set(['npf']));
      assert.equal(w.lostPage(changed), null);
      const out = to(w.NETD, 'emulate_dma_write.iret');
      const whole = w.oneGuest([w.page('guest-valid')], [w.read(true)], { netd: [[w.dmaWrite()]] }, P6);
      const back = s.told(whole, mutant, to(w.VCPU, 'read.access', w.GUEST), out, to(w.VCPU, 'shutdown', w.GUEST), finish(w.NETD));
      assert.deepEqual(
        [w.accesses(back), w.hostStores(back)],
        [
          ['npf', 'ok'],
          [true, true, false],
        ],
      );
    },
  },
];

const TEARDOWN = 'rmp-teardown-lookup';

export const SNP_TEARDOWN_RACES: readonly Checked[] = [
  {
    id: 'R4',
    says: 'the end of a VM that reads its look the wrong way round frees private pages as they are, and their next owner panics',
    mutants: [
      'snp-teardown-no-share',
      'snp-teardown-no-look',
      'snp-teardown-frees-none',
      'snp-teardown-any-size',
      'rmp-host-write-unchecked',
    ],
    check: (mutant) => {
      const right = s.inOrder(s.unchecked(shipped(TEARDOWN, 'assigned')), mutant);
      assert.deepEqual([w.pagesOf(right).freed, w.pagesOf(right).leaked], [[0x1005, 0x1006], []]);
      assert.deepEqual([w.entryOf(right, 0x1006).assigned, w.panicOf(right)], [false, null]);
      assert.equal(right.delivered('rmp.writeUpdate').length, 1);
      const huge = { ...w.page('guest-valid', 0x200, 0x1000), frames: 2 };
      const whole = s.inOrder(
        w.world({ vm0: { type: 'snp', options: { pages: [huge] }, vcpus: [] } }, { destroy: [[{ 'unregister-region': { vm: 'vm0' } }]] }),
        mutant,
      );
      assert.deepEqual([w.pagesOf(whole).freed, w.entryOf(whole, 0x1001).assigned], [[0x1000, 0x1001], false]);
      const wrong = s.inOrder(s.unchecked(shipped(TEARDOWN, 'inverted')), mutant);
      assert.deepEqual([w.pagesOf(wrong).freed, w.entryOf(wrong, 0x1006).assigned], [[0x1005, 0x1006], true]);
      assert.notEqual(w.panicOf(wrong), null);
    },
  },
];
