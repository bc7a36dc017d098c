/**
 * SNP-6 to SNP-9, SNP-23, SNP-33, SNP-70, SNP-72: a page that turns private under a daemon, and
 * what one policy promises.
 */
import assert from 'node:assert/strict';
import type { HostOptions } from '../../../events/options.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { finish, to } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const G = 'domain snp g';
const RACE = 'rmp-host-write-race';
const DAEMON = 'rmp-dma-overtaken';
/** The daemon and the kernel store to frames behind the head of a 2M entry. */
const inHugeEntry = (options: Partial<HostOptions>, mutant: s.Mutant): Played =>
  s.inOrder(
    w.oneGuest(
      [{ ...w.page('guest-valid', 0x200, 0x1000), frames: 3 }],
      [w.hlt],
      { netd: [[w.dmaWrite(1, 0x201)]], vhost0: [[w.strayWrite(0x202)]] },
      options,
    ),
    mutant,
  );

const holds = { source: G, verdict: 'holds' } as const;

type Name = keyof typeof s.POLICIES;
/** Signal, VM and page after a story. */
const suffers = (played: Played) => [w.signalOf(played), w.deadVm(played), w.lostPage(played)];

/** One daemon serves two VMs; vm0 does SNP-6, and the daemon goes on with vm1. */
function twoVms(name: Name, mutant: s.Mutant): Played {
  const options = s.POLICIES[name];
  const other = {
    ...w.vm([w.page('shared', 0x6, 0x1206)], [w.read(false, 0x6)]),
    options: { asid: 2, pages: [w.page('shared', 6, 0x1206)] },
  };
  const scenario = w.world(
    { vm0: w.vm([w.page('shared')], s.USES), vm1: other },
    { netd: [[w.dmaWrite(2), w.dmaWrite(1, 0x6, 'vm1')]], qemu0: [[w.run()]], qemu1: [[w.run('vm1/0')]] },
    options,
  );
  const waits = name === 'P4' || name === 'P5';
  const convert = waits ? to(w.VCPU, 'synchronize_page_state.schedule') : to(w.VCPU, 'read.access', w.GUEST);
  return s.told(scenario, mutant, s.betweenStores, convert, finish(w.NETD));
}
/** By the RMP, or by the pages of a guest whose private ones are not mapped. */
const storesTo = (played: Played, pfn: number, pages: string) =>
  played.delivered('rmp.hostWrite').filter(({ payload }) => payload.pfn === pfn).length +
  played.delivered('pages.hostStore').filter(({ actor }) => actor === pages).length;

