/** Which VMs the ioctls that create VMs and vCPUs are for. */
import { mechanismsOf } from '../host/registry.ts';
import { CREATION_OPERATIONS } from './creation.ts';
import type { PathIssue } from './issues.ts';
import { allOperations, type LoweredVm, type Structure } from './lowered.ts';

/**
 * VMs that are created by operations and are there from the start, and those that two mechanisms
 * create.
 */
export function creationIssues(structure: Structure): readonly PathIssue[] {
  const here = mechanismsOf(structure.arch);
  const creatorsOf = (vm: LoweredVm) => here.filter((mechanism) => mechanism.creates?.has(vm) === true).map(({ name }) => name);
  const creators = new Map(structure.vms.map((vm) => [vm.id, creatorsOf(vm)]));
  const all = [...new Set([...creators.values()].flat())];
  const mixed = structure.vms.flatMap((vm): PathIssue[] => {
    const other = creators.get(vm.id)!.find((name) => name !== all[0]);
    if (other === undefined) return [];
    const message = `found VMs that ${all.join(' and ')} create; expected one way of creation in a scenario: ${all[0]} creates another VM, or this one as well`;
    return [{ path: vm.settingsPath, message }];
  });
  const early = [...allOperations({ vms: [], processes: structure.processes })].flatMap(({ op, path }): PathIssue[] => {
    if (!Object.hasOwn(CREATION_OPERATIONS, op.op) || !('vm' in op) || creators.get(op.vm)?.length !== 0) return [];
    const options = here.flatMap(({ creates }) => creates?.options ?? []).join(' or ');
    const message = `found ${op.op} of ${op.vm}; expected a VM with options: ${options}: this one is there from the start`;
    return [{ path: [...path, 'vcpu' in op ? 'vcpu' : 'vm'], message }];
  });
  return [...mixed, ...early];
}
