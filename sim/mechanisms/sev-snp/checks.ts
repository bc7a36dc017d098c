/** What a scenario with SNP guests must have, and what differs by kernel. */
import type { HostOptions } from '../../../events/options.ts';
import { KERNEL_DEFAULT } from '../../scenario/fields.ts';
import { listed, type PathIssue, shown } from '../../scenario/issues.ts';
import type { KernelVersion, Scenario } from '../../scenario/types.ts';
import { optionIssues } from './option-checks.ts';
import { SNP_VM } from './sections.ts';

/**
 * The same in both.
 * @see Linux, arch/x86/virt/svm/sev.c, rmpupdate(): loops while the result is
 * RMPUPDATE_FAIL_OVERLAP, and on nothing else; adjust_direct_map() comes before it
 */
export const PRESETS: Readonly<Partial<Record<KernelVersion, Pick<HostOptions, 'kvm.rmpupdateRetry' | 'kvm.directMap'>>>> = {
  // 6.1 and 6.6 have no SNP host support, so nothing here concerns them.
  '6.12': { 'kvm.rmpupdateRetry': 'overlap', 'kvm.directMap': 'split' },
  '6.14': { 'kvm.rmpupdateRetry': 'overlap', 'kvm.directMap': 'split' },
};

/** The kernels that can run SNP guests: KVM's SNP host support is in mainline since 6.11. */
const SNP_KERNELS: readonly KernelVersion[] = ['6.12', '6.14'];

export function checks(scenario: Scenario): PathIssue[] {
  const { host, firmware, vms = {} } = scenario;
  const first = Object.keys(vms).find((id) => vms[id]!.type === SNP_VM);
  const features = host.features ?? [];
  const issues: PathIssue[] = [];
  if (firmware !== undefined && features.length === 0) {
    issues.push({ path: ['firmware'], message: 'found firmware; expected host.features to name what it serves, such as sev-snp' });
  }
  if (first === undefined) return issues;
  if (!features.includes('sev-snp')) {
    const path = host.features === undefined ? ['vms', first, 'type'] : ['host', 'features'];
    issues.push({ path, message: `found features ${listed(features)}; expected sev-snp among them: ${first} is an SNP VM` });
  }
  const kernel = host.kernel ?? KERNEL_DEFAULT;
  if (!SNP_KERNELS.includes(kernel)) {
    const reason = `${first} is an SNP VM, and KVM's SNP host support is in mainline since 6.11`;
    issues.push({ path: ['host', 'kernel'], message: `found ${shown(kernel)}; expected one of ${listed(SNP_KERNELS)}: ${reason}` });
  }
  if (firmware?.state === 'UNINIT') {
    issues.push({ path: ['firmware', 'state'], message: `found "UNINIT"; expected "INIT": ${first} is an SNP VM that has been launched` });
  }
  return [...issues, ...optionIssues(scenario)];
}