const ofTheMiddleOfAnEmulation: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-6',
    says: 'a page that turns private between two stores kills a daemon that behaved well (P0, P3), is taken back (P1), costs the guest its life (P2), or waits for the daemon (P4, P5)',
    shows: [
      breaks(RACE, 'panic-sigbus', 'rmp.innocent-process-killed', 'snp-no-sigbus'),
      keeps(RACE, 'map-lock-user', 'rmp.innocent-process-killed', 'snp-psc-no-wait'),
      breaks(DAEMON, 'panic-sigbus', 'rmp.innocent-process-killed', 'snp-no-sigbus', 'rmp-host-write-unchecked'),
      keeps(DAEMON, 'guest-memfd', 'rmp.emulation-whole', 'gmem-devices-unasked', 'snp-psc-no-wait'),
      breaks(DAEMON, 'guest-memfd-at-once', 'rmp.emulation-whole', 'gmem-store-reaches', 'gmem-attribute-kept'),
    ],
    mutants: [
      'snp-no-sigbus',
      'snp-no-kill',
      'snp-psc-no-wait',
      'snp-psc-no-update',
      'gmem-devices-unasked',
      'gmem-store-reaches',
      'gmem-no-prepare',
    ],
    check: (mutant) => {
      for (const options of [s.P0, s.P3]) {
        const killed = s.daemonIsOvertaken(options, mutant);
        assert.deepEqual([w.hostStores(killed), w.signalOf(killed)], [[false, true], 'SIGBUS']);
      }
      const taken = s.daemonIsOvertaken(s.P1, mutant);
      assert.deepEqual([w.hostStores(taken), w.signalOf(taken), w.lostPage(taken)], [[false, true, false], null, w.GFN]);
      assert.equal(w.deadVm(s.daemonIsOvertaken(s.P2, mutant)), 'dead');
      const waits = s.told(
        w.oneGuest([w.page('shared')], s.CONVERTS, { netd: [[w.dmaWrite(2)]] }, s.P4),
        mutant,
        s.betweenStores,
        to(w.VCPU, 'synchronize_page_state.schedule'),
        finish(w.NETD),
      );
      assert.deepEqual([w.hostStores(waits), w.signalOf(waits), w.accesses(waits)], [[false, false], null, ['ok']]);
      assert.deepEqual(s.story(waits, { 'pages.unlock': null, 'rmp.writeUpdate': null }), ['pages.unlock', 'rmp.writeUpdate']);
      const unmapped = w.oneGuest([w.page('shared')], s.CONVERTS, { netd: [[w.dmaWrite(2)]] }, s.P5);
      const asked = to(w.VCPU, 'synchronize_page_state.schedule');
      const after = s.told(unmapped, mutant, s.betweenStores, asked, finish(w.NETD), finish(w.VCPU));
      assert.deepEqual([w.mappedStores(after), w.accesses(after)], [[false, false], ['ok']]);
      const order = s.story(after, { 'pages.unlock': null, 'pages.setPrivate': 'private', 'rmp.writeUpdate': 'assigned' });
      assert.deepEqual(order, ['pages.unlock', 'pages.setPrivate true', 'rmp.writeUpdate true']);
      const torn = { ...unmapped, host: { ...unmapped.host, options: { ...unmapped.host.options, 'vmm.convert': 'at-once' as const } } };
      const cut = s.told(torn, mutant, s.betweenStores, to(w.VCPU, 'write.access', w.GUEST), finish(w.NETD));
      assert.deepEqual([w.mappedStores(cut), w.signalOf(cut), w.deadVm(cut)], [[false, true], null, null]);
    },
  },
  {
    ...holds,
    id: 'SNP-7',
    says: 'one guest takes the daemon of all VMs down with it (P0, P3), or it alone suffers (P1, P2, P4, P5)',
    shows: [
      breaks(RACE, 'panic-sigbus', 'rmp.innocent-process-killed', 'snp-no-sigbus'),
      breaks(DAEMON, 'map-lock-kernel', 'rmp.innocent-process-killed', 'snp-no-sigbus'),
    ],
    why: 'the second VM, which the shipped scenario has not; its daemon is killed all the same',
    mutants: ['snp-no-sigbus', 'snp-no-kill', 'snp-psc-no-wait'],
    check: (mutant) => {
      for (const name of ['P0', 'P3'] as const) {
        const played = twoVms(name, mutant);
        assert.deepEqual([w.signalOf(played), storesTo(played, 0x1206, 'pages:vm1')], ['SIGBUS', 0], name);
      }
      const spared = { P1: [null, null, w.GFN], P2: [null, 'dead', null], P4: [null, null, null], P5: [null, null, null] } as const;
      for (const name of ['P1', 'P2', 'P4', 'P5'] as const) {
        const played = twoVms(name, mutant);
        assert.deepEqual(suffers(played), spared[name], name);
        assert.equal(storesTo(played, 0x1206, 'pages:vm1'), 1);
        assert.deepEqual([w.deadVm(played, 'vm1'), w.lostPage(played, 'vcpu:vm1/0')], [null, null]);
      }
    },
  },
  {
    ...holds,
    id: 'SNP-23',
    says: 'the lock of the kernel does not protect a page that user space mapped itself: SNP-6 under P3',
    shows: [breaks(DAEMON, 'map-lock-kernel', 'rmp.innocent-process-killed', 'snp-no-sigbus', 'rmp-host-write-unchecked')],
    mutants: ['snp-no-sigbus', 'rmp-host-write-unchecked'],
    check: (mutant) => {
      const played = s.daemonIsOvertaken(s.P3, mutant);
      assert.deepEqual([played.delivered('pages.lock'), w.signalOf(played)], [[], 'SIGBUS']);
    },
  },
];

const raced = (variant: string) => s.unchecked(shipped(RACE, variant));

