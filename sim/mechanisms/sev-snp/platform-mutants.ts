/** Changes of one line of how a host brings SEV-SNP up, or gives it up. */
import { hasStep, type PathPatch, replaceStep, swapSteps, withoutSteps } from '../../../actors/path/patch.ts';
import type { PlatformInfo } from '../../../events/sev-snp/platform.ts';
import type { Mutant } from '../../host/mechanism.ts';

const changed = (summary: string, path: string, patch: PathPatch): Mutant => ({ summary, paths: { [path]: [patch] } });
const without = (summary: string, path: string, ...steps: readonly string[]): Mutant => changed(summary, path, withoutSteps(...steps));
/** A step with another effect, where the path has it. */
const alter = (summary: string, path: string, name: string, effect: object): Mutant =>
  changed(summary, path, (items) =>
    hasStep(items, name) ? replaceStep(items, name, (item) => [{ ...item, ...effect } as typeof item]) : items,
  );
/** The host takes this for what it reads. */
const sees = (info: Partial<PlatformInfo>) => ({
  answers: {
    'platform.info': (e: { readonly info: PlatformInfo }) => ({ platformInfo: { ...e.info, ...info } }),
  },
});

const ENABLE = 'snp_rmptable_init';
const INIT = '__sev_snp_init_locked';

const ofEnabling: Readonly<Record<string, Mutant>> = {
  'snp-table-not-zeroed': without('The RMP is not filled with zeros before SNP is enabled.', ENABLE, 'memset_rmptable'),
  'snp-zeros-cached': without('The zeros of the RMP stay in the caches when SNP is enabled.', ENABLE, 'wbinvd_on_all_cpus'),
  'snp-no-mfdm': without('MtrrFixDramModEn is not set before SNP is enabled.', ENABLE, 'mfd_enable'),
  'snp-enabled-first': changed('SNP is enabled before MtrrFixDramModEn is set.', ENABLE, swapSteps('mfd_enable', 'snp_enable')),
  'snp-iommu-ungated': alter('SNP is enabled whatever the IOMMU does.', ENABLE, 'snp_probe_rmptable_info', sees({ iommu: true })),
  'snp-coverage-ungated': alter('SNP is enabled whatever the RMP covers.', ENABLE, 'snp_probe_rmptable_info', sees({ covers: true })),
};

const ofFirmware: Readonly<Record<string, Mutant>> = {
  'snp-version-ungated': alter(
    'Firmware of any version is initialized for SNP.',
    INIT,
    'sev_version_greater_or_equal',
    sees({ minor: 55 }),
  ),
  'snp-hsave-kept': without('VM_HSAVE_PA is not cleared before SNP_INIT_EX.', INIT, 'snp_set_hsave_pa'),
  'snp-no-init-wbinvd': without('SNP_DF_FLUSH comes after SNP_INIT_EX without WBINVD.', INIT, 'wbinvd_for_df_flush'),
  'snp-param-ignored': alter(
    'KVM creates an SNP VM whatever the parameter says.',
    'kvm_arch_init_vm',
    'KVM_CREATE_VM',
    sees({ param: true }),
  ),
  'snp-gctx-unchecked': alter('KVM goes on with a context page that the firmware refused.', 'kvm_arch_init_vm', 'SNP_GCTX_CREATE', {
    answers: { 'platform.done': () => ({ status: 'SUCCESS' }) },
  }),
  'snp-tmr-first': alter(
    'The TMR is allocated as on a host without SNP.',
    '_sev_platform_init_locked',
    'sev_es_tmr_size',
    sees({ initialized: false }),
  ),
  'snp-tmr-unaligned': alter('The TMR of 2 MiB begins in the middle of 2 MiB.', '_sev_platform_init_locked', 'sev_fw_alloc_2M', {
    send: () => ({ to: 'snp-platform', event: { type: 'platform.tmr', pfn: 0x40100, frames: 512 } }),
  }),
};

export const PLATFORM_MUTANTS: Readonly<Record<string, Mutant>> = { ...ofEnabling, ...ofFirmware };
