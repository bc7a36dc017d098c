/**
 * Whether programs, VMs and threads fit each other, and what mechanisms ask besides: the checks
 * that files and journals share.
 */
import { didYouMean } from '../../events/nearest.ts';
import type { GuestOp } from '../../events/program.ts';
import { mechanismsOf } from '../host/registry.ts';
import { type PathIssue, shown, unknownName } from './issues.ts';
import { allOperations, type KnownNames, type LoweredVm, operationsIn, type PlacedOperation, type Structure } from './lowered.ts';

/** An operation that names a VM or a vCPU which is not there. */
function strangerIssues({ op, path, vm }: PlacedOperation, known: KnownNames): readonly PathIssue[] {
  if (vm !== null && !known.vms.has(vm)) {
    return [{ path: [...path, 'vcpu' in op ? 'vcpu' : 'vm'], message: unknownName(vm, 'a VM of the scenario', [...known.vms]) }];
  }
  if (!('vcpu' in op)) return [];
  const name = `${op.vm}/${op.vcpu}`;
  if (known.vcpus.has(name)) return [];
  const near = didYouMean(name, [...known.vcpus]);
  return [{ path: [...path, 'vcpu'], message: `found ${shown(name)}; expected a vCPU of the scenario${near}` }];
}

const vcpuNames = ({ id, vcpus }: LoweredVm): string[] => vcpus.map((_, index) => `${id}/${index}`);

function programIssues(structure: Structure): PathIssue[] {
  const known: KnownNames = {
    vms: new Set(structure.vms.map(({ id }) => id)),
    vcpus: new Set(structure.vms.flatMap(vcpuNames)),
  };
  const here = mechanismsOf(structure.arch);
  const issues: PathIssue[] = [];
  for (const placed of allOperations(structure)) {
    const strangers = strangerIssues(placed, known);
    const { op, path } = placed;
    issues.push(...(strangers.length > 0 ? strangers : here.flatMap((mechanism) => mechanism.operationChecks?.(op, path, known) ?? [])));
  }
  return issues;
}

/**
 * Each vCPU has one thread, all threads of a VM are in one process, and no two threads of a process
 * have one name.
 */
function threadIssues({ vms, processes }: Structure): PathIssue[] {
  const issues: PathIssue[] = [];
  const threadOf = new Map<string, string>();
  const processOf = new Map<string, string>();
  for (const { id, threads } of processes) {
    const names = new Set<string>();
    threads.forEach((thread, index) => {
      const name = `thread:${id}/${thread.id}`;
      const before = issues.length;
      for (const { op, path } of operationsIn(thread.program)) {
        if (op.op !== 'KVM_RUN') continue;
        const vcpu = `${op.vm}/${op.vcpu}`;
        const at = [...path, 'vcpu'];
        const owner = processOf.get(op.vm) ?? id;
        if (owner !== id) {
          issues.push({
            path: at,
            message: `found ${shown(vcpu)} in ${id}; expected it in ${owner}: a VM belongs to the process that made it`,
          });
        } else if ((threadOf.get(vcpu) ?? `${index}`) !== `${index}`) {
          issues.push({ path: at, message: `found a second thread that runs ${vcpu}; expected one thread for each vCPU` });
        }
        if (!processOf.has(op.vm)) processOf.set(op.vm, id);
        if (!threadOf.has(vcpu)) threadOf.set(vcpu, `${index}`);
      }
      if (names.has(name) && issues.length === before)
        issues.push({ path: thread.path, message: `found a second ${name}; expected VMs in processes of their own` });
      names.add(name);
    });
  }
  for (const vm of vms) {
    vcpuNames(vm).forEach((vcpu, index) => {
      if (threadOf.has(vcpu)) return;
      const message = `found no thread that runs ${vcpu}; expected one whose program has KVM_RUN: { vcpu: ${vcpu} }`;
      issues.push({ path: [...vm.vcpusPath, index], message });
    });
  }
  return issues;
}

/** Processes that are bound to a pCPU which the host does not have. */
const bindingIssues = ({ cpus, processes }: Structure): PathIssue[] =>
  processes.flatMap(({ cpu = 0, path }) =>
    cpu < cpus ? [] : [{ path: [...path, 'cpu'], message: `found ${cpu}; expected a pCPU of the host: an integer from 0 to ${cpus - 1}` }],
  );

/** Exits to user space that guests of arm64 do not take, or take otherwise. */
const NOT_ON_ARM64: Readonly<Partial<Record<GuestOp['op'], string>>> = {
  out: 'mmio: arm64 has no port I/O',
  in: 'mmio: arm64 has no port I/O',
  touch: 'mmio: faults of arm64 that KVM resolves are not modelled',
  intercept: 'an operation of arm64',
  'debug-exit': 'an operation of arm64 that a debugger stops, such as execute',
};

const userExitIssues = ({ arch, vms }: Structure): PathIssue[] =>
  arch !== 'arm64'
    ? []
    : vms.flatMap(({ vcpus }) =>
        vcpus.flatMap((program) =>
          [...operationsIn(program)].flatMap(({ op, path }) => {
            const expected = NOT_ON_ARM64[op.op];
            return expected === undefined ? [] : [{ path, message: `found ${op.op}; expected ${expected}` }];
          }),
        ),
      );

/**
 * vCPUs and threads that are missing or that stand for two things, and what mechanisms of the host
 * find.
 */
export function structureIssues(structure: Structure): PathIssue[] {
  return [
    ...mechanismsOf(structure.arch).flatMap((mechanism) => mechanism.structureChecks?.(structure) ?? []),
    ...programIssues(structure),
    ...threadIssues(structure),
    ...bindingIssues(structure),
    ...userExitIssues(structure),
  ];
}
