/**
 * What creation and teardown change in the rest of KVM: an ioctl on a vCPU has a descriptor, who
 * walks the vCPUs of a VM finds those that are online, and an invalidation calls the MMU notifier
 * only where there is one.
 *
 * @see kernel virt/kvm/kvm_main.c, kvm_vcpu_ioctl(); include/linux/kvm_host.h, kvm_for_each_vcpu()
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { vmOf } from '../kvm/kvm-env.ts';
import type { KvmParts } from '../kvm/slots.ts';
import { FDGET, fdOf, fput } from './lifecycle-env.ts';
import { notifierOf } from './mmu-notifier-list.ts';
import { findVcpu, putKvm } from './teardown.ts';

const { step, when } = host;

const SRCU = kernelSource('mm/mmu_notifier.c, mn_hlist_invalidate_range_start(), mn_hlist_invalidate_end()');
const toNotifier = (env: HostEnv, t: HostThread, type: 'mn.enter' | 'mn.leave') => outgoing(notifierOf(vmOf(env, t)), { type });

/** Before and behind what others have there. */
const ORDER = 10;

/** An ioctl on a vCPU: without a descriptor it ends, and else it is a user of the file. */
export const lifecycleKvm: KvmParts = {
  ioctlEntry: {
    order: ORDER,
    locals: ['fdHeld', 'fileLast'],
    items: (env) => [
      step('fdget', {
        ...FDGET,
        send: (t) => outgoing(fdOf(env, t), { type: 'file.get?' }),
        answers: { 'file.got': (e) => (e.open ? { fdHeld: true } : { refused: true }) },
      }),
    ],
  },
  ioctlExit: {
    order: ORDER,
    items: (env) => [when([(_t, l) => l.fdHeld === true, fput('fdput', (t) => fdOf(env, t), putKvm(env))])],
  },
  eachVcpu: {
    order: ORDER,
    locals: ['arrayAt'],
    items: (env) => [
      findVcpu(
        (_t, owner) => owner!,
        (vm) => env.vms[vm]!.vcpus.length,
      ),
    ],
  },
  notifierCall: {
    order: ORDER,
    items: (env) => [
      step('mn_hlist_invalidate_range', {
        ...SRCU,
        send: (t) => toNotifier(env, t, 'mn.enter'),
        answers: { 'mn.entered': (e) => (e.registered ? {} : { refused: true }) },
      }),
    ],
  },
  notifierReturn: { order: ORDER, items: (env) => [step('srcu_read_unlock', { ...SRCU, send: (t) => toNotifier(env, t, 'mn.leave') })] },
};
