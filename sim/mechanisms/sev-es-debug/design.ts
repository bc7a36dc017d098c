/** What a host with SEV-ES is, by its kernel, its options and its features. */
import type { SwitchDesign } from '../../../actors/sev-es-debug/host-save-area.ts';
import type { SevEsDesign } from '../../../actors/sev-es-debug/sev-es-kvm.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import { featuresOf, isEncrypted, SEV_ES_VM } from './sections.ts';

/** Features of CPUs: CPUID Fn8000_001F EAX bits 14 and 9, and Fn8000_0021 EAX bit 0. */
export const FEATURES = ['debug-swap', 'virt-tsc-aux', 'no-nested-data-bp'] as const;

/** Whether some guest's world switch is modelled: SNP VMs alone change nothing. */
export const runsSevEs = ({ vms }: ResolvedScenario): boolean =>
  vms.some((vm) => {
    const { believed, held } = featuresOf(vm);
    return vm.type === SEV_ES_VM || (isEncrypted(vm.type) && (believed.length > 0 || held.length > 0));
  });

/** @see kernel arch/x86/kvm/svm/vmenter.S, __svm_sev_es_vcpu_run(): pushes in 6.1 and 6.6 */
const KEEPS_ON_STACK: readonly string[] = ['6.1', '6.6'];

export const sevEsDesign = ({ host }: ResolvedScenario): SevEsDesign => ({
  saveDebug: host.options['kvm.saveDebug'],
  fills: host.options['kvm.fillSaveArea'],
  canDebugSwap: host.features.includes('debug-swap'),
  calleeSaved: KEEPS_ON_STACK.includes(host.kernel) ? 'stack' : 'area',
});

export const switchDesign = ({ host }: ResolvedScenario): SwitchDesign => ({
  virtTscAux: host.features.includes('virt-tsc-aux'),
  forgets: [],
});
