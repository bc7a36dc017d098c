/** Changes of one line in how user space and KVM_RUN meet. */
import { hasStep, type PathPatch, withoutSteps } from '../../../actors/path/patch.ts';
import type { Mutant } from '../../host/mechanism.ts';

/** A path without a step; where a variant lacks it, it stays as it is. */
const without = (summary: string, path: string, name: string): Mutant => {
  const patch: PathPatch = (before) => (hasStep(before, name) ? withoutSteps(name)(before) : before);
  return { summary, paths: { [path]: [patch] } };
};

export const USER_VMM_MUTANTS: Readonly<Record<string, Mutant>> = {
  'kick-without-immediate-exit': without('pause-vcpu sends a signal and does not set immediate_exit', 'pause_vcpu', 'store_immediate_exit'),
};
