/**
 * SNP-38, SNP-39, SNP-49 to SNP-51, SNP-57, SNP-58: what the GHCB protocol gives a guest, and what
 * KVM has mapped; R21 and R22: a GHCB that another vCPU changes under KVM.
 */
import assert from 'node:assert/strict';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { GhcbPageContext } from '../../../actors/sev-snp/ghcb-page.ts';
import type { SevEsContext } from '../../../actors/sev-snp/sev-es-state.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { GhcbFields } from '../../../events/sev-snp/ghcb.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { choose, finish, to, until } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const PROTOCOL = 'ghcb-protocol';
const PRIVATE = 'ghcb-turned-private';
const holds = { source: 'domain snp g', verdict: 'holds' } as const;
const GHCB = 0x9;
const PAGES = [w.page('shared', GHCB), w.page('shared')];

const msr = (request: number, payload = 0): GuestStep => ({ 'ghcb-msr': { request, payload } });
const event = (fields: GhcbFields) => ({ vmgexit: { ghcb: GHCB, ...fields } }) as GuestStep;
const info = (code: number, info1 = 0, info2 = 0): GhcbFields => ({ code, info1, info2 });
const entry = (index: number, gfn: number, operation: number): GuestStep => ({
  'psc-entry': { ghcb: GHCB, index, done: 0, gfn, operation, huge: false },
});
const header = (cur: number, end: number): GuestStep => ({ 'psc-header': { ghcb: GHCB, cur, end } });
const buffer: GuestStep = { 'psc-buffer': { ghcb: GHCB } };

const guests = (options: Partial<HostOptions>, ...programs: readonly (readonly GuestStep[])[]) =>
  w.world(
    { vm0: { type: 'snp', options: { pages: PAGES, ghcbs: [{ gfn: GHCB, vcpu: 0 }] }, vcpus: programs } },
    { qemu0: programs.map((_, index) => [w.run(`vm0/${index}`)]) },
    options,
  );
const guest = (mutant: s.Mutant, ...program: readonly GuestStep[]): Played => s.inOrder(guests({}, program), mutant);
const msrs = (played: Played) => played.delivered('ghcb.msr').map(({ payload }) => [payload.response, payload.payload]);
const answers = (played: Played) => played.delivered('ghcb.answer').map(({ payload }) => payload.answer);

const FEATURES = 0b11;
const NONE = 2 ** 52 - 1;

