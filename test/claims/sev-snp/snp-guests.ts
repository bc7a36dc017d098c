/**
 * SNP-10, SNP-11, SNP-15 to SNP-18, SNP-22, SNP-24, SNP-48: what a guest sees of a host that took
 * its page, and what the map lock keeps from happening.
 */
import assert from 'node:assert/strict';
import type { VmPagesContext } from '../../../actors/sev-snp/vm-pages.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { microSteps, type Played } from '../../sim/play.ts';
import { finish, to, until } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const RACE = 'rmp-host-write-race';
const BLIND = 'rmp-blind-pvalidate';
const LOST = 'rmp.guest-page-lost';
const holds = { source: 'domain snp g', verdict: 'holds' } as const;

/**
 * Two vCPUs of one guest; the first does this with the page, then a daemon may write it, then the
 * second reads it.
 */
function readByOther(state: 'shared' | 'guest-valid', first: readonly GuestStep[], written: boolean, mutant: s.Mutant): Played {
  const scenario = w.world(
    { vm0: w.vm([w.page(state)], [...first, w.hlt], [w.read(true)]) },
    { qemu0: [[w.run('vm0/0')], [w.run('vm0/1')]], netd: [[w.dmaWrite()]] },
    s.P1,
    { properties: { always: [LOST] } },
  );
  const prepared = to(w.VCPU, 'kvm_vcpu_block.kvm_vcpu_check_block');
  return s.told(scenario, mutant, prepared, ...(written ? [finish(w.NETD)] : []), finish('thread:qemu0/vcpu1'));
}

const ofLostPages: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-15',
    says: 'a guest whose page was converted under P1 can tell, by #VC 0x404 at its next private access, on whichever vCPU',
    shows: [breaks(BLIND, 'terminate', LOST, 'rmp-no-vc', 'rmp-update-keeps-validated', 'snp-vc-ignored')],
    not: 'that the content is replaced: SNP-18 has what is read then',
    mutants: ['rmp-no-vc', 'rmp-update-keeps-validated', 'snp-vc-ignored', 'snp-npf-no-update'],
    check: (mutant) => {
      const taken = s.daemonMeetsPrivate(s.P1, mutant);
      assert.deepEqual([w.accesses(taken), w.lostPage(taken)], [['npf', 'vc'], w.GFN]);
      const other = readByOther('shared', [w.psc('private'), w.pvalidate()], true, mutant);
      assert.equal(other.end.violation?.message, 'the guest of vm:vm0 got #VC 0x404 on GFN 0x5, which it had validated');
      const givenUp = readByOther('guest-valid', [w.pvalidate(false)], false, mutant);
      assert.deepEqual([w.accesses(givenUp), givenUp.end.violation], [['vc'], null]);
    },
  },
  {
    ...holds,
    id: 'SNP-16',
    says: 'under P1 the events come in the order of the list, with #NPF and a conversion back between access and #VC',
    shows: [breaks(BLIND, 'terminate', LOST, 'rmp-no-vc')],
    why: 'the order is one of messages; the property sees the last of them',
    mutants: ['rmp-vc-first', 'snp-npf-no-update', 'rmp-no-vc'],
    check: (mutant) => {
      const order = s.story(s.daemonMeetsPrivate(s.P1, mutant), {
        'rmp.hostWritten': 'fault',
        'rmp.writeUpdate': 'assigned',
        'rmp.accessed': 'outcome',
        vmexit: 'reason',
      });
      assert.deepEqual(order, [
        'rmp.hostWritten true',
        'rmp.writeUpdate false',
        'rmp.hostWritten false',
        'rmp.accessed npf',
        'vmexit NPF',
        'rmp.writeUpdate true',
        'rmp.accessed vc',
        'vmexit VMGEXIT',
      ]);
    },
  },
  {
    ...holds,
    id: 'SNP-17',
    says: 'the guest of P1 is in control after #VC and can end itself; under P2 its handler never runs',
    shows: [breaks(BLIND, 'terminate', LOST, 'snp-vc-ignored')],
    why: 'that the guest ends itself is a message to the host, and no property counts guests that ended by themselves',
    not: 'a handler that logs to the owner before it ends the guest',
    mutants: ['snp-no-terminate', 'snp-vc-ignored'],
    check: (mutant) => {
      const played = s.daemonMeetsPrivate(s.P1, mutant);
      assert.deepEqual(played.delivered('vmexit').at(-1)?.payload.info, { nae: 'TERMINATE', reasonSet: 0, reason: 0 });
      assert.match(microSteps(played, w.GUEST).at(-2)!, /exc_vmm_communication\.page_not_validated$/);
      const killed = s.daemonMeetsPrivate(s.P2, mutant);
      assert.ok(!microSteps(killed, w.GUEST).some((name) => name.includes('exc_vmm_communication')));
      assert.equal(w.deadVm(killed), 'dead');
    },
  },
  {
    ...holds,
    id: 'SNP-18',
    says: 'a guest that validates the page again without a question goes on with what the host wrote',
    shows: [breaks(BLIND, 'pvalidate', 'rmp.silent-corruption', 'rmp-host-store-lost')],
    why: 'a guest that validates by its program, before any #VC, is in no shipped scenario',
    mutants: ['rmp-host-store-lost', 'rmp-no-vc', 'rmp-update-keeps-validated', 'rmp-host-write-unchecked'],
    check: (mutant) => {
      const blind = s.told(
        w.oneGuest([w.page('guest-valid')], [w.write(true), w.pvalidate(), w.read(true)], { netd: [[w.dmaWrite()]] }, s.P1),
        mutant,
        to(w.VCPU, 'PVALIDATE.lock', w.GUEST),
        finish(w.NETD),
      );
      assert.deepEqual([w.hostStores(blind), w.accesses(blind), w.lostPage(blind)], [[true, false], ['ok', 'ok'], null]);
      const asks = s.daemonMeetsPrivate({ ...s.P1, 'guest.notValidated': 'terminate' }, mutant);
      assert.deepEqual([w.accesses(asks), w.pagesOf(asks).replaced, w.lostPage(asks)], [['npf', 'vc'], [], w.GFN]);
      const never = s.daemonMeetsPrivate({ ...s.P1, 'guest.notValidated': 'pvalidate' }, mutant, w.readOwn());
      assert.deepEqual([w.accesses(never), w.pagesOf(never).replaced, w.lostPage(never)], [['npf', 'vc', 'ok'], [w.GFN], null]);
      assert.deepEqual(w.pagesOf(never).found, { [w.GFN]: { by: w.NETD, n: 0, ciphertext: true } });
    },
  },
];

