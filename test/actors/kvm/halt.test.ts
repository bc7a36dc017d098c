/**
 * HLT on x86: the exit makes the vCPU halted, and the head of the next turn polls for it and puts
 * its thread to sleep.
 * @see kernel arch/x86/kvm/x86.c, kvm_emulate_halt(), vcpu_run(), vcpu_block();
 * virt/kvm/kvm_main.c, kvm_vcpu_halt(), kvm_vcpu_block()
 */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import type { Scenario } from '../../../sim/scenario/types.ts';
import * as w from '../../claims/world.ts';
import { microSteps, type Played, play } from '../../sim/play.ts';
import { choose, finish, steer, to } from '../../sim/steer.ts';
import { Given } from '../given.ts';

const halting = (host: Partial<Scenario['host']> = {}) =>
  w.oneGuest(
    [w.page('shared'), w.page('guest-valid', 6)],
    [w.hlt, w.read(false)],
    { netd: [[w.dmaWrite(1, 6)]] },
    { 'kvm.rmpFault': 'kill-guest' },
    { allow: ['interrupt'], bounds: { steps: 400 }, host: { arch: 'amd', ...host } },
  );
const BLOCK = 'vcpu_block.kvm_vcpu_halt.kvm_vcpu_block';
const POLL = 'vcpu_block.kvm_vcpu_halt.kvm_vcpu_check_block';
const inRun = (played: Played, thread = w.VCPU): string[] =>
  microSteps(played, thread)
    .filter((name) => name.startsWith('main.KVM_RUN.'))
    .map((name) => name.slice('main.KVM_RUN.'.length));
const fromHlt = (played: Played, count: number): string[] => {
  const names = inRun(played);
  return names.slice(names.indexOf('kvm_emulate_halt')).slice(0, count);
};
const R18 = 'xfer_to_guest_mode_handle_work';
const asleep = to(w.VCPU, `${BLOCK}.kvm_vcpu_check_block`);

describe('HLT', () => {
  it('halts the vCPU in R17, and its thread polls and sleeps at the head of the next turn', () => {
    const woken = [asleep, to(w.NETD, 'main.start'), choose(`interrupt(${w.GUEST})`), to(w.VCPU, 'VMRUN'), finish(w.VCPU)];
    const played = play(halting(), steer(...woken));
    const walk = [
      'kvm_emulate_halt',
      R18,
      POLL,
      ...['prepare_to_rcuwait', 'schedule', 'kvm_vcpu_check_block'].map((name) => `${BLOCK}.${name}`),
    ];
    expect(fromHlt(played, 8)).toEqual([...walk, R18, 'vcpu_enter_guest.kvm_check_requests.test']);
    expect(played.context<Vcpu>(w.GUEST).halted).toBeUndefined();
    expect(w.accesses(played)).toEqual(['ok']);
  });

  it('is not polled for where the host does not poll', () => {
    expect(fromHlt(play(halting({ haltPolling: false }), steer(asleep)), 3)).toEqual([
      'kvm_emulate_halt',
      R18,
      `${BLOCK}.prepare_to_rcuwait`,
    ]);
  });
});

describe('a vCPU', () => {
  const scenario = halting();
  const { machines, actors } = topologyOf(scenario);
  const fresh = Given.start<Vcpu>(machines.vcpu!, actors.find(({ id }) => id === w.GUEST)!.input);
  const halted = fresh.after({ type: 'vcpu.halt' });
  const mpState = (given: Given<Vcpu>) => given.when({ type: 'vcpu.mpState?', from: w.VCPU }).sent.map(({ event }) => event.halted);
  const check = (polls: boolean) => ({ type: 'vcpu.block', until: 'request', from: w.VCPU, ...(polls && { polls: true }) });
  const request = { type: 'vcpu.request', request: 'KVM_REQ_UNBLOCK', from: w.NETD };

  it('is halted from its HLT until a check finds something to do', () => {
    expect([mpState(fresh), mpState(halted), mpState(halted.after(check(false)))]).toEqual([[false], [true], [true]]);
    for (const polls of [true, false]) expect(mpState(halted.after(request, check(polls)))).toEqual([false]);
    expect(mpState(halted.after(check(false), { type: 'vcpu.unblock' }))).toEqual([true]);
  });

  it('wakes its thread only if that sleeps: one that polls looks for itself', () => {
    const wakes = (given: Given<Vcpu>) => given.when(request).sent.filter(({ event }) => event.type === 'sched.wake').length;
    expect([wakes(halted), wakes(halted.after(check(true))), wakes(halted.after(check(false)))]).toEqual([0, 0, 1]);
  });
});

describe('a vCPU that a signal has brought out of KVM_RUN in its HLT', () => {
  it('is still halted for the next thread that runs it', () => {
    // No file may say so: a thread of another process calls KVM_RUN on the same vCPU.
    const base = w.world(
      { vm0: w.vm([w.page('guest-valid')], [w.hlt, w.read(false)]) },
      { qemu0: [[w.run()], [w.dmaWrite()]], qemu1: [[w.dmaWrite()]] },
      { 'kvm.rmpFault': 'panic-sigbus' },
      { bounds: { steps: 600 } },
    );
    const [first, second] = base.processes;
    const { program } = first!.threads[0]!;
    const scenario = { ...base, processes: [first!, { ...second!, threads: [{ ...second!.threads[0]!, program }] }] };
    const next = 'thread:qemu1/0';
    const lines = [to(next, 'main.start'), asleep, finish('thread:qemu0/1'), finish(w.VCPU), to(next, `${BLOCK}.kvm_vcpu_check_block`)];
    const played = play(scenario, steer(...lines));
    const from = inRun(played, next);
    const polled = from.slice(from.indexOf('kvm_load_guest_fpu'));
    expect(polled.slice(0, 4)).toEqual(['kvm_load_guest_fpu', POLL, `${BLOCK}.prepare_to_rcuwait`, `${BLOCK}.schedule`]);
    expect(w.exits(played)).toEqual(['HLT']);
  });
});
