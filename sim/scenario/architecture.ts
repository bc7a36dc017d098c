/** What belongs to hosts of another architecture: options, VM types, settings of VMs, operations. */
import { mechanisms, mechanismsOf } from '../host/registry.ts';
import { operationsIn } from './compile.ts';
import { type Path, type PathIssue, unknownName } from './issues.ts';
import type { Lowered } from './lower.ts';
import { optionsOf } from './presets.ts';
import type { Arch, Scenario } from './types.ts';

/** Options, VM types and settings that the host does not have. */
export function foreignNames({ host, vms = {}, variants = {} }: Pick<Scenario, 'host' | 'vms' | 'variants'>): PathIssue[] {
  const options = Object.keys(optionsOf(host.arch));
  const foreign = (names: object | undefined, base: Path): PathIssue[] =>
    Object.keys(names ?? {})
      .filter((name) => !options.includes(name))
      .map((name) => ({ path: [...base, name], message: unknownName(name, `an option of ${host.arch} hosts`, options) }));
  const here = mechanismsOf(host.arch);
  const types = here.flatMap(({ vmTypes }) => vmTypes ?? []);
  const settings = ['asid', 'pages', ...here.flatMap(({ vmSettings }) => Object.keys(vmSettings ?? {}))];
  return [
    ...foreign(host.options, ['host', 'options']),
    ...Object.entries(variants).flatMap(([variant, names]) => foreign(names, ['variants', variant])),
    ...Object.entries(vms).flatMap(([id, vm]) => [
      ...(types.includes(vm.type)
        ? []
        : [{ path: ['vms', id, 'type'], message: unknownName(vm.type, `a VM of ${host.arch} hosts`, types) }]),
      ...Object.keys(vm.options ?? {})
        .filter((name) => !settings.includes(name))
        .map((name) => ({ path: ['vms', id, 'options', name], message: unknownName(name, `a setting of VMs on ${host.arch}`, settings) })),
    ]),
  ];
}

/** Whether programs of such a host may hold the operation: any may, unless only other hosts have a mechanism that brings it. */
function isKnown(arch: Arch, side: 'guestOperations' | 'hostOperations', name: string): boolean {
  const owners = mechanisms().filter((mechanism) => Object.hasOwn(mechanism[side] ?? {}, name));
  return owners.length === 0 || owners.some(({ arches }) => arches.includes(arch));
}

/** Operations that the host does not have. */
export function foreignOperations(arch: Arch, { vms, processes }: Pick<Lowered, 'vms' | 'processes'>): PathIssue[] {
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
