/** A vCPU as its thread and others see it: mode, kicks, requests. @see kernel include/linux/kvm_host.h, kvm_vcpu_exiting_guest_mode() */
import { describe, expect, it } from 'vitest';
import type { Vcpu } from '../../actors/paths/guest.ts';
import { topologyOf } from '../../sim/topology.ts';
import * as w from '../claims/world.ts';
import { microSteps, play } from '../sim/play.ts';
import { steer, steps, to } from '../sim/steer.ts';
import { Given, told } from './given.ts';

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
    expect(names.slice(second, second + 5)).toEqual(['test_requests', 'OUTSIDE_GUEST_MODE', 'local_irq_enable', 'preempt_enable', 'test']);
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
