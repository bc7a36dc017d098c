/** Which VMs are debugged, and debug themselves: plain ones. */
import { type PathIssue, shown } from '../../scenario/issues.ts';
import { type LoweredVm, operationsIn, type Structure } from '../../scenario/lowered.ts';
import { GUEST_DEBUG_GUEST_OPERATIONS } from './operations.ts';

const PLAIN: readonly string[] = ['svm', 'vmx'];

/**
 * KVM reads and writes debug registers of plain guests alone.
 * @see domain debug-and-split-lock A.6
 */
export const isPlain = ({ type }: Pick<LoweredVm, 'type'>): boolean => PLAIN.includes(type);

export const guestsDebugThemselves = ({ arch, vms }: Structure): readonly PathIssue[] =>
  arch === 'arm64'
    ? []
    : vms.flatMap((vm) =>
        isPlain(vm)
          ? []
          : vm.vcpus.flatMap((program) =>
              [...operationsIn(program)]
                .filter(({ op }) => Object.hasOwn(GUEST_DEBUG_GUEST_OPERATIONS, op.op))
                .map(({ op, path }) => ({ path, message: `found ${shown(op.op)} in a VM of type ${vm.type}; expected type svm or vmx` })),
            ),
      );
