/**
 * Races of SEV-SNP, R1 to R28, each with what it breaks and what cures it.
 * @see domain snp h
 */
import assert from 'node:assert/strict';
import { microSteps, shipped } from '../../sim/play.ts';
import { finish, steps, to, until } from '../../sim/steer.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import { SNP_ACCESS_RACES } from './snp-accesses.ts';
import { SNP_AP_RACES } from './snp-ap.ts';
import { SNP_CONTENTS_RACES } from './snp-contents.ts';
import { SNP_CONTEXT_RACES } from './snp-contexts.ts';
import { SNP_GHCB_RACES } from './snp-ghcb.ts';
import { SNP_GMEM_RACES } from './snp-gmem.ts';
import { SNP_HUGE_RACES } from './snp-huge.ts';
import { SNP_KEXEC_RACES } from './snp-kexec.ts';
import { SNP_MAILBOX_RACES } from './snp-mailbox.ts';
import { SNP_MEMORY_RACES } from './snp-memory.ts';
import { SNP_TEARDOWN_RACES } from './snp-other-policies.ts';
import { SNP_REQUEST_RACES } from './snp-requests.ts';
import { daemonMeetsVmsa, entered, livelock, running, vmsaPage } from './snp-vmsa.ts';
import * as s from './snp-worlds.ts';

const PREPARE = 'rmp-double-prepare';
const OTHER = 'thread:qemu0/vcpu1';
const LATE = 'thread:qemu0/vcpu2';

const ofStores: readonly Checked[] = [
  {
    id: 'R1',
    says: 'a kernel write that was checked faults all the same when the guest comes in between; the map lock cures it',
    mutants: ['snp-map-unlocks-early', 'rmp-host-write-unchecked'],
    check: (mutant) => {
      const scenario = (lock: 'none' | 'kernel') =>
        w.oneGuest([w.page('shared')], s.CONVERTS, { vhost0: [[w.kernelWrite()]] }, { 'kvm.mapLock': lock });
      const looked = to(w.VHOST, 'kvm_vcpu_map.store');
      const overtaken = s.told(scenario('none'), mutant, looked, to(w.VCPU, 'ghcb_set_sw_exit_info_2'), s.over(w.VHOST));
      assert.notEqual(w.panicOf(overtaken), null);
      const waits = s.told(scenario('kernel'), mutant, looked, to(w.VCPU, 'synchronize_page_state.schedule'));
      assert.equal(w.panicOf(waits), null);
      for (const played of s.runsOf(scenario('kernel'), 30, mutant)) assert.ok(!w.hostStores(played).includes(true));
    },
  },
  {
    id: 'R2',
    says: 'a daemon between two stores is killed; the lock of user space cures it',
    mutants: ['snp-no-sigbus', 'snp-psc-no-wait'],
    check: (mutant) => {
      const scenario = (lock: 'none' | 'user') =>
        w.oneGuest([w.page('shared')], s.CONVERTS, { netd: [[w.dmaWrite(3)]] }, { 'kvm.mapLock': lock });
      const overtaken = [to(w.NETD, 'emulate_dma_write.store'), to(w.VCPU, 'write.access', w.GUEST)];
      assert.equal(w.signalOf(s.told(scenario('none'), mutant, ...overtaken)), 'SIGBUS');
      const waits = [s.betweenStores, to(w.VCPU, 'synchronize_page_state.schedule'), finish(w.NETD)];
      const kept = s.told(scenario('user'), mutant, ...waits);
      for (const played of [kept, ...s.runsOf(scenario('user'), 40, mutant)]) assert.ok(!w.hostStores(played).includes(true));
    },
  },
  {
    id: 'R3',
    says: 'an SRCU waits for the readers that it finds, and a reader that comes behind it meets a private page; exclusion cures it',
    mutants: ['snp-srcu-no-wait', 'snp-srcu-waits-for-all', 'snp-srcu-not-left', 'snp-map-no-wait'],
    check: (mutant) => {
      const twice = { vhost0: [[w.kernelWrite(), w.kernelWrite()]] };
      const scenario = (lock: 'srcu' | 'kernel') => w.oneGuest([w.page('shared')], s.CONVERTS, twice, { 'kvm.mapLock': lock });
      const reads = to(w.VHOST, 'kvm_vcpu_map.store');
      const waits = to(w.VCPU, 'synchronize_srcu_expedited.schedule');
      const first = until(w.VHOST, 'it has left', (scene) => scene.at(w.VHOST).endsWith('kvm_vcpu_map.sysret'));
      const changes = to(w.VCPU, 'write.access', w.GUEST);
      const found = s.told(scenario('srcu'), mutant, reads, waits, first, changes, s.over(w.VHOST));
      assert.deepEqual([w.hostStores(found), w.panicOf(found)], [[false], null]);
      // The change has waited for the first reader, and holds nothing against the second.
      const behind = s.told(scenario('srcu'), mutant, reads, waits, first, reads, changes, s.over(w.VHOST));
      assert.deepEqual(w.hostStores(behind), [false, true]);
      assert.notEqual(w.panicOf(behind), null);
      const begun = to(w.VCPU, 'rmpupdate.RMPUPDATE.check');
      const kept = to(w.VHOST, 'lock_page_state.schedule');
      const excluded = s.told(scenario('kernel'), mutant, begun, kept, changes, s.over(w.VHOST));
      assert.deepEqual(w.hostStores(excluded), []);
    },
  },
];

