/** What differs between kernel versions, as host options. */
import { HOST_OPTIONS, type HostOptions } from '../../events/options.ts';
import type { KernelVersion } from './types.ts';

export const KERNEL_DEFAULT: KernelVersion = '6.12';

/** Only options that differ by version stand here; all others have the default of HOST_OPTIONS. */
const PRESETS: Readonly<Record<KernelVersion, Partial<HostOptions>>> = {
  // 6.1 and 6.6 have no SNP host support, so nothing here concerns them.
  '6.1': {},
  '6.6': {},
  /** @see Linux, arch/x86/virt/svm/sev.c, rmpupdate(): loops while the result is RMPUPDATE_FAIL_OVERLAP, and on nothing else */
  '6.12': { 'kvm.rmpupdateRetry': 'overlap' },
  '6.14': { 'kvm.rmpupdateRetry': 'overlap' },
};

/** The kernels that can run SNP guests: KVM's SNP host support is in mainline since 6.11. */
export const SNP_KERNELS: readonly KernelVersion[] = ['6.12', '6.14'];

const DEFAULTS = Object.fromEntries(Object.entries(HOST_OPTIONS).map(([name, values]) => [name, values[0]])) as unknown as HostOptions;

/** Every option: the last layer that names it decides, after the preset and the defaults. */
export const hostOptions = (kernel: KernelVersion, ...layers: readonly Partial<HostOptions>[]): HostOptions =>
  Object.assign({ ...DEFAULTS }, PRESETS[kernel], ...layers) as HostOptions;
