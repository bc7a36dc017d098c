/**
 * SEV-ES on AMD hosts: guests with encrypted registers, and what the world switch does to the
 * host's and the guest's debug state.
 *
 * @see docs/mechanisms/sev-es-debug.md; domain debug-and-split-lock A
 */
import { sevEsKvm } from '../../../actors/sev-es-debug/sev-es-kvm.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { checks } from './checks.ts';
import { sevLaunch } from './launch.ts';
import { featuresOf, SEV_ES_VM, VM_SETTINGS } from './sections.ts';

const runsSevEs = ({ vms }: ResolvedScenario): boolean => vms.some(({ type }) => type === SEV_ES_VM);

export const sevEsDebug: Mechanism = {
  ...sevLaunch,
  name: 'sev-es-debug',
  arches: ['amd'],
  vmTypes: [SEV_ES_VM],
  vmSettings: { ...VM_SETTINGS, ...sevLaunch.vmSettings },
  checks,
  kvm: (scenario) => ({ ...(runsSevEs(scenario) && sevEsKvm), ...sevLaunch.kvm(scenario) }),
  vm: (_scenario, vm) => (vm.type === SEV_ES_VM ? { facts: { sevEs: { vmsaFeatures: featuresOf(vm) } } } : {}),
};
