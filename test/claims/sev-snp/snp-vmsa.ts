/**
 * SNP-25 to SNP-28, SNP-32: VMSA pages, made by guests, in use while their vCPU runs, and what the
 * auto-share handler must do then.
 */
import assert from 'node:assert/strict';
import type { HostOptions } from '../../../events/options.ts';
import { DEADLOCK } from '../../../sim/end.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { finish, steps, to, until } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const KICK = 'vmsa-in-use-kick';
const BOUNDED = 'rmp.retry-bounded';
const IN_USE = 'rmp.in-use-is-vmsa';
const holds = { source: 'domain snp g', verdict: 'holds' } as const;

/** Its second vCPU runs while the first asks the host to share the VMSA of the second. */
const OF_RUNNING = 'psc-of-running-vmsa';
const RUNNING = 'thread:qemu0/vcpu1';
const isFromFirst = ({ actor }: { readonly actor: string }) => actor === w.VCPU;
const VMSA = 0x1008;
export const vmsaPage = w.page('vmsa', 0x8);
const SPINS = { repeat: { times: 4, do: [w.spin] } };
const inUse = (played: Played) => played.context<{ readonly inUse: readonly number[] }>('rmp:0x1000').inUse;

/** A daemon writes the VMSA of a vCPU that computes. */
export const daemonMeetsVmsa = (kick: HostOptions['kvm.vmsaKick']) =>
  w.oneGuest([vmsaPage], [SPINS], { netd: [[w.dmaWrite(1, 0x8)]] }, { 'kvm.rmpFault': 'auto-share', 'kvm.vmsaKick': kick });
export const running = to(w.VCPU, 'svm_vcpu_run.guest');
/** The vCPU leaves at each kick, and is back inside before the handler tries again. */
export function livelock(mutant: s.Mutant): Played {
  const round = [steps(w.NETD, 1), to(w.NETD, 'cpu_relax'), to(w.VCPU, 'svm_vcpu_run.VMEXIT'), running];
  return s.told(shipped(KICK, 'kick'), mutant, running, ...round, ...round, ...round);
}

const meetsVmsa = (guest: readonly GuestStep[]) =>
  w.oneGuest(
    [vmsaPage, w.page('shared')],
    guest,
    { netd: [[w.dmaWrite(1, 0x8)]] },
    { 'kvm.rmpFault': 'auto-share', 'kvm.vmsaKick': 'kick-and-block' },
  );
/** What RMPUPDATE answers to the handler that has kicked the vCPU and seen it outside. */
function afterKick({ records }: Played): unknown[] {
  const outside = records.findIndex(
    ({ kind, type, actor, payload }) =>
      kind === 'deliver' && type === 'vcpu.mode' && actor === w.NETD && payload.mode === 'OUTSIDE_GUEST_MODE',
  );
  if (outside < 0) return [];
  return records
    .slice(outside)
    .filter(({ kind, actor, type }) => kind === 'deliver' && actor === w.NETD && /^rmp\.(?:locked|checked)$/.test(type))
    .map(({ payload }) => payload.result);
}
/**
 * The request comes when the vCPU has left by itself and has looked at its requests: it must look
 * once more.
 */
const entersOnceMore = (mutant: s.Mutant) =>
  s.told(
    meetsVmsa([w.psc('private'), SPINS]),
    mutant,
    running,
    to(w.NETD, 'kvm_vcpu_kick.kvm_make_request'),
    to(w.VCPU, 'ghcb_set_sw_exit_info_2'),
    to(w.VCPU, 'vcpu_enter_guest.IN_GUEST_MODE'),
    to(w.NETD, 'RMPUPDATE.tryLock'),
    until(w.VCPU, 'it is inside or asleep', (scene) => /(?:svm_vcpu_run\.guest|kvm_vcpu_check_block)$/.test(scene.at(w.VCPU))),
    steps(w.NETD, 4),
  );
export const entered = (played: Played) => played.delivered('rmp.entered').map(({ payload }) => payload.outcome);