const ofOnePolicy: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-8',
    says: 'under P1 no fault on a validated page panics the host or signals a process',
    shows: [],
    why: 'what breaks it under its mutant deviates four times, in 290,000 states: `explore rmp-host-write-race --variant auto-share --mutant snp-fault-no-reread --deviations 4`',
    mutants: ['snp-fault-no-reread', 'snp-share-unsplit'],
    check: (mutant) => {
      const split = inHugeEntry(s.P1, mutant);
      assert.deepEqual([w.panicOf(split), w.signalOf(split), w.signalOf(split, 'vhost0')], [null, null, null]);
      assert.deepEqual(
        [0x1000, 0x1001, 0x1002].map((pfn) => w.entryOf(split, pfn).assigned),
        [true, false, false],
      );
      const writers = { netd: [[w.dmaWrite()]], vhost0: [[w.strayWrite()]] };
      const both = s.told(
        w.oneGuest([w.page('guest-valid')], [w.hlt], writers, s.P1),
        mutant,
        to(w.VHOST, 'exc_page_fault.snp_lookup_rmpentry'),
        finish(w.NETD),
        s.over(w.VHOST),
      );
      const runs = [both, ...s.runsOf(raced('auto-share'), 40, mutant)];
      assert.ok(runs.some((played) => w.hostStores(played).includes(true)));
      for (const played of runs)
        assert.deepEqual([w.panicOf(played), w.signalOf(played), w.signalOf(played, 'vhost0')], [null, null, null]);
    },
  },
  {
    ...holds,
    id: 'SNP-9',
    says: 'under P1 no path calls the lock',
    shows: [],
    why: 'it is about calls that are not there, and no property counts calls',
    not: 'whether the implicit conversion is an ABI itself, which is disputed',
    mutants: ['snp-share-locks', 'snp-map-locks-anyway'],
    check: (mutant) => {
      for (const played of s.runsOf(raced('auto-share'), 40, mutant))
        assert.deepEqual([...played.delivered('pages.lock'), ...played.delivered('pages.beginPsc')], []);
    },
  },
  {
    ...holds,
    id: 'SNP-33',
    says: 'under P2 any write to a private page kills the guest, which leaves at once unless it is halted, and no guest ever meets #VC',
    shows: [breaks(RACE, 'kill-guest', 'rmp.guest-killed', 'snp-no-kill')],
    why: 'that a killed guest runs no further instruction is a matter of messages: `worldswitch run rmp-host-write-race --variant kill-guest`',
    mutants: ['snp-no-kill', 'snp-kill-untold', 'snp-kill-own-slot'],
    check: (mutant) => {
      const ofHuge = inHugeEntry(s.P2, mutant);
      assert.deepEqual([w.panicOf(ofHuge), w.signalOf(ofHuge), w.deadVm(ofHuge)], [null, null, 'dead']);
      const runs = s.runsOf(raced('kill-guest'), 40, mutant);
      const faulted = runs.filter((played) => w.hostStores(played).includes(true));
      assert.ok(faulted.length > 0);
      for (const played of faulted) assert.equal(w.deadVm(played), 'dead');
      for (const played of runs) assert.ok(!w.accesses(played).includes('vc'));
      assert.deepEqual(w.accesses(s.daemonMeetsPrivate(s.P2, mutant)), []);
      const halted = s.told(
        w.oneGuest([w.page('guest-valid')], [w.hlt], { netd: [[w.dmaWrite()]] }, s.P2),
        mutant,
        to(w.VCPU, 'kvm_vcpu_block.kvm_vcpu_check_block'),
        finish(w.NETD),
      );
      assert.deepEqual([w.deadVm(halted), halted.end.ended], ['dead', 'deadlock']);
    },
  },
  {
    ...holds,
    id: 'SNP-70',
    says: 'P2 can name the host thread that wrote; nothing that reaches the guest of P1 does',
    shows: [breaks(RACE, 'kill-guest', 'rmp.guest-killed', 'snp-no-kill')],
    why: 'who sent the message that kills stands in a journal, and no property sees it',
    mutants: ['snp-no-kill', 'snp-share-told'],
    check: (mutant) => {
      const kills = s.daemonMeetsPrivate(s.P2, mutant).delivered('vm.kill');
      assert.deepEqual(
        kills.map(({ actor, peer }) => [actor, peer]),
        [['vm:vm0', w.NETD]],
      );
      const ofGuest = [w.GUEST, 'pages:vm0'];
      const heard = s.daemonMeetsPrivate(s.P1, mutant).records.filter(({ kind, actor }) => kind === 'deliver' && ofGuest.includes(actor));
      assert.ok(ofGuest.every((id) => heard.some(({ actor }) => actor === id)));
      assert.ok(!JSON.stringify(heard).includes('netd'));
    },
  },
  {
    ...holds,
    id: 'SNP-72',
    says: 'under P1 a bug of the host faults the guest, which did nothing wrong',
    shows: [breaks('rmp-blind-pvalidate', 'terminate', 'rmp.guest-page-lost', 'rmp-no-vc', 'snp-vc-ignored')],
    mutants: ['rmp-no-vc', 'snp-vc-ignored'],
    check: (mutant) => {
      const played = s.daemonMeetsPrivate(s.P1, mutant);
      assert.deepEqual([w.accesses(played).at(-1), w.exits(played).at(-1)], ['vc', 'VMGEXIT']);
    },
  },
];

export const SNP_OVERTAKEN_CLAIMS: readonly Claim[] = [...ofTheMiddleOfAnEmulation, ...ofOnePolicy];
