/** Changes of one line in how user space and KVM_RUN meet. */
import { hasStep, type PathPatch, withoutSteps } from '../../../actors/path/patch.ts';
import type { Mutant } from '../../host/mechanism.ts';

/** A path without these steps; where a variant lacks them, it stays as it is. */
const without = (summary: string, path: string, ...names: readonly string[]): Mutant => {
  const patch: PathPatch = (before) => withoutSteps(...names.filter((name) => hasStep(before, name)))(before);
  return { summary, paths: { [path]: [patch] } };
};

export const USER_VMM_MUTANTS: Readonly<Record<string, Mutant>> = {
  'kick-without-immediate-exit': without('pause-vcpu sends a signal and does not set immediate_exit', 'pause_vcpu', 'store_immediate_exit'),
  'kick-without-signal': without('pause-vcpu sets immediate_exit and sends no signal', 'pthread_kill', 'tgkill'),
  'run-reads-no-immediate-exit': without('KVM_RUN does not read immediate_exit', 'KVM_RUN', 'wants_to_run', 'immediate_exit'),
  'io-left-open': without(
    'KVM_RUN forgets complete_userspace_io',
    'KVM_RUN',
    ...['complete_fast_pio_out', 'complete_fast_pio_in', 'complete_emulated_mmio', 'kvm_handle_mmio_return'],
  ),
};
