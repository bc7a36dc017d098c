/** What a host with SEV-ES is, by its kernel, its options and its features. */

import { DR7_FIXED_1 } from '../../../actors/guest-debug/debug-bits.ts';
import { vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { SwitchDesign } from '../../../actors/sev-es-debug/host-save-area.ts';
import { DEBUG_SWAP } from '../../../actors/sev-es-debug/launch-rule.ts';
import type { ProtectedDebugInput } from '../../../actors/sev-es-debug/protected-debug.ts';
import type { SevEsDesign } from '../../../actors/sev-es-debug/sev-es-kvm.ts';
import type { VmsaFeature } from '../../../events/sev-es-debug/sev-es-debug.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import { debugs } from '../guest-debug/index.ts';
import { isInRun } from './launch-sections.ts';
import { askedFeatures, isEncrypted, SEV_ES_VM } from './sections.ts';

/** Features of CPUs: CPUID Fn8000_001F EAX bits 14 and 9. */
export const FEATURES = ['debug-swap', 'virt-tsc-aux'] as const;

/** A guest whose world switch is modelled; one that is launched in the run goes as a plain one. */
export const isSwitched = (vm: ResolvedVm): boolean => isEncrypted(vm.type) && !isInRun(vm);

/** Whether there is one; an SNP VM alone changes nothing, where nothing debugs. */
export const runsSevEs = (scenario: ResolvedScenario): boolean =>
  scenario.vms.filter(isSwitched).some((vm) => {
    const { asked, held = [] } = askedFeatures(vm);
    return vm.type === SEV_ES_VM || asked.length > 0 || held.length > 0 || debugs(scenario);
  });

/** @see kernel arch/x86/kvm/svm/vmenter.S, __svm_sev_es_vcpu_run(): pushes in 6.1 and 6.6 */
const KEEPS_ON_STACK: readonly string[] = ['6.1', '6.6'];

export const sevEsDesign = ({ host }: ResolvedScenario): SevEsDesign => ({
  saveDebug: host.options['kvm.saveDebug'],
  fills: host.options['kvm.fillSaveArea'],
  canDebugSwap: host.features.includes('debug-swap'),
  dr7Exit: host.options['kvm.dr7Exit'],
  calleeSaved: KEEPS_ON_STACK.includes(host.kernel) ? 'stack' : 'area',
});

export const switchDesign = ({ host }: ResolvedScenario): SwitchDesign => ({
  virtTscAux: host.features.includes('virt-tsc-aux'),
  forgets: [],
});

/**
 * sev_hardware_setup(): what KVM offers for VMSAs. User space asks for no more, as it can ask what
 * is offered (KVM_X86_SEV_VMSA_FEATURES).
 * @see kernel arch/x86/kvm/svm/sev.c, sev_hardware_setup(); domain debug-and-split-lock A.4
 */
export function offeredFeatures({ features, kernel, options }: ResolvedScenario['host']): readonly VmsaFeature[] {
  const policy = options['kvm.debugSwap'];
  const offers = policy === 'ungated' || (policy === 'gated' && features.includes('no-nested-data-bp'));
  return features.includes('sev-es') && features.includes('debug-swap') && offers && kernel !== '6.1' ? ['debug-swap'] : [];
}

/** What KVM believes of the VMSAs of a VM, and what they hold. */
export function featuresOf({ host }: ResolvedScenario, vm: ResolvedVm) {
  const { asked, held } = askedFeatures(vm);
  const offered = offeredFeatures(host);
  const believed = asked.filter((feature) => offered.includes(feature));
  return { believed, held: held ?? believed };
}

/** The bits that KVM sets in SEV_FEATURES for these. */
export const sevFeaturesOf = (features: readonly VmsaFeature[]): number => (features.includes('debug-swap') ? DEBUG_SWAP : 0);

/** KVM's debug half of a vCPU of an encrypted guest. @see domain debug-and-split-lock A.6 */
export function protectedDebug(scenario: ResolvedScenario, vm: ResolvedVm): ProtectedDebugInput {
  const { kernel, options } = scenario.host;
  const { believed, held } = featuresOf(scenario, vm);
  const swaps = believed.includes('debug-swap');
  return {
    debugSwap: held.includes('debug-swap'),
    ...(options['guest.cr4De'] === 'set' && { de: true }),
    interceptsDr7: !swaps || options['kvm.dr7Intercept'] === 'kept',
    interceptsDb: (!swaps || options['kvm.dbIntercept'] === 'kept') && (options['sev.interceptedDb'] === 'vc' ? 'by-vc' : true),
    trustsHardware: swaps && options['kvm.hostBreakpoints'] === 'left-to-hardware',
    entryDr7: vcpuDebugDesign('svm', kernel).entryDr7 ?? DR7_FIXED_1,
  };
}