const LOCKED = [s.P3, s.P4] as const;
const kernelHolds = (options: (typeof LOCKED)[number] | typeof s.P0) =>
  w.oneGuest([w.page('shared')], s.CONVERTS, { vhost0: [[w.kernelWrite()]] }, options);
/** The kernel holds the page, the guest asks for its conversion, and the kernel goes on. */
const convertsWhileHeld = (options: (typeof LOCKED)[number], mutant: s.Mutant) =>
  s.told(kernelHolds(options), mutant, to(w.VHOST, 'kvm_vcpu_map.store'), to(w.VCPU, 'synchronize_page_state.schedule'), finish(w.VHOST));
const LOCK = { 'pages.granted': 'granted', 'rmp.hostWritten': 'fault', 'rmp.writeUpdate': 'assigned', 'pages.unlock': null } as const;

/**
 * How often a PSC is refused: so many daemons hold the page when it begins, and let go one after
 * the other.
 */
function waits(holders: number, options: (typeof LOCKED)[number] | typeof s.P0, mutant: s.Mutant): number {
  const names = Array.from({ length: holders }, (_, i) => `netd${i}`);
  const threads = Object.fromEntries(names.map((name) => [name, [[w.dmaWrite()]]]));
  const scenario = w.oneGuest([w.page('shared')], [w.psc('private')], threads, options);
  const ids = names.map((name) => `thread:${name}/0`);
  const hold = ids.map((id) => to(id, 'emulate_dma_write.store'));
  const asked = until(w.VCPU, 'it sleeps again or got the page', (scene) => {
    const sleeps = scene.context<{ readonly cpu: string | null }>(w.VCPU).cpu === null;
    const { waiters } = scene.context<VmPagesContext>('pages:vm0');
    return (sleeps && waiters.includes(w.VCPU)) || scene.at(w.VCPU).endsWith('RMPUPDATE.tryLock');
  });
  const played = s.told(scenario, mutant, ...hold, asked, ...ids.flatMap((id) => [finish(id), asked]));
  return played.delivered('pages.granted').filter(({ actor, payload }) => actor === w.VCPU && payload.granted === false).length;
}