const ofTheProtocol: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-38',
    says: 'the four families of version 2 are served: registration, page-state change, hypervisor features, guest messages',
    shows: [
      keeps(PROTOCOL, 'default', 'ghcb.answer-is-documented', 'snp-ghcb-refuses-page', 'snp-ghcb-offers-all'),
      keeps('attestation-report', 'default', 'psp.nonce-used-once', 'snp-key-kept'),
    ],
    mutants: ['snp-ghcb-refuses-page', 'snp-ghcb-unregistered-served', 'snp-psc-no-update'],
    check: (mutant) => {
      const played = guest(mutant, msr(0x012, GHCB), event(info(0x8000_fffd)), entry(0, w.GFN, 1), header(0, 0), buffer, w.pvalidate());
      assert.deepEqual(msrs(played), [[0x013, GHCB]]);
      assert.deepEqual(answers(played), [
        { info1: 0, info2: FEATURES },
        { info1: 0, info2: 0 },
      ]);
      assert.deepEqual([w.entryOf(played).assigned, w.entryOf(played).validated], [true, true]);
      assert.deepEqual(w.exits(played), ['VMGEXIT', 'VMGEXIT', 'VMGEXIT', 'SHUTDOWN']);
      const stranger = guest(mutant, msr(0x012, 0x5), event(info(0x8000_fffd)));
      assert.deepEqual([answers(stranger), w.exits(stranger)], [[], ['VMGEXIT', 'VMGEXIT']]);
    },
  },
  {
    ...holds,
    id: 'SNP-39',
    says: 'interrupt security and other VMPLs are not among the features, and their events are refused by a reason',
    shows: [keeps(PROTOCOL, 'default', 'ghcb.answer-is-documented', 'snp-ghcb-offers-all', 'snp-ghcb-wrong-reason')],
    not: 'migration: the policy of a launch has it, and KVM no command',
    mutants: ['snp-ghcb-offers-all', 'snp-ghcb-serves-unknown', 'snp-ghcb-wrong-reason'],
    check: (mutant) => {
      const played = guest(mutant, msr(0x080), msr(0x016), event(info(0x8000_0014)), event(info(0x8000_0018)));
      assert.deepEqual(msrs(played), [
        [0x081, FEATURES],
        [0x016, 0],
      ]);
      assert.deepEqual(answers(played), [
        { info1: 2, info2: 6 },
        { info1: 2, info2: 6 },
      ]);
    },
  },
  {
    ...holds,
    id: 'SNP-49',
    says: 'a page-state change of a page that the VM does not have is an error for the guest and changes nothing, by either protocol',
    shows: [
      keeps('psc-buffer-whole', 'specification', 'ghcb.psc-done-is-page', 'snp-psc-strays'),
      keeps('psc-buffer-whole', 'v5', 'ghcb.psc-done-is-page', 'snp-psc-strays'),
    ],
    why: 'the answer by the MSR is one of two documented ones',
    mutants: ['snp-psc-strays', 'snp-psc-always-done'],
    check: (mutant) => {
      const STRAY = 0x77;
      const played = guest(mutant, entry(0, STRAY, 1), header(0, 0), buffer);
      assert.deepEqual([answers(played), played.delivered('rmp.writeUpdate')], [[{ info1: 0, info2: 0x100 * 2 ** 32 }], []]);
      assert.deepEqual(played.delivered('vmexit').at(-1)?.payload.info, { nae: 'TERMINATE', reasonSet: 1, reason: 1 });
      const v5 = s.inOrder(guests({ 'kvm.pscCodes': 'v5' }, [entry(0, STRAY, 1), header(0, 0), buffer]), mutant);
      assert.deepEqual(answers(v5), [{ info1: 0, info2: 4 * 2 ** 32 }]);
      const byMsr = guest(mutant, msr(0x014, 2 ** 40 + STRAY));
      assert.deepEqual([msrs(byMsr), byMsr.delivered('rmp.writeUpdate')], [[[0x015, 2 ** 51]], []]);
      const vmsas = [w.page('vmsa', 0x7), w.page('vmsa', 0x8), w.page('shared', GHCB)];
      const inUse = w.world(
        {
          vm0: {
            type: 'snp',
            options: { pages: vmsas, ghcbs: [{ gfn: GHCB, vcpu: 0 }] },
            vcpus: [[msr(0x014, 2 * 2 ** 40 + 0x8)], [w.spin]],
          },
        },
        { qemu0: [[w.run()], [w.run('vm0/1')]] },
      );
      const running = until('thread:qemu0/vcpu1', 'it runs', (scene) => scene.at('thread:qemu0/vcpu1').endsWith('svm_vcpu_run.guest'));
      const refused = s.told(
        { ...inUse, bounds: { steps: 400, states: 1 } },
        mutant,
        running,
        to(w.VCPU, 'svm_vcpu_run.VMEXIT'),
        to(w.VCPU, 'shutdown', w.GUEST),
      );
      assert.deepEqual(msrs(refused), [[0x015, 2 ** 51]]);
    },
  },
  {
    ...holds,
    id: 'SNP-50',
    says: 'the preferred GHCB GPA is none',
    shows: [keeps(PROTOCOL, 'default', 'ghcb.answer-is-documented', 'snp-ghcb-prefers-page')],
    mutants: ['snp-ghcb-prefers-page', 'snp-ghcb-no-preference'],
    check: (mutant) => assert.deepEqual(msrs(guest(mutant, msr(0x010))), [[0x011, NONE]]),
  },
  {
    ...holds,
    id: 'SNP-51',
    says: 'KVM has no GHCB mapped while the guest runs, whether it maps it until the next entry or for each access',
    shows: [
      keeps(PROTOCOL, 'default', 'ghcb.unmapped-in-guest', 'snp-ghcb-stays-mapped'),
      keeps(PRIVATE, 'map-lock', 'rmp.host-panic', 'snp-ghcb-map-unlocked'),
      breaks('ghcb-own-psc', 'panic-sigbus', 'rmp.host-panic', 'rmp-host-write-unchecked'),
    ],
    mutants: ['snp-ghcb-stays-mapped'],
    check: (mutant) => {
      for (const options of [{}, { 'kvm.ghcbMap': 'each-access' }] as const) {
        const played = s.inOrder(guests(options, [event(info(0x8000_fffd)), w.hlt]), mutant);
        assert.equal(played.context<SevEsContext>('sev_es:vm0/0').mapped, null);
        assert.ok(played.delivered('sevEs.map').length > 0);
      }
    },
  },
  {
    ...holds,
    id: 'SNP-57',
    says: 'an AP reset hold that a SIPI ends is answered with a number that is not zero, and any other wake-up with zero',
    shows: [keeps('ap-reset-hold', 'default', 'ghcb.hold-answer', 'snp-sipi-untold')],
    why: 'nothing but a SIPI wakes a vCPU of ap-reset-hold; that any other wake-up is answered with zero, `ghcb.hold-answer` says where interrupts are allowed',
    mutants: ['snp-sipi-untold', 'snp-hold-always-sipi'],
    check: (mutant) => {
      const vms = { vm0: w.vm([], [{ 'send-sipi': { apicId: 1 } }], [msr(0x006)]) };
      const hold = w.world(vms, { qemu0: [[w.run()], [w.run('vm0/1')]] }, {}, { allow: ['interrupt'] });
      const HELD = 'thread:qemu0/vcpu1';
      const asleep = to(HELD, 'kvm_vcpu_block.kvm_vcpu_check_block');
      const sipi = s.told(hold, mutant, asleep, finish(w.VCPU), finish(HELD));
      assert.deepEqual(msrs(sipi), [[0x007, 1]]);
      const other = s.told(hold, mutant, asleep, choose('interrupt(vcpu:vm0/1)'), finish(HELD));
      assert.deepEqual(msrs(other), [[0x007, 0]]);
    },
  },
  {
    ...holds,
    id: 'SNP-58',
    says: 'hypervisor features are SNP and AP creation, by the MSR and by the event',
    shows: [keeps(PROTOCOL, 'default', 'ghcb.answer-is-documented', 'snp-ghcb-offers-all')],
    mutants: ['snp-ghcb-offers-all', 'snp-ghcb-no-features'],
    check: (mutant) => {
      const played = guest(mutant, msr(0x080), event(info(0x8000_fffd)));
      assert.deepEqual([msrs(played), answers(played)], [[[0x081, FEATURES]], [{ info1: 0, info2: FEATURES }]]);
    },
  },
];
export const SNP_GHCB_CLAIMS: readonly Claim[] = ofTheProtocol;

