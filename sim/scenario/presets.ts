/** What differs between kernel versions, as host options. */
import { HOST_OPTIONS, type HostOptions } from '../../events/options.ts';
import { mechanismsOf } from '../registry.ts';
import type { Arch, KernelVersion } from './types.ts';

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

/** The options of a host by name: their values, the default first. Those that stand in options.ts are of AMD's RMP. */
export const optionsOf = (arch: Arch): Readonly<Record<string, readonly string[]>> =>
  Object.assign({}, arch === 'amd' ? HOST_OPTIONS : {}, ...mechanismsOf(arch).map(({ options }) => options ?? {}));

/** Every option: the last layer that names it decides, after the preset and the defaults. */
export function hostOptions(arch: Arch, kernel: KernelVersion, ...layers: readonly Partial<HostOptions>[]): HostOptions {
  const defaults = Object.fromEntries(Object.entries(optionsOf(arch)).map(([name, values]) => [name, values[0]]));
  const presets = mechanismsOf(arch).map((mechanism) => mechanism.presets?.[kernel] ?? {});
  return Object.assign(defaults, arch === 'amd' ? PRESETS[kernel] : {}, ...presets, ...layers) as HostOptions;
}
