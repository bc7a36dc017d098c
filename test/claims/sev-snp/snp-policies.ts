/**
 * SNP-1 to SNP-5, SNP-20, SNP-61: what the host does about a write to a page that is private,
 * policy by policy.
 */
import assert from 'node:assert/strict';
import { microSteps, type Played } from '../../sim/play.ts';
import { finish, to } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const G = 'domain snp g';
const RACE = 'rmp-host-write-race';
const DAEMON = 'rmp-dma-overtaken';
const KERNEL = 'rmp-checked-store';
const holds = { source: G, verdict: 'holds' } as const;
const PANIC = 'RMP violation by the host kernel (PFN 0x1005)';

type Name = keyof typeof s.POLICIES;
/** Signal, VM and page after a story. */
const suffers = (played: Played) => [w.signalOf(played), w.deadVm(played), w.lostPage(played)];

/** What a stray write, without a look, does to a page that was private all along. */
const stray: Readonly<Record<Name, readonly [string | null, string | null]>> = {
  P0: [PANIC, null],
  P1: [null, null],
  P2: [null, 'dead'],
  P3: [PANIC, null],
  P4: [PANIC, null],
  P5: [PANIC, null],
};

/** The guest's own view of the page is shared all along; only its PSC is missing, or not. */
const shares = (converts: boolean, name: Name, mutant: s.Mutant) => {
  const program = [...(converts ? [w.pvalidate(false), w.psc('shared')] : []), w.read(false)];
  const threads = { netd: [[w.dmaWrite(2)]], vhost0: [[w.kernelWrite()]] };
  const scenario = w.oneGuest([w.page('guest-valid')], program, threads, s.POLICIES[name]);
  const reads = name !== 'P5' ? 'read.access' : converts ? 'read.access_shared' : 'read.NPF_not_mapped';
  return s.told(scenario, mutant, to(w.VCPU, reads, w.GUEST), finish(w.NETD), finish(w.VHOST));
};

const NAMES = Object.keys(s.POLICIES) as readonly Name[];

