/** Which VMs are debugged, and debug themselves: plain ones. */
import { type PathIssue, shown } from '../../scenario/issues.ts';
import { operationsIn, type Structure } from '../../scenario/lowered.ts';
import { GUEST_DEBUG_GUEST_OPERATIONS } from './operations.ts';

const PLAIN: readonly string[] = ['svm', 'vmx'];

/**
 * KVM reads and writes debug registers of plain guests alone.
 * @see domain debug-and-split-lock A.6
 */
export function notDebugged({ arch, vms, processes }: Structure): readonly PathIssue[] {
  if (arch === 'arm64') return [];
  const typeOf = new Map(vms.map(({ id, type }) => [id, type]));
  const isPlain = (vm: string): boolean => PLAIN.includes(typeOf.get(vm) ?? 'svm');
  const guests = vms.flatMap(({ id, vcpus }) =>
    vcpus.flatMap((program) =>
      [...operationsIn(program)]
        .filter(({ op }) => Object.hasOwn(GUEST_DEBUG_GUEST_OPERATIONS, op.op) && !isPlain(id))
        .map(({ op, path }) => ({ path, message: `found ${shown(op.op)} in a VM of type ${typeOf.get(id)!}; expected type svm or vmx` })),
    ),
  );
  const hosts = processes.flatMap(({ threads }) =>
    threads.flatMap(({ program }) =>
      [...operationsIn(program)].flatMap(({ op, path }) =>
        op.op === 'KVM_SET_GUEST_DEBUG' && !isPlain(op.vm)
          ? [
              {
                path: [...path, 'vcpu'],
                message: `found ${op.vm}/${op.vcpu} of type ${typeOf.get(op.vm)!}; expected a vCPU of type svm or vmx`,
              },
            ]
          : [],
      ),
    ),
  );
  return [...guests, ...hosts];
}
