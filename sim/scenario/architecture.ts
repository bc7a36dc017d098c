/**
 * What belongs to hosts of another architecture: options, VM types, settings of VMs, sections,
 * operations.
 */
import { mechanisms, mechanismsOf } from '../host/registry.ts';
import { type Path, type PathIssue, unknownName } from './issues.ts';
import { operationsIn, type Structure } from './lowered.ts';
import { optionsOf } from './presets.ts';
import { sectionNames, settingNames } from './sections.ts';
import type { Arch, Scenario } from './types.ts';

/** Options that the host does not have. */
export function foreignOptions({ host, variants = {} }: Pick<Scenario, 'host' | 'variants'>): PathIssue[] {
  const options = Object.keys(optionsOf(host.arch));
  const foreign = (names: object | undefined, base: Path): PathIssue[] =>
    Object.keys(names ?? {})
      .filter((name) => !options.includes(name))
      .map((name) => ({ path: [...base, name], message: unknownName(name, `an option of ${host.arch} hosts`, options) }));
  return [
    ...foreign(host.options, ['host', 'options']),
    ...Object.entries(variants).flatMap(([variant, names]) => foreign(names, ['variants', variant])),
  ];
}

/** A VM as it is written, in a file or in a journal. */
interface WrittenVm {
  readonly type: string;
  readonly path: Path;
  readonly settings: object;
  readonly settingsPath: Path;
}

/** VM types, and settings of VMs, that the host does not have. */
export function foreignVms(arch: Arch, vms: readonly WrittenVm[]): PathIssue[] {
  const types = mechanismsOf(arch).flatMap(({ vmTypes }) => vmTypes ?? []);
  const known = settingNames(arch);
  return vms.flatMap(({ type, path, settings, settingsPath }) => [
    ...(types.includes(type) ? [] : [{ path: [...path, 'type'], message: unknownName(type, `a VM of ${arch} hosts`, types) }]),
    ...Object.keys(settings)
      .filter((name) => !known.includes(name))
      .map((name) => ({ path: [...settingsPath, name], message: unknownName(name, `a setting of VMs on ${arch}`, known) })),
  ]);
}

/** Sections that the host does not have. They stand below `base`. */
export const foreignSections = (arch: Arch, names: readonly string[], base: Path): PathIssue[] =>
  names
    .filter((name) => !sectionNames(arch).includes(name))
    .map((name) => ({ path: [...base, name], message: `found ${name}; expected none: it has no part on ${arch} hosts` }));

/**
 * Whether programs of such a host may hold the operation: any may, unless only other hosts have a
 * mechanism that brings it.
 */
function isKnown(arch: Arch, side: 'guestOperations' | 'hostOperations', name: string): boolean {
  const owners = mechanisms().filter((mechanism) => Object.hasOwn(mechanism[side] ?? {}, name));
  return owners.length === 0 || owners.some(({ arches }) => arches.includes(arch));
}

/** Operations that the host does not have. */
export function foreignOperations({ arch, vms, processes }: Structure): PathIssue[] {
  const issues: PathIssue[] = [];
  const check = (name: string, path: Path, side: 'guestOperations' | 'hostOperations'): void => {
    if (!isKnown(arch, side, name)) issues.push({ path, message: `found ${name}; expected an operation of ${arch} hosts` });
  };
  for (const { vcpus } of vms)
    for (const program of vcpus) for (const { op, path } of operationsIn(program)) check(op.op, path, 'guestOperations');
  for (const { threads } of processes) {
    for (const { program } of threads) for (const { op, path } of operationsIn(program)) check(op.op, path, 'hostOperations');
  }
  return issues;
}
