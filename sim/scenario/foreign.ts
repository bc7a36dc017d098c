/**
 * Whose a name is that a mechanism brings to scenarios: this host's, or only that of hosts of other
 * architectures.
 */
import { mechanisms } from '../host/registry.ts';
import type { Arch } from './types.ts';

/** Where mechanisms bring names. */
export type Side = 'guestOperations' | 'hostOperations' | 'sections' | 'vmSettings';

/**
 * The other architectures whose hosts alone have the name; empty where this one has it, or every
 * host.
 */
export function foreignTo(arch: Arch, side: Side, name: string): readonly Arch[] {
  const arches = mechanisms().flatMap((one) => (Object.hasOwn(one[side] ?? {}, name) ? one.arches : []));
  return arches.includes(arch) ? [] : [...new Set(arches)];
}

/** The names among these that such a host has. */
export const known = (arch: Arch, side: Side, names: readonly string[]): readonly string[] =>
  names.filter((name) => foreignTo(arch, side, name).length === 0);

/** Whether some mechanism brings a setting of VMs by this name. */
export const isVmSetting = (name: string): boolean => mechanisms().some(({ vmSettings }) => Object.hasOwn(vmSettings ?? {}, name));

/** The architecture that goes by this name, if hosts of it have a mechanism. */
export const archNamed = (name: unknown): Arch | null =>
  mechanisms()
    .flatMap(({ arches }) => arches)
    .find((arch) => arch === name) ?? null;
