/** What a host with SEV-ES is, by its kernel, its options and its features. */

import { DR7_FIXED_1 } from '../../../actors/guest-debug/debug-bits.ts';
import { vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { SwitchDesign } from '../../../actors/sev-es-debug/host-save-area.ts';
import { DEBUG_SWAP, interceptsOf } from '../../../actors/sev-es-debug/launch-rule.ts';
import type { ProtectedDebugInput } from '../../../actors/sev-es-debug/protected-debug.ts';
import type { SevEsDesign } from '../../../actors/sev-es-debug/sev-es-kvm.ts';
import type { VmsaFeature } from '../../../events/sev-es-debug/sev-es-debug.ts';
import type { ResolvedScenario, ResolvedVm } from '../../scenario/types.ts';
import { debugs } from '../guest-debug/index.ts';
import { isInRun } from './launch-sections.ts';
import { askedFeatures, isEncrypted, SEV_ES_VM } from './sections.ts';

/** Features of CPUs: CPUID Fn8000_001F EAX bits 14 and 9. */
export const FEATURES = ['debug-swap', 'virt-tsc-aux'] as const;

/** A guest that is encrypted from the start; of one that is launched in the run, the run tells. */
export const isFromStart = (vm: ResolvedVm): boolean => isEncrypted(vm.type) && !isInRun(vm);

/** What threads ask of KVM_SEV_INIT2 for a VM that they launch. */
export function initFeatures({ processes }: ResolvedScenario, { id }: ResolvedVm): number {
  const ops = processes.flatMap(({ threads }) => threads.flatMap(({ program }) => program.ops));
  const init = ops.find((op) => op.op === 'KVM_SEV_INIT2' && op.vm === id);
  return init?.op === 'KVM_SEV_INIT2' ? (init.features ?? 0) : 0;
}

/** Whether threads launch it with features. */
const isLaunchedWithFeatures = ({ processes }: ResolvedScenario, { id }: ResolvedVm): boolean =>
  processes.some(({ threads }) =>
    threads.some(({ program }) => program.ops.some((op) => op.op === 'KVM_SEV_INIT2' && op.vm === id && (op.features ?? 0) !== 0)),
  );

/** Whether a world switch is modelled; an SNP VM alone changes nothing, where nothing debugs. */
export const runsSevEs = (scenario: ResolvedScenario): boolean =>
  scenario.vms
    .filter(({ type }) => isEncrypted(type))
    .some((vm) => {
      const { asked, held = [] } = askedFeatures(vm);
      const has = asked.length > 0 || held.length > 0 || isLaunchedWithFeatures(scenario, vm);
      return vm.type === SEV_ES_VM || has || debugs(scenario);
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

/** What an intercepted #DB of an encrypted guest is. */
const interceptedDb = ({ host }: ResolvedScenario): true | 'by-vc' => (host.options['sev.interceptedDb'] === 'vc' ? 'by-vc' : true);

/** KVM's debug half of a vCPU of an encrypted guest. @see domain debug-and-split-lock A.6 */
export function protectedDebug(scenario: ResolvedScenario, vm: ResolvedVm): ProtectedDebugInput {
  const { believed, held } = featuresOf(scenario, vm);
  const swaps = believed.includes('debug-swap');
  const { options } = scenario.host;
  const { dr7, db } = interceptsOf(sevFeaturesOf(believed), options);
  return {
    ...launchedDebug(scenario),
    debugSwap: held.includes('debug-swap'),
    interceptsDr7: dr7,
    interceptsDb: db && interceptedDb(scenario),
    trustsHardware: swaps && options['kvm.hostBreakpoints'] === 'left-to-hardware',
  };
}

/**
 * The same of a vCPU that is launched in the run, before VMRUN has read anything. R11 and R14 leave
 * the host's breakpoints to the hardware only where the scenario says what all guests are.
 */
export const launchedDebug = (scenario: ResolvedScenario): ProtectedDebugInput => ({
  debugSwap: false,
  ...(scenario.host.options['guest.cr4De'] === 'set' && { de: true }),
  interceptsDr7: true,
  interceptsDb: interceptedDb(scenario),
  trustsHardware: false,
  entryDr7: vcpuDebugDesign('svm', scenario.host.kernel).entryDr7 ?? DR7_FIXED_1,
});