const OTHER = 'thread:qemu0/vcpu1';
/** Entries behind the end of the buffer that KVM read, where the other vCPU rewrites the header. */
function rewritten(fetch: HostOptions['kvm.ghcbFetch'], mutant: s.Mutant): Played {
  const scenario = guests({ 'kvm.ghcbFetch': fetch }, [entry(0, w.GFN, 1), header(0, 0), buffer], [header(300, 300)]);
  const reading = until(w.VCPU, 'it is about to read an entry', (scene) =>
    /read_entry$|write_lock_mmu_lock\.trylock$/.test(scene.at(w.VCPU)),
  );
  return s.told(s.unchecked(scenario), mutant, reading, finish(OTHER), finish(w.VCPU));
}
const outside = (played: Played) => played.context<GhcbPageContext>('ghcb:vm0/0x9').outside;

/** The GHCB of one vCPU turns private while KVM is about to store its answer there. */
function turnedPrivate(options: Partial<HostOptions>, mutant: s.Mutant): Played {
  const scenario = guests(options, [event(info(0x8000_fffd))], [w.psc('private', GHCB)]);
  const stores = until(w.VCPU, 'it is about to answer', (scene) => /ghcb_set_sw_exit_info(?:\.mapped)?\.store$/.test(scene.at(w.VCPU)));
  const asked = until(OTHER, 'its page is private, or it waits', (scene) =>
    /write_unlock_mmu_lock$|synchronize_page_state\.schedule$/.test(scene.at(OTHER)),
  );
  return s.told(s.unchecked(scenario), mutant, stores, asked, s.over(w.VCPU));
}