const ofTheMapLock: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-10',
    says: 'a page that the kernel found shared stays shared until it is unmapped (P3, P4); without the lock, until another thread runs (P0)',
    shows: [
      keeps(RACE, 'map-lock-user', 'rmp.host-panic', 'snp-map-unlocks-early', 'snp-map-no-wait', 'snp-psc-no-wait'),
      breaks(RACE, 'panic-sigbus', 'rmp.host-panic', 'rmp-host-write-unchecked'),
      breaks('rmp-srcu-hole', 'srcu', 'rmp.host-panic', 'snp-no-panic', 'rmp-host-write-unchecked'),
      keeps('rmp-srcu-hole', 'excluded', 'rmp.host-panic', 'snp-map-no-wait', 'snp-psc-no-wait'),
    ],
    mutants: ['snp-map-unlocks-early', 'snp-psc-no-wait', 'rmp-host-write-unchecked'],
    check: (mutant) => {
      for (const options of LOCKED) {
        const played = convertsWhileHeld(options, mutant);
        assert.deepEqual([w.hostStores(played), w.accesses(played)], [[false], ['ok']]);
      }
      const seen = to(w.VHOST, 'kvm_vcpu_map.store');
      const overtaken = s.told(kernelHolds(s.P0), mutant, seen, to(w.VCPU, 'write.access', w.GUEST), s.over(w.VHOST));
      assert.deepEqual(w.hostStores(overtaken), [true]);
    },
  },
  {
    ...holds,
    id: 'SNP-11',
    says: 'the kernel does not write a page that it finds private, and gives the lock back',
    shows: [keeps(RACE, 'map-lock-user', 'rmp.host-panic', 'snp-map-ignores-private')],
    not: 'that the caller sees "busy": the operation ends and says nothing',
    mutants: ['snp-map-ignores-private', 'snp-map-busy-keeps-lock'],
    check: (mutant) => {
      for (const options of LOCKED) {
        const scenario = w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.kernelWrite()]] }, options);
        const played = s.told(scenario, mutant, s.over(w.VHOST));
        assert.deepEqual([w.hostStores(played), played.delivered('pages.unlock').length], [[], 1]);
      }
    },
  },
  {
    ...holds,
    id: 'SNP-22',
    says: 'the map checks and locks, a page-state change blocks until the unmap, and a map that comes after the change has begun waits for its end',
    shows: [keeps(RACE, 'map-lock-user', 'rmp.host-panic', 'snp-map-no-wait', 'snp-psc-no-wait')],
    mutants: ['snp-map-no-wait', 'snp-psc-no-wait', 'snp-map-unlocks-early'],
    check: (mutant) => {
      for (const options of LOCKED)
        assert.deepEqual(s.story(convertsWhileHeld(options, mutant), LOCK), [
          'pages.granted true',
          'pages.granted false',
          'rmp.hostWritten false',
          'pages.unlock',
          'pages.granted true',
          'rmp.writeUpdate true',
        ]);
      const begun = to(w.VCPU, 'rmpupdate.RMPUPDATE.check');
      const played = s.told(kernelHolds(s.P4), mutant, begun, to(w.VHOST, 'lock_page_state.schedule'));
      assert.deepEqual(s.story(played, LOCK).slice(0, 4), [
        'pages.granted true',
        'pages.granted false',
        'rmp.writeUpdate true',
        'pages.granted true',
      ]);
      assert.deepEqual(w.hostStores(played), []);
    },
  },
  {
    ...holds,
    id: 'SNP-24',
    says: 'a page-state change waits longer the more holders there are; without the lock it never waits',
    shows: [],
    why: 'how often it waits is a count; `compare` tells the longest wait of a variant, and no property bounds it',
    not: 'how long: time decides nothing in the model',
    mutants: ['snp-psc-no-wait', 'snp-unlock-lets-all-go'],
    check: (mutant) => {
      assert.deepEqual(
        [0, 1, 2, 3].map((holders) => waits(holders, s.P4, mutant)),
        [0, 1, 2, 3],
      );
      assert.deepEqual([waits(2, s.P3, mutant), waits(2, s.P0, mutant)], [0, 0]);
    },
  },
  {
    ...holds,
    id: 'SNP-48',
    says: 'a page-state change in flight waits for the mapping of another context to end',
    shows: [
      keeps(RACE, 'map-lock-user', 'rmp.innocent-process-killed', 'snp-psc-no-wait'),
      keeps(RACE, 'map-lock-user', 'rmp.host-panic', 'snp-map-unlocks-early', 'snp-unlock-lets-all-go'),
    ],
    mutants: ['snp-psc-no-wait', 'snp-map-unlocks-early'],
    check: (mutant) => {
      const cases = [
        [s.P3, w.VHOST, 'vhost0', w.kernelWrite()],
        [s.P4, w.NETD, 'netd', w.dmaWrite(2)],
      ] as const;
      for (const [options, holder, name, work] of cases) {
        const scenario = w.oneGuest([w.page('shared')], s.CONVERTS, { [name]: [[work]] }, options);
        const waiting = to(w.VCPU, 'synchronize_page_state.schedule');
        const played = s.told(scenario, mutant, to(holder, 'store'), waiting, finish(holder));
        assert.deepEqual(s.story(played, { 'pages.unlock': null, 'rmp.writeUpdate': null }), ['pages.unlock', 'rmp.writeUpdate']);
        assert.ok(!w.hostStores(played).includes(true));
      }
    },
  },
];

export const SNP_GUEST_CLAIMS: readonly Claim[] = [...ofLostPages, ...ofTheMapLock];