export const SNP_POLICY_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-1',
    says: 'a daemon that writes a private page gets SIGBUS (P0, P3), has its write land (P1) or dropped with the guest killed (P2), never issues it (P4), or finds no page (P5)',
    shows: [
      breaks(RACE, 'panic-sigbus', 'rmp.innocent-process-killed', 'snp-no-sigbus'),
      breaks(RACE, 'kill-guest', 'rmp.guest-killed', 'snp-no-kill'),
      keeps(RACE, 'map-lock-user', 'rmp.innocent-process-killed', 'snp-busy-ignored'),
      breaks(DAEMON, 'map-lock-kernel', 'rmp.innocent-process-killed', 'snp-no-sigbus', 'rmp-host-write-unchecked'),
      breaks(DAEMON, 'guest-memfd-at-once', 'rmp.emulation-whole', 'gmem-store-reaches'),
    ],
    not: 'the signal of P5: the store fails, and the daemon goes on without it',
    mutants: ['snp-no-sigbus', 'snp-no-kill', 'snp-busy-ignored', 'rmp-host-write-unchecked', 'gmem-store-reaches'],
    check: (mutant) => {
      for (const options of [s.P0, s.P3]) {
        const refused = s.daemonMeetsPrivate(options, mutant);
        assert.equal(w.signalOf(refused), 'SIGBUS');
        assert.deepEqual([w.hostStores(refused), w.accesses(refused)], [[true], ['ok']]);
        assert.deepEqual([w.entryOf(refused).assigned, w.entryOf(refused).validated], [true, true]);
      }
      const shared = s.daemonMeetsPrivate(s.P1, mutant);
      assert.deepEqual([w.signalOf(shared), w.hostStores(shared), w.panicOf(shared)], [null, [true, false], null]);
      const killed = s.daemonMeetsPrivate(s.P2, mutant);
      assert.deepEqual([w.deadVm(killed), w.signalOf(killed), w.hostStores(killed)], ['dead', null, [true]]);
      assert.deepEqual([w.entryOf(killed).assigned, w.entryOf(killed).validated], [true, true]);
      const told = s.daemonMeetsPrivate(s.P4, mutant);
      assert.deepEqual([w.hostStores(told), w.deadVm(told), w.signalOf(told)], [[], null, null]);
      const unmapped = s.daemonMeetsPrivate(s.P5, mutant);
      assert.deepEqual([w.mappedStores(unmapped), w.hostStores(unmapped), w.accesses(unmapped)], [[true], [], ['ok']]);
      assert.deepEqual([w.entryOf(unmapped).validated, w.signalOf(unmapped)], [true, null]);
    },
  },
  {
    ...holds,
    id: 'SNP-2',
    says: 'a kernel that writes a private page panics after a dump (P0), goes on with the page shared (P1) or the guest killed (P2), is told not to (P3, P4), or panics by stray writes alone (P5)',
    shows: [
      breaks(RACE, 'panic-sigbus', 'rmp.host-panic', 'snp-no-panic'),
      keeps(RACE, 'map-lock-user', 'rmp.host-panic', 'snp-map-ignores-private'),
      breaks(KERNEL, 'panic-sigbus', 'rmp.host-panic', 'snp-no-panic', 'rmp-host-write-unchecked'),
      keeps(KERNEL, 'map-lock-kernel', 'rmp.host-panic', 'snp-map-ignores-private', 'snp-map-unlocks-early'),
    ],
    why: 'a stray write, without a look before it, is in no shipped scenario: `kvm-write-unchecked`; nor can the kernel of P5 panic by another',
    not: 'the direct map has 4K pages only',
    mutants: ['snp-no-panic', 'snp-no-kill', 'snp-map-ignores-private', 'rmp-host-write-unchecked', 'gmem-store-reaches'],
    check: (mutant) => {
      const panicked = s.kernelIsOvertaken(s.P0, mutant);
      assert.deepEqual([w.panicOf(panicked), w.hostStores(panicked)], [PANIC, [true]]);
      const shared = s.kernelIsOvertaken(s.P1, mutant);
      assert.deepEqual([w.panicOf(shared), w.deadVm(shared), w.hostStores(shared)], [null, null, [true, false]]);
      const killed = s.kernelIsOvertaken(s.P2, mutant);
      assert.deepEqual([w.panicOf(killed), w.deadVm(killed)], [null, 'dead']);
      for (const options of [s.P3, s.P4]) {
        const refused = s.told(
          w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.kernelWrite()]] }, options),
          mutant,
          s.over(w.VHOST),
        );
        assert.deepEqual([w.hostStores(refused), w.panicOf(refused)], [[], null]);
      }
      const kernel = { vhost0: [[w.kernelWrite()]] };
      const faulted = s.told(w.oneGuest([w.page('guest-valid')], [w.read(true)], kernel, s.P5), mutant, s.over(w.VHOST));
      assert.deepEqual([w.mappedStores(faulted), w.hostStores(faulted), w.panicOf(faulted)], [[true], [], null]);
      for (const name of NAMES) {
        const scenario = w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.strayWrite()]] }, s.POLICIES[name]);
        const played = s.told(scenario, mutant, s.over(w.VHOST));
        assert.deepEqual([w.panicOf(played), w.deadVm(played)], stray[name], name);
        assert.equal(w.hostStores(played)[0], true);
      }
    },
  },
  {
    ...holds,
    id: 'SNP-3',
    says: 'a guest that hands out a page it never converted has a correct daemon killed (P0, P3), suffers itself (P1, P2), or harms no one (P4, P5)',
    shows: [],
    why: 'the page is private from the start; the daemon of `rmp-host-write-race` finds it shared first',
    not: "the kernel's emulated write is SNP-2",
    mutants: ['snp-no-sigbus', 'snp-no-kill', 'rmp-no-vc', 'snp-busy-ignored'],
    check: (mutant) => {
      const outcomes = NAMES.map((name) => suffers(s.daemonMeetsPrivate(s.POLICIES[name], mutant)));
      assert.deepEqual(outcomes, [
        ['SIGBUS', null, null],
        [null, null, w.GFN],
        [null, 'dead', null],
        ['SIGBUS', null, null],
        [null, null, null],
        [null, null, null],
      ]);
    },
  },
  {
    ...holds,
    id: 'SNP-4',
    says: 'after a page-state change to shared no write of the host faults, under every policy, and the guest reads',
    shows: [
      keeps('gmem-conversions', 'ordered', 'rmp.frame-follows-attribute', 'gmem-hole-keeps-frame'),
      keeps('gmem-conversions', 'ordered', 'rmp.guest-gets-through', 'gmem-attribute-kept', 'gmem-no-prepare', 'gmem-psc-in-kernel'),
    ],
    why: 'under P0 to P4 the guest converts before any thread writes, and no shipped scenario has this order alone',
    not: 'that the data is visible to the guest: pages have no content',
    mutants: ['snp-psc-no-update', 'gmem-attribute-kept', 'gmem-psc-in-kernel', 'gmem-hole-keeps-frame'],
    check: (mutant) => {
      for (const name of NAMES) {
        const played = shares(true, name, mutant);
        const stores = name === 'P5' ? w.mappedStores(played) : w.hostStores(played);
        // With a guest_memfd the shared page is another frame, and no RMP entry is asked.
        assert.deepEqual([stores, w.accesses(played)], [[false, false, false], name === 'P5' ? [] : ['ok']], name);
        assert.deepEqual([w.panicOf(played), ...suffers(played)], [null, null, null, null], name);
        assert.equal(w.entryOf(played).assigned, false);
      }
    },
  },
  {
    ...holds,
    id: 'SNP-5',
    says: 'without that page-state change it is SNP-3',
    shows: [],
    why: 'it is SNP-3 with a guest that reads the page as shared, and begins with a private page as well',
    mutants: ['snp-no-sigbus', 'snp-no-kill', 'snp-busy-ignored', 'gmem-walk-any'],
    check: (mutant) => {
      const outcomes = NAMES.map((name) => {
        const played = shares(false, name, mutant);
        return [w.signalOf(played), w.deadVm(played), w.panicOf(played)];
      });
      assert.deepEqual(outcomes, [
        ['SIGBUS', null, null],
        [null, null, null],
        [null, 'dead', null],
        ['SIGBUS', null, null],
        [null, null, null],
        [null, null, null],
      ]);
    },
  },
  {
    ...holds,
    id: 'SNP-20',
    says: 'without a policy no handler runs for a kernel address: the fault ends in the dump of the entry and a panic',
    shows: [breaks(RACE, 'panic-sigbus', 'rmp.host-panic', 'snp-no-panic')],
    why: 'the steps of the fault path, in order: no property sees which steps a thread takes',
    mutants: ['snp-no-panic', 'snp-no-dump'],
    check: (mutant) => {
      const path = microSteps(s.kernelIsOvertaken(s.P0, mutant), w.VHOST).filter((name) => name.includes('exc_page_fault'));
      const last = path.map((name) => name.split('.').at(-1));
      assert.deepEqual(last, ['entry', 'local_irq_enable', 'snp_lookup_rmpentry', 'snp_dump_hva_rmpentry', 'panic']);
    },
  },
  {
    ...holds,
    id: 'SNP-61',
    says: 'the RMP entry is dumped before the host panics',
    shows: [],
    why: 'the dump goes to the log, and no state hangs on it',
    not: 'what the dump says has no place in the model',
    mutants: ['snp-no-dump', 'snp-no-panic'],
    check: (mutant) => {
      const stray = w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.strayWrite()]] }, s.P5);
      for (const played of [s.kernelIsOvertaken(s.P0, mutant), s.told(stray, mutant, s.over(w.VHOST))]) {
        const path = microSteps(played, w.VHOST);
        const panic = path.findIndex((name) => name.endsWith('.panic'));
        assert.ok(panic > 0);
        assert.equal(
          path.findIndex((name) => name.endsWith('.snp_dump_hva_rmpentry')),
          panic - 1,
        );
      }
    },
  },
];
