/** What SEV-ES adds to a scenario file: the features of a VM's VMSAs. */
import { z } from 'zod';
import { VMSA_FEATURES, type VmsaFeature } from '../../../events/sev-es-debug/sev-es-debug.ts';
import type { VmSetting } from '../../scenario/section.ts';

/** The VM type whose guests have encrypted registers. */
export const SEV_ES_VM = 'sev-es';

const vmsaFeatures: VmSetting<readonly VmsaFeature[]> = {
  schema: z
    .array(z.enum(VMSA_FEATURES))
    .max(VMSA_FEATURES.length)
    .describe('What KVM_SEV_INIT2 asks for in every VMSA of an SEV-ES VM. Default: none.'),
  default: () => [],
};

export const VM_SETTINGS = { vmsaFeatures };

export const featuresOf = (vm: { readonly settings?: object }): readonly VmsaFeature[] =>
  (vm.settings as { readonly vmsaFeatures: readonly VmsaFeature[] }).vmsaFeatures;
