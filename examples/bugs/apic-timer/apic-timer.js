/**
 * The hrtimer of a vCPU's local APIC has to be on the CPU that the vCPU runs on. A vCPU that moves
 * behind the look at KVM_REQ_MIGRATE_TIMER, with interrupts still on, enters its guest without it.
 *
 * @see commit d4acf7e7abe4 "KVM: Fix race between timer migration and vcpu migration"
 */
import { after, atEnd, atStart, cell, holds, local, note, race, when } from 'worldswitch/kit';

const timer = cell('timer', { cpu: null, migrate: false, entered: null }, { per: 'vcpu' });
const at = (thread) => thread.notifier;
const migrate = local('migrate');
const here = (thread) => thread.cpu;

const load = timer.store('migrate', true, { at, as: 'kvm_migrate_timers' });
const check = [
  timer.xchg('migrate', false, migrate, { at, as: 'test_and_clear_bit' }),
  when([migrate.is(true), [timer.store('cpu', here, { at, as: '__kvm_migrate_apic_timer' })]]),
];
const recheck = [
  timer.load('migrate', migrate, { at, as: 'test_requests_again' }),
  when([migrate.is(true), [note(() => ({ pending: true }))]]),
];

export const mechanism = race({
  name: 'apic-timer',
  arches: ['amd', 'intel'],
  uses: [timer],
  options: { 'apic.timer': ['off', 'checked-once', 'entry-cancelled'] },
  paths: {
    vcpu_load: (path) => after(path, 'kvm_arch_vcpu_load', load),
    kvm_sched_in: (path) => after(path, 'kvm_arch_vcpu_load', load),
    kvm_check_requests: (path) => atStart(path, ...check),
    kvm_vcpu_exit_request: (path, { options }) => (options['apic.timer'] === 'entry-cancelled' ? atEnd(path, ...recheck) : path),
    vmx_vcpu_run: (path) =>
      atEnd(atStart(path, timer.store('entered', here, { at, as: 'entered' })), timer.store('entered', null, { at, as: 'left' })),
  },
  properties: [
    holds(
      timer,
      'apic-timer.is-on-the-cpu-of-its-vcpu',
      'lapic.c: apic_timer_fn() expects to interrupt the guest',
      ({ cpu, entered }) => entered !== null && cpu !== entered && `the guest runs on ${entered}, and its timer is on ${cpu}`,
    ),
  ],
});
