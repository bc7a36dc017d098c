/**
 * A vCPU as its thread and others see it: mode, kicks, requests.
 * @see kernel include/linux/kvm_host.h, kvm_vcpu_exiting_guest_mode()
 */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { Explorer } from '../../../sim/explore/breadth/explorer.ts';
import { deviationOf } from '../../../sim/explore/in-order/deviations.ts';
import { finish as searched } from '../../../sim/explore/turns.ts';
import { topologyOf } from '../../../sim/host/topology.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import * as w from '../../claims/world.ts';
import { microSteps, play, shipped } from '../../sim/play.ts';
import { choose, finish, steer, steps, to } from '../../sim/steer.ts';
import { Given, told } from '../given.ts';

const scenario = w.oneGuest(
  [w.page('vmsa', 8), w.page('shared')],
  [w.psc('private')],
  { netd: [[w.dmaWrite(1, 8)]] },
  { 'kvm.rmpFault': 'auto-share', 'kvm.vmsaKick': 'kick' },
);
const { machines, actors } = topologyOf(scenario);
const vcpu = Given.start<Vcpu>(machines.vcpu!, actors.find(({ id }) => id === w.GUEST)!.input).after({ type: 'vcpu.load', cpu: 'pcpu:1' });
const entered = vcpu.after({ type: 'vcpu.setMode', mode: 'IN_GUEST_MODE' });
const kick = { type: 'vcpu.exitGuestMode', from: w.NETD };
const request = { type: 'vcpu.request', request: 'KVM_REQ_VM_DEAD', from: w.NETD };
const asked = (given: Given<Vcpu>) => given.when({ type: 'vcpu.requests?', from: w.VCPU }).sent[0]!.event;

describe('a kick', () => {
  it('makes IN_GUEST_MODE EXITING_GUEST_MODE, and names the CPU that needs an IPI', () => {
    const { sent, context } = entered.when(kick);
    expect(sent).toEqual([{ to: w.NETD, event: { type: 'vcpu.kick', cpu: 'pcpu:1' } }]);
    expect(context.mode).toBe('EXITING_GUEST_MODE');
  });

  it('needs no IPI outside guest mode, and no second one', () => {
    expect(vcpu.when(kick)).toMatchObject({ sent: [{ event: { cpu: null } }], context: { mode: 'OUTSIDE_GUEST_MODE' } });
    for (const second of [kick, request]) {
      expect(entered.after(kick).when(second)).toMatchObject({ sent: [{ event: { cpu: null } }], context: { mode: 'EXITING_GUEST_MODE' } });
    }
  });

  it('leaves nothing in vcpu->requests: the test before VMRUN sees the mode', () => {
    expect(asked(entered)).toMatchObject({ pending: [], exiting: false });
    expect(asked(entered.after(kick))).toMatchObject({ pending: [], exiting: true });
    expect(asked(entered.after(kick, { type: 'vcpu.setMode', mode: 'OUTSIDE_GUEST_MODE' }))).toMatchObject({ exiting: false });
  });

  it('between IN_GUEST_MODE and VMRUN sends the thread back to R6, and nothing keeps it from entering then', () => {
    const inUse = [to(w.VCPU, 'svm_vcpu_run.guest'), to(w.NETD, 'kvm_vcpu_exiting_guest_mode')];
    const entering = to(w.VCPU, 'kvm_vcpu_exit_request.test_requests');
    const played = play(scenario, steer(...inUse, entering, steps(w.NETD, 1), to(w.VCPU, 'svm_vcpu_run.guest')));
    const names = microSteps(played, w.VCPU).map((name) => name.split('.').at(-1)!);
    const second = names.lastIndexOf('test_requests', names.lastIndexOf('test_requests') - 1);
    const back = ['OUTSIDE_GUEST_MODE', 'local_irq_enable', 'preempt_enable', 'xfer_to_guest_mode_handle_work', 'test'];
    expect(names.slice(second, second + 6)).toEqual(['test_requests', ...back]);
    expect(names.slice(names.lastIndexOf('test_requests')).slice(1, 4)).toEqual(['test_need_resched', 'VMRUN_check_vmsa', 'VMRUN']);
  });
});

describe('a request', () => {
  it('stays until it is cleared, and kicks', () => {
    const { sent, context, and } = entered.when(request);
    expect(told(sent)).toEqual([`${w.NETD} vcpu.kick`]);
    expect(context).toMatchObject({ requests: ['KVM_REQ_VM_DEAD'], mode: 'EXITING_GUEST_MODE' });
    expect(asked(and.after({ type: 'vcpu.requests?', from: w.VCPU }))).toMatchObject({ pending: ['KVM_REQ_VM_DEAD'] });
  });
});

