/**
 * Whether programs, VMs and threads fit each other, and what mechanisms ask besides: the checks
 * that files and journals share.
 */
import { didYouMean } from '../../events/nearest.ts';
import type { GuestOp } from '../../events/program.ts';
import { mechanismsOf } from '../host/registry.ts';
import { creationIssues } from './creation-checks.ts';
import { type PathIssue, shown, unknownName } from './issues.ts';
import { allOperations, type KnownNames, operationsIn, type PlacedOperation, type Structure } from './lowered.ts';
import { startIssues, threadIssues, vcpuNames } from './thread-checks.ts';

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
            return expected === undefined ? [] : [{ path, message: `found ${op.op}, not on arm64; expected ${expected}` }];
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
    ...startIssues(structure),
    ...creationIssues(structure),
    ...bindingIssues(structure),
    ...userExitIssues(structure),
  ];
}
