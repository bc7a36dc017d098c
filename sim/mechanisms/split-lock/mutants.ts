/** Changes of the model: designs that the thread weighs against each other, and mutants that a claim must notice. */
import { hasStep, type PathPatch, type PathPatches, replaceStep, swapSteps, withoutSteps } from '../../../actors/paths/patch.ts';
import type { Mutant, Patch } from '../../mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';

/** Lets a path run where its author forbade it. */
const unchecked: PathPatch = (path) => {
  const { requires: _, ...rest } = path;
  return rest;
};

/** Names under which the two series know the toggle. */
const UPDATES = ['vmx_update_sld', 'split_lock_virt_switch'] as const;
const updates = (...patches: readonly PathPatch[]): PathPatches => Object.fromEntries(UPDATES.map((name) => [name, patches]));

/** A patch of whichever of these the path has: the two series name the toggle differently, and mainline has none. */
const ofUpdate =
  (patch: (name: string) => PathPatch): PathPatch =>
  (path) =>
    UPDATES.reduce((current, name) => (hasStep(current, name) ? patch(name)(current) : current), path);

/** The toggle alone in a section of its own: the test before it is not. */
const guardsToggle = ofUpdate((name) => (path) => replaceStep(path, name, (item) => [disable, item, enable]));
const disable = { kind: 'step', name: 'preempt_disable_toggle', preempt: 1, ns: 5 } as const;
const enable = { kind: 'step', name: 'preempt_enable_toggle', preempt: -1, ns: 5 } as const;

const UNGUARDED: PathPatches = { vmx_update_guest_sld: [withoutSteps('preempt_disable', 'preempt_enable')], ...updates(unchecked) };
const TOGGLE_ONLY: PathPatches = { vmx_update_guest_sld: [withoutSteps('preempt_disable', 'preempt_enable'), guardsToggle] };

/** What options choose. */
export function patchOf({ host: { options } }: ResolvedScenario): Patch {
  if (options['kvm.sldVirt'] === 'none') return {};
  const guard = options['kvm.sldGuard'];
  return { paths: guard === 'preempt-off' ? {} : guard === 'none' ? UNGUARDED : TOGGLE_ONLY };
}

const PREEMPTIBLE_PUT: PathPatches = { vcpu_put: [withoutSteps('preempt_disable', 'preempt_enable')], ...updates(unchecked) };

export const MUTANTS: Readonly<Record<string, Mutant>> = {
  'sld-unguarded-wrmsr': { summary: 'vmx_set_msr() tests and toggles with preemption on.', paths: UNGUARDED },
  'sld-put-preemptible': { summary: 'vcpu_put() leaves preemption on.', paths: PREEMPTIBLE_PUT },
  'sld-put-loaded-first': {
    summary: 'vcpu_put() leaves preemption on, and guest_state_loaded is cleared before the setting returns.',
    paths: {
      ...PREEMPTIBLE_PUT,
      vmx_prepare_switch_to_host: [ofUpdate((name) => swapSteps(name, 'clear_guest_state_loaded'))],
    },
  },
  'sld-put-notifier-first': {
    summary: 'vcpu_put() leaves preemption on, and the notifier is gone before the setting returns.',
    paths: {
      ...PREEMPTIBLE_PUT,
      vcpu_put: [
        withoutSteps('preempt_disable', 'preempt_enable'),
        (path) => {
          const [unregister] = path.items.filter((item) => item.kind === 'step' && item.name === 'preempt_notifier_unregister');
          return { ...path, items: [unregister!, ...path.items.filter((item) => item !== unregister)] };
        },
      ],
    },
  },
};
