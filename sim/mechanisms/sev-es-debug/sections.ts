/** What SEV-ES adds to a scenario file: the features of a VM's VMSAs. */
import { z } from 'zod';
import { VMSA_FEATURES, type VmsaFeature } from '../../../events/sev-es-debug/sev-es-debug.ts';
import type { VmSetting } from '../../scenario/section.ts';

/** The VM type whose guests have encrypted registers. */
export const SEV_ES_VM = 'sev-es';
const SNP_VM = 'snp';

/** The VM types whose guests have encrypted registers. */
export const isEncrypted = (type: string | undefined): boolean => type === SEV_ES_VM || type === SNP_VM;

const FEATURES = z.array(z.enum(VMSA_FEATURES)).max(VMSA_FEATURES.length);

const vmsaFeatures: VmSetting<readonly VmsaFeature[]> = {
  schema: FEATURES.describe('What KVM_SEV_INIT2 asks for in every VMSA of an SEV-ES VM. Default: none.'),
};

const guestVmsaFeatures: VmSetting<readonly VmsaFeature[]> = {
  schema: FEATURES.describe(
    'What the VMSAs hold, where the guest has made them itself by SNP AP creation, whatever KVM believes. Default: vmsaFeatures.',
  ),
};

export const VM_SETTINGS = { vmsaFeatures, guestVmsaFeatures };

/** What user space has asked for, and what the VMSAs hold where the guest has made them. */
export function askedFeatures(vm: { readonly settings?: object }) {
  const { vmsaFeatures: asked = [], guestVmsaFeatures: held } = vm.settings as {
    readonly vmsaFeatures?: readonly VmsaFeature[];
    readonly guestVmsaFeatures?: readonly VmsaFeature[];
  };
  return { asked, held };
}