export const SNP_VMSA_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-25',
    says: 'RMPADJUST makes a page of the guest a VMSA, and the host is not asked',
    shows: [],
    why: 'the page that becomes a VMSA is none of a running vCPU, and nothing shipped depends on its bit',
    not: 'that the guest is at VMPL 0, and that the bit is ignored elsewhere: there are no VMPLs',
    mutants: ['rmp-adjust-no-vmsa', 'rmp-adjust-exits'],
    check: (mutant) => {
      const played = s.inOrder(w.oneGuest([w.page('guest-valid')], [w.rmpadjust(true)], {}), mutant);
      assert.deepEqual([w.entryOf(played).assigned, w.entryOf(played).vmsa], [true, true]);
      assert.deepEqual([w.exits(played), played.delivered('rmp.writeUpdate')], [['SHUTDOWN'], []]);
    },
  },
  {
    ...holds,
    id: 'SNP-26',
    says: 'while a vCPU runs, RMPUPDATE of its VMSA is FAIL_INUSE, nothing changes the entry, and a guest that asked is told; after #VMEXIT it succeeds',
    shows: [
      keeps(KICK, 'kick-and-block', IN_USE, 'rmp-update-in-use', 'rmp-vmrun-passes-lock'),
      breaks(KICK, 'no-kick', BOUNDED, 'rmp-vmrun-no-mark', 'rmp-update-in-use'),
      keeps(KICK, 'kick-and-block', BOUNDED, 'rmp-vmexit-keeps-mark'),
    ],
    why: 'a guest that clears the VMSA bit of its own running vCPU is in no shipped scenario',
    not: 'VMCB and AVIC pages, which are marked as well, have no entries',
    mutants: ['rmp-update-in-use', 'rmp-guest-in-use', 'rmp-vmrun-no-mark', 'rmp-vmexit-keeps-mark', 'snp-psc-always-done'],
    check: (mutant) => {
      const asked = s.told(shipped(OF_RUNNING, 'default'), mutant, to(RUNNING, 'svm_vcpu_run.guest'), finish(w.VCPU));
      assert.deepEqual(
        asked.delivered('ghcb.result').map(({ payload }) => payload.ok),
        [false],
      );
      assert.deepEqual(asked.delivered('vmexit').filter(isFromFirst).at(-1)?.payload.info, { nae: 'TERMINATE', reasonSet: 1, reason: 1 });
      const refused = s.told(w.oneGuest([vmsaPage], [SPINS], { gmem: [[w.makeShared(0x8)]] }), mutant, running, finish(w.GMEM));
      assert.deepEqual(
        refused.delivered('rmp.checked').map(({ payload }) => payload.result),
        ['FAIL_INUSE'],
      );
      assert.deepEqual(refused.delivered('rmp.writeUpdate'), []);
      const { assigned, vmsa, validated } = w.entryOf(refused, VMSA);
      assert.deepEqual([assigned, vmsa, validated], [true, true, true]);
      const left = s.told(
        w.oneGuest([vmsaPage], [w.hlt], { gmem: [[w.makeShared(0x8)]] }),
        mutant,
        to(w.VCPU, 'kvm_vcpu_block.kvm_vcpu_check_block'),
        finish(w.GMEM),
      );
      assert.deepEqual([inUse(left), w.entryOf(left, VMSA).assigned, w.entryOf(left, VMSA).vmsa], [[], false, false]);
      const own = s.inOrder(w.oneGuest([vmsaPage], [w.rmpadjust(false, 0x8)], {}), mutant);
      assert.deepEqual([own.delivered('rmp.writeVmsa'), w.entryOf(own, VMSA).vmsa], [[], true]);
    },
  },
  {
    ...holds,
    id: 'SNP-27',
    says: 'kicked and kept out, the vCPU lets the handler through, and finds its VMSA gone; only kicked, it may be back each time',
    shows: [
      keeps(KICK, 'kick-and-block', BOUNDED, 'snp-entry-untested', 'rmp-vmexit-keeps-mark'),
      keeps(KICK, 'kick-and-block', IN_USE, 'rmp-vmrun-any-page'),
      keeps(KICK, 'kick-and-block', DEADLOCK, 'snp-block-kept'),
      breaks(KICK, 'kick', BOUNDED, 'rmp-vmrun-no-mark', 'rmp-update-in-use'),
    ],
    mutants: ['snp-kick-no-ipi', 'snp-block-kept', 'rmp-vmexit-keeps-mark', 'rmp-vmrun-any-page', 'rmp-vmrun-no-mark'],
    check: (mutant) => {
      for (const played of s.runsOf(daemonMeetsVmsa('kick-and-block'), 40, mutant)) {
        assert.equal(w.hostStores(played).at(-1), false);
        assert.deepEqual([played.end.violation, played.end.ended], [null, 'done']);
      }
      const through = s.told(daemonMeetsVmsa('kick-and-block'), mutant, running);
      assert.deepEqual(
        [w.hostStores(through), entered(through)],
        [
          [true, false],
          ['ok', 'invalid'],
        ],
      );
      const again = livelock(mutant);
      assert.deepEqual([again.end.violation?.property, entered(again)], [BOUNDED, ['ok', 'ok', 'ok']]);
      assert.ok(again.end.violation!.lasso!.length > 10);
    },
  },
  {
    ...holds,
    id: 'SNP-28',
    says: 'without a kick the handler retries forever',
    shows: [breaks(KICK, 'no-kick', BOUNDED, 'rmp-vmrun-no-mark', 'rmp-update-in-use')],
    not: 'the soft lock-up that follows: there is no watchdog',
    mutants: ['rmp-vmrun-no-mark', 'rmp-update-in-use'],
    check: (mutant) => {
      const played = s.inOrder(shipped(KICK, 'no-kick'), mutant);
      assert.deepEqual([played.end.violation?.property, entered(played), w.exits(played)], [BOUNDED, ['ok'], []]);
    },
  },
  {
    ...holds,
    id: 'SNP-32',
    says: 'after kick and block no RMPUPDATE meets an instruction of the guest or a VMSA in use',
    shows: [keeps(KICK, 'kick-and-block', BOUNDED, 'snp-entry-untested', 'rmp-vmexit-keeps-mark')],
    why: 'that one try after the kick is enough is a count of messages',
    not: 'all vCPUs: the handler kicks the one whose VMSA it is, and meets the others with a retry',
    mutants: ['rmp-vmexit-keeps-mark', 'snp-entry-untested'],
    check: (mutant) => {
      const runs = s.runsOf(meetsVmsa([{ repeat: { times: 3, do: [w.rmpadjust(true, 0x8), w.spin] } }]), 40, mutant);
      const after = [...runs, entersOnceMore(mutant)].flatMap((played) => afterKick(played));
      assert.ok(after.length > 0);
      assert.deepEqual(new Set(after), new Set(['SUCCESS']));
    },
  },
];
