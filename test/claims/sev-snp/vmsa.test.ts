/** VMSA pages: made by guests, in use while their vCPU runs, and what the auto-share handler must do then. @see domain snp a.4, d.3, h R5, R6 */
import { describe, expect, it } from 'vitest';
import type { HostOptions } from '../../../events/options.ts';
import { microSteps, type Played, play, seeds, shipped } from '../../sim/play.ts';
import { finish, steer, steps, to } from '../../sim/steer.ts';
import * as w from '../world.ts';

const VMSA = 0x1008;
const vmsaPage = w.page('vmsa', 0x8);
const SPINS = { repeat: { times: 4, do: [w.spin] } };

/** A daemon writes the VMSA of a vCPU that computes. */
const daemonMeetsVmsa = (kick: HostOptions['kvm.vmsaKick']) =>
  w.oneGuest([vmsaPage], [SPINS], { netd: [[w.dmaWrite(1, 0x8)]] }, { 'kvm.rmpFault': 'auto-share', 'kvm.vmsaKick': kick });
const running = to(w.VCPU, 'svm_vcpu_run.guest');
/** The vCPU leaves at each kick, and is back inside before the handler tries again. */
const livelock = () => {
  const round = [steps(w.NETD, 1), to(w.NETD, 'cpu_relax'), to(w.VCPU, 'svm_vcpu_run.VMEXIT'), running];
  return steer(running, ...round, ...round, ...round);
};
const inUse = (played: Played) => played.context<{ readonly inUse: readonly number[] }>('rmp:0x1000').inUse;

describe('a VMSA', () => {
  it('SNP-25 all: RMPADJUST makes one without asking the host', () => {
    const scenario = w.oneGuest([w.page('guest-valid')], [w.rmpadjust(true)], {});
    const played = play(scenario, { name: 'fifo' });
    expect(w.entryOf(played)).toMatchObject({ assigned: true, vmsa: true });
    expect(w.exits(played)).toEqual(['SHUTDOWN']);
    expect(played.delivered('rmp.writeUpdate')).toEqual([]);
  });

  it('SNP-26 all: RMPUPDATE of a VMSA in use fails with FAIL_INUSE and changes nothing', () => {
    const scenario = w.oneGuest([vmsaPage], [SPINS], { gmem: [[w.makeShared(0x8)]] });
    const played = play(scenario, steer(running, finish(w.GMEM)), undefined, (run) => run.sequencer.step >= 200);
    expect(played.delivered('rmp.checked')).toMatchObject([{ payload: { result: 'FAIL_INUSE' } }]);
    expect(played.delivered('rmp.writeUpdate')).toEqual([]);
    expect(w.entryOf(played, VMSA)).toMatchObject({ assigned: true, vmsa: true, validated: true });
  });

  it('SNP-26 all: the mark is gone after #VMEXIT, and RMPUPDATE succeeds', () => {
    const scenario = w.oneGuest([vmsaPage], [w.hlt], { gmem: [[w.makeShared(0x8)]] });
    const played = play(scenario, steer(to(w.VCPU, 'kvm_vcpu_block.finish_rcuwait'), finish(w.GMEM)));
    expect(inUse(played)).toEqual([]);
    expect(w.entryOf(played, VMSA)).toMatchObject({ assigned: false, vmsa: false });
  });

  it('SNP-27 P1: kicked and kept out, the vCPU lets the handler through, whatever the order', () => {
    for (const seed of seeds(40)) {
      const played = play(daemonMeetsVmsa('kick-and-block'), seed);
      expect(w.hostStores(played).at(-1)).toBe(false);
      expect(played.end.violation).toBeNull();
    }
  });

  it('SNP-27 P1: only kicked, it may enter again each time', () => {
    const played = play(shipped('vmsa-in-use-kick', 'kick'), livelock());
    expect(played.end.violation?.property).toBe('rmp.retry-bounded');
    expect(played.delivered('rmp.entered').map(({ payload }) => payload.outcome)).toEqual(['ok', 'ok', 'ok']);
    expect(played.end.violation?.lasso?.length).toBeGreaterThan(10);
  });

  it('SNP-28 P1: without a kick the handler retries for ever', () => {
    const played = play(shipped('vmsa-in-use-kick', 'no-kick'), { name: 'fifo' });
    expect(played.end.violation?.property).toBe('rmp.retry-bounded');
    expect(played.delivered('rmp.enter')).toHaveLength(1);
    expect(w.exits(played)).toEqual([]);
  });

  it('SNP-32 P1: after kick and block no RMPUPDATE meets an instruction of the guest or a VMSA in use', () => {
    const guest = [{ repeat: { times: 3, do: [w.rmpadjust(true, 0x8), w.spin] } }];
    const options = { 'kvm.rmpFault': 'auto-share', 'kvm.vmsaKick': 'kick-and-block' } as const;
    let seen = 0;
    for (const seed of seeds(40)) {
      const played = play(w.oneGuest([vmsaPage], guest, { netd: [[w.dmaWrite(1, 0x8)]] }, options), seed);
      const outside = played.records.findIndex(
        ({ kind, type, actor, payload }) =>
          kind === 'deliver' && type === 'vcpu.mode' && actor === w.NETD && payload.mode === 'OUTSIDE_GUEST_MODE',
      );
      if (outside < 0) continue;
      seen++;
      const after = played.records
        .slice(outside)
        .filter(({ kind, actor, type }) => kind === 'deliver' && actor === w.NETD && /^rmp\.(?:locked|checked)$/.test(type));
      expect(after.map(({ payload }) => payload.result)).toEqual(['SUCCESS', 'SUCCESS']);
    }
    expect(seen).toBeGreaterThan(0);
  });
});

