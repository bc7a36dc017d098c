/**
 * The locks of struct kvm, for `uses` of a mechanism. Several may use one: it is the same lock.
 *
 * @see kernel Documentation/virt/kvm/locking.rst; include/linux/kvm_host.h, struct kvm
 */
import { mutex } from '../kit/mutex.ts';

/** kvm->lock of each VM: outside vcpu->mutex and kvm->slots_lock. @public */
export const kvmLock = mutex('kvmLock', { per: 'vm' });
/** kvm->slots_lock of each VM. @public */
export const slotsLock = mutex('slotsLock', { per: 'vm' });