describe('a guest that has asked for a page-state change', () => {
  const gives = (given: Given<Vcpu>) => given.after({ type: 'guest.step' });
  const exited = gives(gives(entered));
  const result = (ok: boolean) => ({ type: 'ghcb.result', ok, from: w.VCPU });

  it('stands still until the host has written the answer to the GHCB', () => {
    expect(exited.when({ type: 'guest.step' }).handled).toBe(false);
    const { sent, and } = exited.when(result(true));
    expect(told(sent)).toEqual([`${w.VCPU} guest.ran`]);
    expect(JSON.stringify(and.state)).toContain('check_sw_exit_info_2');
  });

  it('takes an answer to no other question', () => {
    for (const elsewhere of [vcpu, entered, gives(entered), exited.after(result(true))])
      expect(elsewhere.when(result(true)).handled).toBe(false);
  });

  it('goes on, or ends itself, by what the answer says', () => {
    const read = (ok: boolean) => gives(exited.after(result(ok)));
    expect(JSON.stringify(read(true).state)).not.toContain('sev_es_terminate');
    expect(JSON.stringify(read(false).state)).toContain('sev_es_terminate');
    expect(read(true).context.frames).toEqual({ guest: {} });
  });
});

describe('a halted vCPU', () => {
  const halted = (allow: readonly 'interrupt'[]) =>
    w.oneGuest([w.page('shared')], [w.hlt, w.read(false)], {}, {}, { allow, bounds: { steps: 300 } });
  const asleep = to(w.VCPU, 'kvm_vcpu_block.kvm_vcpu_check_block');

  it('is woken by a virtual interrupt and goes on behind its HLT', () => {
    const played = play(halted(['interrupt']), steer(asleep, steps(w.VCPU, 3), choose(`interrupt(${w.GUEST})`), finish(w.VCPU)));
    expect(w.exits(played)).toEqual(['HLT', 'SHUTDOWN']);
    expect(w.accesses(played)).toEqual(['ok']);
  });

  it('sleeps on where the scenario allows no interrupts', () => {
    const played = play(halted([]), { name: 'fifo' });
    expect(w.exits(played)).toEqual(['HLT']);
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
  });
});

describe('an exit for nothing', () => {
  const scenarioOf = (program: readonly GuestStep[]) =>
    w.oneGuest([w.page('shared')], program, {}, {}, { allow: ['spurious-exit'], bounds: { steps: 200 } });
  const inGuest = to(w.VCPU, 'svm_vcpu_run.guest');

  it('leaves guest mode and enters again; no handler runs, and the guest does not notice', () => {
    const played = play(
      scenarioOf([w.read(false)]),
      steer(inGuest, choose('spurious-exit(pcpu:0)'), to(w.VCPU, 'VMEXIT'), inGuest, finish(w.VCPU)),
    );
    const names = microSteps(played, w.VCPU).map((name) => name.split('.').at(-1)!);
    const left = names.indexOf('VMEXIT');
    const again = ['OUTSIDE_GUEST_MODE', 'local_irq_enable', 'preempt_enable', 'xfer_to_guest_mode_handle_work', 'test'];
    expect(names.slice(left, left + 6)).toEqual(['VMEXIT', ...again]);
    expect(w.accesses(played)).toEqual(['ok']);
    expect(w.exits(played)).toEqual(['SHUTDOWN']);
  });

  it('does not end what a guest computes', () => {
    const again = [choose('spurious-exit(pcpu:0)'), to(w.VCPU, 'VMEXIT'), inGuest];
    const played = play(scenarioOf([w.spin]), steer(inGuest, ...again, ...again));
    expect(played.end.ended).toBe('bound');
    expect(w.exits(played)).toEqual([]);
  });

  it('is a disturbance, and breaks nothing that is not broken without it', () => {
    const shippedClean = { ...shipped('rmpadjust-vs-rmpupdate', 'inuse-retried'), allow: ['spurious-exit'] as const };
    const report = searched(new Explorer({ scenario: shippedClean, budget: { states: 500_000 } }).run());
    expect(report).toMatchObject({ limit: null, findings: [] });
    expect(deviationOf('offer', 'spurious-exit', { next: false, first: false })).toEqual({ disturbances: 1, preemptions: 0, switches: 0 });
  });
});
