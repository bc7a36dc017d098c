/**
 * The locks of struct kvm, for `uses` of a mechanism. Several may use one: it is the same lock.
 *
 * @see kernel Documentation/virt/kvm/locking.rst; include/linux/kvm_host.h, struct kvm
 */

import { primitive } from '../kit/checked.ts';
import { MUTEX_STEPS, type Mutex, mutex, mutexSteps } from '../kit/mutex.ts';

/** kvm->lock of each VM: outside vcpu->mutex and kvm->slots_lock. @public */
export const kvmLock = mutex('kvmLock', { per: 'vm' });
/** kvm->slots_lock of each VM. @public */
export const slotsLock = mutex('slotsLock', { per: 'vm' });
/** vcpu->mutex, which every vCPU has: its ioctls hold it, KVM_RUN as long as it lasts. @public */
export const vcpuMutex: Mutex = primitive<Mutex>(
  'vcpuMutex',
  {
    kind: 'mutex',
    parts: [],
    ...mutexSteps(({ at }) => {
      if (at === undefined) throw new Error('each vCPU has a mutex; expected `at` to say which');
      return (t, l) => `mutex:${at(t, l)}`;
    }),
  },
  MUTEX_STEPS,
);
