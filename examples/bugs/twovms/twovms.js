/**
 * Intra-host migration takes the locks of two VMs, the destination's first. Two VMs that migrate to
 * each other would wait for ever. `flags`: migration_in_progress of both is taken before any lock,
 * and -EBUSY given back.
 *
 * @see "KVM: SEV: cleanup locking for KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM"; c9d61dcb0bc2
 */
import { cell, fail, kvmLock, local, NAME, race, step, under, vcpuMutex, when } from 'worldswitch/kit';

/** sev->migration_in_progress. */
const migration = cell('migration', { inProgress: 0 }, { per: 'vm' });
const old = local('migrationOld');
/** -EBUSY if the flag is taken, after what `backOut` gives back. */
const take = (at, ...backOut) => [
  migration.cmpxchg('inProgress', 0, 1, old, { at, as: 'cmpxchg_acquire' }),
  when([old.is(1), [...backOut, ...fail('EBUSY')]]),
];
const release = (at) => migration.store('inProgress', 0, { at, as: 'release' });

const move = (env, arg) => {
  const [to, from] = [arg('vm'), arg('from')];
  const vcpuOf = (vm) => (thread) => `vcpu:${vm(thread)}/0`;
  const vcpus = under(vcpuMutex, { at: vcpuOf(to) }, under(vcpuMutex, { at: vcpuOf(from) }, [step('sev_migrate_from')]));
  const section = under(kvmLock, { at: to }, under(kvmLock, { at: from }, vcpus));
  const isFlagged = env.options['sev.move'] === 'flags';
  return isFlagged ? [...take(to), ...take(from, release(to)), ...section, release(from), release(to)] : section;
};
const summary = 'KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM of a VM, from another.';
const source = 'arch/x86/kvm/svm/sev.c, sev_vm_move_enc_context_from(), sev_lock_two_vms()';

export const mechanism = race({
  name: 'two-vms',
  arches: ['amd'],
  uses: [migration, kvmLock],
  options: { 'sev.move': ['off', 'locks-only', 'flags'] },
  ioctls: { 'move-enc-context': { of: 'vm', summary, source, args: { from: NAME }, does: move } },
});