const ofVmsas: readonly Checked[] = [
  {
    id: 'R5',
    says: 'auto-share meets a VMSA in use: kick and block get it through, after which VMRUN is VMEXIT_INVALID; a spin does not',
    mutants: ['rmp-vmrun-any-page', 'rmp-vmexit-keeps-mark', 'rmp-update-in-use'],
    check: (mutant) => {
      const through = s.told(daemonMeetsVmsa('kick-and-block'), mutant, running);
      assert.deepEqual([w.hostStores(through), w.exits(through)], [[true, false], []]);
      assert.deepEqual([w.entryOf(through, 0x1008).assigned, entered(through), w.panicOf(through)], [false, ['ok', 'invalid'], null]);
      const stuck = s.told({ ...daemonMeetsVmsa('none'), bounds: { steps: 300, states: 1 } }, mutant, running);
      assert.deepEqual([stuck.end.ended, w.hostStores(stuck)], ['bound', [true]]);
      assert.ok(microSteps(stuck, w.NETD).filter((name) => name.endsWith('cpu_relax')).length > 20);
    },
  },
  {
    id: 'R6',
    says: 'a kick without a block can be lost to the next VMRUN, again and again',
    mutants: ['rmp-vmrun-no-mark', 'rmp-update-in-use'],
    check: (mutant) => {
      const order = livelock(mutant).records.flatMap(({ kind, type, actor, payload }) => {
        if (kind !== 'deliver') return [];
        if (type === 'rmp.leave' || (type === 'rmp.entered' && payload.outcome === 'ok')) return [type];
        return type === 'rmp.checked' && actor === w.NETD ? [String(payload.result)] : [];
      });
      assert.match(order.join(' '), /FAIL_INUSE rmp\.leave rmp\.entered FAIL_INUSE rmp\.leave rmp\.entered/);
    },
  },
  {
    id: 'R14',
    says: 'a guest that clears the VMSA bit under a halted vCPU ends that vCPU, not the host',
    mutants: ['rmp-vmrun-any-page', 'rmp-adjust-no-vmsa'],
    check: (mutant) => {
      const scenario = w.world(
        { vm0: w.vm([vmsaPage, w.page('vmsa', 0x9)], [w.read(false, 0x9), w.hlt], [w.rmpadjust(false, 0x8)]) },
        { qemu0: [[w.run('vm0/0')], [w.run('vm0/1')]] },
      );
      const yank = to('thread:qemu0/vcpu1', 'guest.shutdown', 'vcpu:vm0/1');
      const played = s.told(scenario, mutant, to(w.VCPU, 'svm_vcpu_run.VMRUN_check_vmsa'), yank);
      assert.equal(played.delivered('rmp.entered').find(({ actor }) => actor === w.VCPU)?.payload.outcome, 'invalid');
      assert.deepEqual([w.panicOf(played), played.end.violation], [null, null]);
    },
  },
  {
    id: 'R20',
    says: 'a guest that reads its own VMSA while it runs faults forever; one that is not in use it can read',
    mutants: ['rmp-access-in-use', 'rmp-vmrun-no-mark'],
    check: (mutant) => {
      const endless = s.inOrder(w.oneGuest([vmsaPage], [w.read(true, 0x8)], {}, {}, { bounds: { steps: 400 } }), mutant);
      assert.equal(endless.end.ended, 'bound');
      assert.ok(w.exits(endless).length > 3);
      assert.deepEqual(new Set([...w.exits(endless), ...w.accesses(endless)]), new Set(['NPF', 'npf']));
      assert.deepEqual(endless.delivered('rmp.writeUpdate'), []);
      const other = s.inOrder(w.oneGuest([vmsaPage, w.page('vmsa', 0x9)], [w.read(true, 0x9)], {}), mutant);
      assert.deepEqual(w.accesses(other), ['ok']);
    },
  },
];

