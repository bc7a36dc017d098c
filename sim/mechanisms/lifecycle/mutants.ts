/** Changes of one line in how things come into being and go. */
import { host, hostPatch } from '../../../actors/host/host-env.ts';
import { hasStep, type PathPatch, replaceStep, withoutSteps } from '../../../actors/path/patch.ts';
import type { Mutant } from '../../host/mechanism.ts';

/** A path without these steps; where a variant lacks them, it stays as it is. */
const without = (summary: string, path: string, ...names: readonly string[]): Mutant => {
  const patch: PathPatch = (before) => withoutSteps(...names.filter((name) => hasStep(before, name)))(before);
  return { summary, paths: { [path]: [patch] } };
};

const leavesNotifier = hostPatch((path) =>
  replaceStep(path, 'mmu_notifier_unregister', () => [host.step('mmu_notifier_unregister', { local: () => ({ unregistered: true }) })]),
);

export const LIFECYCLE_MUTANTS: Readonly<Record<string, Mutant>> = {
  'vcpu-holds-no-vm': without('KVM_CREATE_VCPU takes no reference to struct kvm', 'KVM_CREATE_VCPU', 'kvm_get_kvm'),
  'vcpu-mutex-not-held': without(
    'KVM_CREATE_VCPU does not hold vcpu->mutex until the vCPU is online',
    'KVM_CREATE_VCPU',
    ...['mutex_lock_vcpu', 'mutex_unlock_vcpu', 'mutex_unlock_vcpu_again'],
  ),
  'destroy-leaves-notifier': {
    summary: 'kvm_destroy_vm() leaves the MMU notifier on the list',
    paths: { kvm_destroy_vm: [leavesNotifier] },
  },
  'run-without-descriptor': without('KVM_RUN does not ask for the descriptor of the vCPU', 'KVM_RUN', 'fdget'),
};
