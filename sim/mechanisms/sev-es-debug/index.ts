/**
 * SEV-ES on AMD hosts: guests with encrypted registers, and what the world switch does to the
 * host's and the guest's debug state.
 *
 * @see docs/mechanisms/sev-es-debug.md; domain debug-and-split-lock A
 */
import { hostSaveAreaMachine, hsaveOf } from '../../../actors/sev-es-debug/host-save-area.ts';
import { sevEsKvm } from '../../../actors/sev-es-debug/sev-es-kvm.ts';
import { HOST_SAVE_AREA_EVENTS } from '../../../events/sev-es-debug/host-save-area.ts';
import { SEV_ES_OPTIONS } from '../../../events/sev-es-debug/sev-es-debug.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { checks, PRESETS } from './checks.ts';
import { FEATURES, runsSevEs, sevEsDesign, switchDesign } from './design.ts';
import { sevEsMutants } from './mutants.ts';
import { sevEsProperties } from './properties.ts';
import { featuresOf, isEncrypted, SEV_ES_VM, VM_SETTINGS } from './sections.ts';

/** A host save area for each CPU. */
const actors = (scenario: ResolvedScenario): readonly ActorSpec[] =>
  runsSevEs(scenario)
    ? Array.from({ length: scenario.host.cpus }, (_, cpu) => ({ id: hsaveOf(`pcpu:${cpu}`), kind: 'hostSaveArea', input: null }))
    : [];

export const sevEsDebug: Mechanism = {
  name: 'sev-es-debug',
  arches: ['amd'],
  options: SEV_ES_OPTIONS,
  presets: PRESETS,
  features: FEATURES,
  vmTypes: [SEV_ES_VM],
  vmSettings: VM_SETTINGS,
  properties: sevEsProperties,
  catalogue: HOST_SAVE_AREA_EVENTS,
  checks,
  kvm: (scenario) => (runsSevEs(scenario) ? sevEsKvm(sevEsDesign(scenario)) : {}),
  actors,
  perCpu: ['hostSaveArea'],
  machines: (scenario): ReturnType<NonNullable<Mechanism['machines']>> =>
    runsSevEs(scenario) ? { hostSaveArea: hostSaveAreaMachine(switchDesign(scenario)) } : {},
  vm: (scenario, vm) => {
    if (!runsSevEs(scenario) || !isEncrypted(vm.type)) return {};
    const { believed, held } = featuresOf(vm);
    return { facts: { sevEs: { vmsaFeatures: believed, guestFeatures: held, isSnp: vm.type !== SEV_ES_VM } } };
  },
  mutants: sevEsMutants,
};