describe('races around a VMSA', () => {
  it('R5: auto-share meets a VMSA in use; kick and block get it through, a spin does not', () => {
    const through = play(daemonMeetsVmsa('kick-and-block'), steer(running));
    expect(w.hostStores(through)).toEqual([true, false]);
    expect(w.exits(through)).toEqual([]);
    const stuck = play({ ...daemonMeetsVmsa('none'), bounds: { steps: 300, states: 1 } }, steer(running));
    expect(stuck.end.ended).toBe('bound');
    expect(w.hostStores(stuck)).toEqual([true]);
    expect(microSteps(stuck, w.NETD).filter((name) => name.endsWith('cpu_relax')).length).toBeGreaterThan(20);
  });

  it('R5: after the conversion VMRUN of that VMSA is VMEXIT_INVALID, not a crash of the host', () => {
    const played = play(daemonMeetsVmsa('kick-and-block'), steer(running));
    expect(w.entryOf(played, VMSA)).toMatchObject({ assigned: false });
    expect(played.delivered('rmp.entered').map(({ payload }) => payload.outcome)).toEqual(['ok', 'invalid']);
    expect(w.panicOf(played)).toBeNull();
  });

  it('R6: a kick without a block can be lost to the next VMRUN, again and again', () => {
    const played = play(shipped('vmsa-in-use-kick', 'kick'), livelock());
    const order = played.records.flatMap(({ kind, type, actor, payload }) => {
      if (kind !== 'deliver') return [];
      if (type === 'rmp.leave' || (type === 'rmp.entered' && payload.outcome === 'ok')) return [type];
      return type === 'rmp.checked' && actor === w.NETD ? [String(payload.result)] : [];
    });
    expect(order.join(' ')).toMatch(/FAIL_INUSE rmp\.leave rmp\.entered FAIL_INUSE rmp\.leave rmp\.entered/);
  });

  it('R20: a guest that reads its own VMSA while it runs faults for ever; one that is not in use it can read', () => {
    const endless = w.oneGuest([vmsaPage], [w.read(true, 0x8)], {}, {}, { bounds: { steps: 400 } });
    const played = play(endless, { name: 'fifo' });
    expect(played.end.ended).toBe('bound');
    expect(w.exits(played).length).toBeGreaterThan(3);
    expect(new Set([...w.exits(played), ...w.accesses(played)])).toEqual(new Set(['NPF', 'npf']));
    expect(played.delivered('rmp.writeUpdate')).toEqual([]);
    const other = w.oneGuest([vmsaPage, w.page('vmsa', 0x9)], [w.read(true, 0x9)], {});
    expect(w.accesses(play(other, { name: 'fifo' }))).toEqual(['ok']);
  });

  it('R14: a guest that clears the VMSA bit under a halted vCPU ends that vCPU, not the host', () => {
    const scenario = w.world(
      { vm0: w.vm([vmsaPage, w.page('vmsa', 0x9)], [w.read(false, 0x9), w.hlt], [w.rmpadjust(false, 0x8)]) },
      { qemu0: [[w.run('vm0/0')], [w.run('vm0/1')]] },
    );
    const yank = to('thread:qemu0/vcpu1', 'guest.shutdown', 'vcpu:vm0/1');
    const played = play(scenario, steer(to(w.VCPU, 'svm_vcpu_run.VMRUN_check_vmsa'), yank));
    expect(played.delivered('rmp.entered').find(({ actor }) => actor === w.VCPU)?.payload.outcome).toBe('invalid');
    expect([w.panicOf(played), played.end.violation]).toEqual([null, null]);
  });
});