export const SNP_GHCB_RACES: readonly Checked[] = [
  {
    id: 'R21',
    says: 'KVM that fetches the header of a PSC buffer again reads behind its end; with a checked copy of what it counts by, or of the whole buffer, it does not, refuses a header that is too long from the start and an entry that cannot be, and changes each page once',
    mutants: ['snp-psc-refetches', 'snp-psc-done-one', 'snp-psc-entry-unchecked', 'snp-psc-no-update', 'snp-psc-header-unchecked'],
    check: (mutant) => {
      assert.equal(outside(rewritten('double-fetch', mutant)), 300);
      for (const fetch of ['checked-index', 'snapshot'] as const) {
        const played = rewritten(fetch, mutant);
        assert.equal(outside(played), undefined);
        assert.equal(w.entryOf(played).assigned, true);
      }
      const tooLong = guest(mutant, entry(0, w.GFN, 1), header(0, 253), buffer);
      assert.deepEqual([answers(tooLong), w.entryOf(tooLong).assigned], [[{ info1: 0, info2: 2 ** 32 + 1 }], false]);
      // More pages done than it has, and 2M at a GFN that is not aligned.
      for (const fetch of ['checked-index', 'snapshot'] as const)
        for (const bad of [
          { done: 2, huge: false },
          { done: 0, huge: true },
        ]) {
          const first = { 'psc-entry': { ghcb: GHCB, index: 0, gfn: w.GFN, operation: 1, ...bad } };
          const refused = s.inOrder(guests({ 'kvm.ghcbFetch': fetch }, [first, header(0, 0), buffer]), mutant);
          assert.deepEqual([answers(refused), w.entryOf(refused).assigned], [[{ info1: 0, info2: 2 ** 32 + 2 }], false]);
        }
      for (const variant of ['specification', 'v5']) {
        const joined = s.inOrder(s.unchecked(shipped('psc-buffer-whole', variant)), mutant);
        assert.deepEqual(
          joined.delivered('rmp.writeUpdate').map(({ payload }) => payload.pfn),
          [0x1005, 0x1006, 0x1005],
        );
      }
    },
  },
  {
    id: 'R22',
    says: 'a GHCB that turns private while KVM answers costs the host under P0, the VM under P2, and nothing under P1 or with the lock of a map that KVM holds for one access',
    mutants: ['snp-ghcb-map-unlocked', 'snp-no-panic', 'snp-no-kill'],
    check: (mutant) => {
      for (const map of ['until-entry', 'each-access'] as const) {
        assert.notEqual(w.panicOf(turnedPrivate({ ...s.P0, 'kvm.ghcbMap': map }, mutant)), null);
        assert.equal(w.deadVm(turnedPrivate({ ...s.P2, 'kvm.ghcbMap': map }, mutant)), 'dead');
        const shared = turnedPrivate({ ...s.P1, 'kvm.ghcbMap': map }, mutant);
        assert.deepEqual([w.panicOf(shared), shared.context<Vcpu>(w.GUEST).ghcbAnswer], [null, { info1: 0, info2: FEATURES }]);
      }
      const locked = turnedPrivate({ ...s.P3, 'kvm.ghcbMap': 'each-access' }, mutant);
      assert.deepEqual([w.panicOf(locked), locked.context<Vcpu>(w.GUEST).ghcbAnswer], [null, { info1: 0, info2: FEATURES }]);
    },
  },
];
