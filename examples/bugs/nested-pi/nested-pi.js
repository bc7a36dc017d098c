/**
 * Nested VMX: L1 gets a posted interrupt while its vCPU is in the host and about to enter L2. The
 * sync of PIR to IRR finds it with interrupts off, and L2 is entered all the same.
 *
 * @see commit f27a85c4988d "KVM: nVMX: Re-evaluate L1 pending events when running L2 and L1 got
 * posted-interrupt"
 */
import { atEnd, atStart, cell, holds, kick, local, note, race, syscall, thisVcpu, vcpu, when } from 'worldswitch/kit';

const pi = cell('pi', { on: false, irr: false, inL2: true, running: false }, { per: 'vcpu' });
const [on, irr, inL2] = [local('on'), local('irr'), local('inL2')];

/** kvm_vcpu_running(), check_nested_events(): an interrupt of L1 ends L2. */
const check = (at) => [
  pi.load('irr', irr, { at, as: 'check_nested_events' }),
  when([irr.is(true), [pi.store('inL2', false, { at, as: 'nested_vmx_vmexit' })]]),
];
const found = (at) => [pi.store('irr', true, { at, as: 'sync_pir_to_irr' }), pi.load('inL2', inL2, { at, as: 'is_guest_mode' })];
const sync = (at) => [pi.xchg('on', false, on, { at, as: 'pi_test_and_clear_on' }), when([on.is(true), found(at)])];
const reevaluate = when([(_thread, locals) => on.of(locals) && inL2.of(locals), [note(() => ({ pending: true }))]]);
const post = [pi.store('on', true, { at: vcpu('vm0/0'), as: 'pi_test_and_set_on' }), kick({ at: vcpu('vm0/0') })];
const isLate = ({ running, inL2, irr }) => running && inL2 && irr && 'L2 runs, and an interrupt waits for L1';
const source = 'arch/x86/kvm/vmx/vmx.c, vmx_deliver_posted_interrupt()';

export const mechanism = race({
  name: 'nested-pi',
  arches: ['intel'],
  uses: [pi],
  options: { 'nested.sync': ['off', 'enters', 'reevaluates'] },
  operations: { 'post-interrupt': { summary: 'A device interrupts L1.', source, does: () => syscall('write', 'irqfd_wakeup()', post) } },
  onEntry: (env) => [pi.store('running', true, { at: thisVcpu(env), as: 'enter' })],
  onExit: (env) => [pi.store('running', false, { at: thisVcpu(env), as: 'leave' })],
  paths: {
    vcpu_enter_guest: (path, env) => atStart(path, ...check(thisVcpu(env))),
    kvm_vcpu_exit_request: (path, env) => {
      const synced = atStart(path, ...sync(thisVcpu(env)));
      return env.options['nested.sync'] === 'reevaluates' ? atEnd(synced, reevaluate) : synced;
    },
  },
  properties: [holds(pi, 'nested.l2-gives-way', 'an interrupt that L1 can take ends L2', isLate)],
});
