/**
 * Nested VMX: L1 gets a posted interrupt while its vCPU is in the host and about to enter L2. The
 * sync of PIR to IRR finds it with interrupts off, and L2 is entered all the same.
 *
 * @see commit f27a85c4988d "KVM: nVMX: Re-evaluate L1 pending events when running L2 and L1 got
 * posted-interrupt"
 */
import { kickPath } from 'worldswitch/extend';
import { atEnd, atStart, call, cell, holds, local, note, race, syscall, when } from 'worldswitch/kit';

const pi = cell('pi', { on: false, irr: false, inL2: true, running: false }, { per: 'vcpu' });
const at = (thread) => thread.notifier;
const [on, irr, inL2] = [local('on'), local('irr'), local('inL2')];

/** kvm_vcpu_running(), check_nested_events(): an interrupt of L1 ends L2. */
const check = [
  pi.load('irr', irr, { at, as: 'check_nested_events' }),
  when([irr.is(true), [pi.store('inL2', false, { at, as: 'nested_vmx_vmexit' })]]),
];
const sync = [
  pi.xchg('on', false, on, { at, as: 'pi_test_and_clear_on' }),
  when([on.is(true), [pi.store('irr', true, { at, as: 'sync_pir_to_irr' }), pi.load('inL2', inL2, { at, as: 'is_guest_mode' })]]),
];
const reevaluate = when([(_thread, locals) => on.of(locals) && inL2.of(locals), [note(() => ({ pending: true }))]]);
const post = (env) => [
  pi.store('on', true, { at: () => 'vcpu:vm0/0', as: 'pi_test_and_set_on' }),
  note(() => ({ owner: 'vm0', vcpu: 0 })),
  call(kickPath(env, null)),
];

export const mechanism = race({
  name: 'nested-pi',
  arches: ['intel'],
  uses: [pi],
  options: { 'nested.sync': ['off', 'enters', 'reevaluates'] },
  operations: {
    'post-interrupt': {
      summary: 'A device posts an interrupt to L1.',
      source: 'vmx_deliver_posted_interrupt()',
      does: (env) => syscall('write', 'irqfd_wakeup()', post(env), { locals: ['owner', 'vcpu'] }),
    },
  },
  paths: {
    vcpu_enter_guest: (path) => atStart(path, ...check),
    kvm_vcpu_exit_request: (path, { options }) =>
      atEnd(atStart(path, ...sync), ...(options['nested.sync'] === 'reevaluates' ? [reevaluate] : [])),
    vmx_vcpu_run: (path) =>
      atEnd(atStart(path, pi.store('running', true, { at, as: 'enter' })), pi.store('running', false, { at, as: 'leave' })),
  },
  properties: [
    holds(
      pi,
      'nested.l2-gives-way',
      'an interrupt that L1 can take ends L2',
      (v) => v.running && v.inL2 && v.irr && 'L2 runs, and an interrupt waits for L1',
    ),
  ],
});
