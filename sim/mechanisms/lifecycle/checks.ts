/** Whether what comes and goes fits the scenario: settings of VMs, operations that need them. */
import type { CreationOp } from '../../../events/program.ts';
import { type Path, type PathIssue, unknownName } from '../../scenario/issues.ts';
import { allOperations, type LoweredVm, type Structure } from '../../scenario/lowered.ts';

interface Settings {
  readonly createdInRun?: true;
  readonly onlineVcpus?: number;
  readonly deviceSlots?: number;
}
const settingsOf = ({ settings }: { readonly settings?: object }): Settings => settings ?? {};

/** How many vCPUs are there when the run begins. */
export function onlineOf(vm: { readonly settings?: object; readonly vcpus: readonly unknown[] }): number {
  const { createdInRun, onlineVcpus } = settingsOf(vm);
  return createdInRun ? 0 : (onlineVcpus ?? vm.vcpus.length);
}
export const isCreatedInRun = (vm: { readonly settings?: object }): boolean => settingsOf(vm).createdInRun === true;
export const deviceSlotsOf = (vm: { readonly settings?: object }): number => settingsOf(vm).deviceSlots ?? 0;

/** Whether threads create the VM, or a vCPU of it. */
export const isCreated = (vm: { readonly settings?: object }): boolean => isCreatedInRun(vm) || settingsOf(vm).onlineVcpus !== undefined;

const settingIssues = ({ id, settings, settingsPath, vcpus }: LoweredVm): PathIssue[] => {
  const { createdInRun, onlineVcpus } = settingsOf({ settings });
  if (onlineVcpus === undefined) return [];
  const path = [...settingsPath, 'onlineVcpus'];
  if (createdInRun) return [{ path, message: `found ${onlineVcpus}; expected none: ${id} has no vCPU before KVM_CREATE_VM` }];
  return onlineVcpus <= vcpus.length
    ? []
    : [{ path, message: `found ${onlineVcpus}; expected at most ${vcpus.length}: ${id} has no more vCPUs` }];
};

/** Operations of a VM that is made otherwise, and devices that it has no slot for. */
function operationIssues(structure: Structure): PathIssue[] {
  const vms = new Map(structure.vms.map((vm) => [vm.id, vm]));
  const lives = structure.vms.some((vm) => isCreated(vm) || deviceSlotsOf(vm) > 0);
  return [...allOperations({ vms: [], processes: structure.processes })].flatMap(({ op, path }): PathIssue[] => {
    const vm = 'vm' in op ? vms.get(op.vm) : undefined;
    if (vm === undefined) return [];
    if ('device' in op) return deviceIssues(vm, op.device, path);
    if (op.op === 'close' && !lives)
      return [
        {
          path,
          message: `found close, and no VM that comes and goes; expected ${vm.id} with options such as { onlineVcpus: ${vm.vcpus.length} }`,
        },
      ];
    return (op.op === 'KVM_CREATE_VM' || op.op === 'KVM_CREATE_VCPU') && isCreated(vm) ? creationIssues(vm, op, path) : [];
  });
}

/** What creations return here. */
const RESULTS: readonly string[] = ['ok', 'EBADF', 'EEXIST', 'EMFILE'];

const creationIssues = (vm: LoweredVm, op: CreationOp, path: Path): PathIssue[] => [
  ...(op.returns === undefined || RESULTS.includes(op.returns)
    ? []
    : [{ path: [...path, 'returns'], message: unknownName(op.returns, 'a result of a creation', [...RESULTS]) }]),
  ...('type' in op ? [{ path: [...path, 'type'], message: `found a type; expected none: ${vm.id} is of type ${vm.type}` }] : []),
];

const deviceIssues = (vm: LoweredVm, device: number, path: Path): PathIssue[] =>
  device < deviceSlotsOf(vm)
    ? []
    : [
        {
          path: [...path, 'device'],
          message: `found device ${device}, and ${deviceSlotsOf(vm)} deviceSlots of ${vm.id}; expected options: { deviceSlots: ${device + 1} } or more`,
        },
      ];

export const structureChecks = (structure: Structure): readonly PathIssue[] => [
  ...structure.vms.flatMap(settingIssues),
  ...operationIssues(structure),
];
