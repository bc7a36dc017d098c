/** What a scenario with encrypted guests must have, and what differs by kernel. */
import type { HostOptions } from '../../../events/options.ts';
import { KERNEL_DEFAULT } from '../../scenario/fields.ts';
import { listed, type PathIssue } from '../../scenario/issues.ts';
import type { KernelVersion, Scenario } from '../../scenario/types.ts';
import { isEncrypted, SEV_ES_VM } from './sections.ts';

/**
 * @see kernel arch/x86/kvm/svm/sev.c, sev_es_prepare_switch_to_guest(); arch/x86/kvm/svm/svm.c,
 * dr_interception(), by version
 */
export const PRESETS: Readonly<Record<KernelVersion, Partial<Pick<HostOptions, 'kvm.saveDebug' | 'kvm.dr7Exit'>>>> = {
  '6.1': { 'kvm.saveDebug': 'never', 'kvm.dr7Exit': 'registers-given' },
  '6.6': { 'kvm.saveDebug': 'if-kvm-thinks' },
  '6.12': { 'kvm.saveDebug': 'if-possible' },
  '6.14': { 'kvm.saveDebug': 'masks-only' },
};

const SETTINGS = ['vmsaFeatures', 'guestVmsaFeatures'] as const;

/** Features of VMSAs that a VM cannot have, or that its CPU cannot honour. */
function featureIssues({ host, vms = {} }: Scenario): readonly PathIssue[] {
  const { features: has = [], kernel = KERNEL_DEFAULT } = host;
  return Object.entries(vms).flatMap(([id, { type, options = {} }]) =>
    SETTINGS.flatMap((setting) => {
      const asked = options[setting];
      if (!Array.isArray(asked) || asked.length === 0) return [];
      const path = ['vms', id, 'options', setting];
      if (!isEncrypted(type))
        return [{ path, message: `found ${listed(asked)}; expected none: ${id} has no VMSA, as it is a VM of type ${type}` }];
      if (setting === 'guestVmsaFeatures' && type === SEV_ES_VM)
        return [{ path, message: `found ${listed(asked)}; expected a VM of type snp: only such a guest makes VMSAs itself` }];
      if (kernel === '6.1')
        return [{ path, message: `found ${listed(asked)}; expected none on kernel 6.1: KVM gives DebugSwap since 6.6` }];
      return asked
        .filter((feature) => !has.includes(feature))
        .map((feature) => ({ path, message: `found ${listed([feature])}; expected it in host.features as well: the CPU has to have it` }));
    }),
  );
}

export function checks(scenario: Scenario): readonly PathIssue[] {
  const { host, vms = {} } = scenario;
  const first = Object.keys(vms).find((id) => vms[id]!.type === SEV_ES_VM);
  const features = host.features ?? [];
  if ((host.kernel ?? KERNEL_DEFAULT) === '6.1' && features.includes('virt-tsc-aux')) {
    const path = ['host', 'features', features.indexOf('virt-tsc-aux')];
    return [{ path, message: 'found "virt-tsc-aux"; expected none on kernel 6.1: its KVM does not store TSC_AUX' }];
  }
  if (first === undefined || features.includes('sev-es')) return featureIssues(scenario);
  const path = host.features === undefined ? ['vms', first, 'type'] : ['host', 'features'];
  return [{ path, message: `found features ${listed(features)}; expected sev-es among them: ${first} is an SEV-ES VM` }];
}
