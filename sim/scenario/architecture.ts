/**
 * What belongs to hosts of another architecture: options, VM types, settings of VMs, sections,
 * operations.
 */
import { mechanismsOf } from '../host/registry.ts';
import { guestOperations, hostOperations } from './all-operations.ts';
import { foreignTo, known } from './foreign.ts';
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

const arches = (arch: Arch, section: string): string => {
  const others = foreignTo(arch, 'sections', section);
  return others.length === 0 ? '' : `, a section of ${others.join(' and ')} hosts`;
};

/** Sections that the host does not have. They stand below `base`. */
export const foreignSections = (arch: Arch, names: readonly string[], base: Path): PathIssue[] =>
  names
    .filter((name) => !sectionNames(arch).includes(name))
    .map((name) => ({
      path: [...base, name],
      message: `found ${name}${arches(arch, name)}; expected none: it has no part on ${arch} hosts`,
    }));

/** Operations that the host does not have. */
export function foreignOperations({ arch, vms, processes }: Structure): PathIssue[] {
  const issues: PathIssue[] = [];
  const check = (name: string, path: Path, side: 'guestOperations' | 'hostOperations'): void => {
    const arches = foreignTo(arch, side, name);
    if (arches.length === 0) return;
    const names = known(arch, side, Object.keys(side === 'guestOperations' ? guestOperations() : hostOperations()));
    const message = `found ${name}, an operation of ${arches.join(' and ')} hosts; expected an operation of ${arch} hosts (${names.join(', ')})`;
    issues.push({ path, message });
  };
  for (const { vcpus } of vms)
    for (const program of vcpus) for (const { op, path } of operationsIn(program)) check(op.op, path, 'guestOperations');
  for (const { threads } of processes) {
    for (const { program } of threads) for (const { op, path } of operationsIn(program)) check(op.op, path, 'hostOperations');
  }
  return issues;
}