const ofUpdates: readonly Checked[] = [
  {
    id: 'R7',
    says: 'retried on overlap only, a legal RMPADJUST ends the VM under `inuse`, and not under `overlap-2m` or with a retry on FAIL_INUSE',
    mutants: ['snp-update-never-retries', 'snp-update-retries-inuse', 'snp-no-bugged'],
    check: (mutant) => {
      assert.equal(w.deadVm(s.meet('inuse', mutant)), 'bugged');
      assert.deepEqual([w.deadVm(s.tries('overlap-2m', mutant)), w.deadVm(s.tries('inuse-retried', mutant))], [null, null]);
    },
  },
  {
    id: 'R8',
    says: 'a second nested fault makes private again what the first vCPU has validated; with the lock held from look to update it does not',
    mutants: ['rmp-update-keeps-validated', 'snp-npf-no-mmu-lock', 'gmem-no-folio-lock', 'gmem-prepares-again'],
    check: (mutant) => {
      const twice = s.preparedTwice(mutant);
      assert.deepEqual(
        twice.delivered('rmp.writeUpdate').map(({ payload }) => payload.assigned),
        [true, true],
      );
      assert.deepEqual([w.accesses(twice), w.lostPage(twice)], [['vc'], w.GFN]);
      const looked = until(OTHER, 'it has seen the page shared', (scene) => /rmpupdate|write_unlock/.test(scene.at(OTHER)));
      const both = s.told(s.unchecked(shipped(PREPARE, 'lock-held')), mutant, looked, steps(w.VCPU, 60));
      for (const played of [both, ...s.runsOf(s.unchecked(shipped(PREPARE, 'lock-held')), 40, mutant)]) {
        assert.equal(played.delivered('rmp.writeUpdate').length, 1);
        assert.deepEqual(w.accesses(played), ['ok']);
      }
      // As mainline has it: the folio is locked, and prepared once.
      const vcpus = [[w.psc('private'), w.hlt], [w.pvalidate(), w.read(true)], [w.pvalidate()]];
      const threads = { qemu0: [0, 1, 2].map((vcpu) => [w.run(`vm0/${vcpu}`)]) };
      const touched = w.world({ vm0: w.vm([w.page('shared')], ...vcpus) }, threads, s.P5);
      const converted = to(w.VCPU, 'kvm_vcpu_block.kvm_vcpu_check_block');
      const first = to(OTHER, 'kvm_gmem_get_pfn.rmpupdate.RMPUPDATE.tryLock');
      const prepared = s.told(touched, mutant, converted, first, to(LATE, 'folio_lock.schedule'), finish(OTHER), finish(LATE));
      assert.deepEqual([prepared.delivered('rmp.writeUpdate').length, w.accesses(prepared)], [1, ['ok']]);
    },
  },
];

export const SNP_RACES: readonly Checked[] = [
  ...ofStores,
  ...ofVmsas,
  ...ofUpdates,
  ...SNP_HUGE_RACES,
  ...SNP_TEARDOWN_RACES,
  ...SNP_MEMORY_RACES,
  ...SNP_KEXEC_RACES,
  ...SNP_MAILBOX_RACES,
  ...SNP_CONTENTS_RACES,
  ...SNP_ACCESS_RACES,
  ...SNP_CONTEXT_RACES,
  ...SNP_GMEM_RACES,
  ...SNP_GHCB_RACES,
  ...SNP_AP_RACES,
  ...SNP_REQUEST_RACES,
];
