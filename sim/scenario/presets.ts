/**
 * The options of a host: their values, and what differs between kernel versions. Mechanisms bring
 * both.
 */
import { type HostOptions, OWN_OPTIONS } from '../../events/options.ts';
import { mechanismsOf } from '../host/registry.ts';
import type { Arch, KernelVersion } from './types.ts';

/** The options of a host by name: their values, the default first. Mechanisms bring most. */
export const optionsOf = (arch: Arch): Readonly<Record<string, readonly string[]>> =>
  Object.assign({}, OWN_OPTIONS, ...mechanismsOf(arch).map(({ options }) => options ?? {}));

/** Every option: the last layer that names it decides, after the preset and the defaults. */
export function hostOptions(arch: Arch, kernel: KernelVersion, ...layers: readonly Partial<HostOptions>[]): HostOptions {
  const defaults = Object.fromEntries(Object.entries(optionsOf(arch)).map(([name, values]) => [name, values[0]]));
  const presets = mechanismsOf(arch).map((mechanism) => mechanism.presets?.[kernel] ?? {});
  return Object.assign(defaults, ...presets, ...layers) as HostOptions;
}
