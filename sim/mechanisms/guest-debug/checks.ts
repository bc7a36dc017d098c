/** Which VMs are debugged, and debug themselves: plain ones; and which addresses perf can watch. */
import type { U64 } from '../../../events/u64.ts';
import { type PathIssue, shown } from '../../scenario/issues.ts';
import { operationsIn, type Structure } from '../../scenario/lowered.ts';
import type { Scenario } from '../../scenario/types.ts';
import { hex } from '../../view.ts';
import type { EncryptedGuests } from './encrypted.ts';
import { GUEST_DEBUG_GUEST_OPERATIONS } from './operations.ts';

const PLAIN: readonly string[] = ['svm', 'vmx'];

/**
 * KVM reads and writes debug registers of plain guests alone; an encrypted guest uses its own.
 * @see domain debug-and-split-lock A.6
 */
export function notDebugged({ arch, vms, processes }: Structure, encrypted: EncryptedGuests): readonly PathIssue[] {
  if (arch === 'arm64') return [];
  const typeOf = new Map(vms.map(({ id, type }) => [id, type]));
  const isPlain = (vm: string): boolean => PLAIN.includes(typeOf.get(vm) ?? 'svm');
  const has = (vm: string, op: string): boolean => isPlain(vm) || (encrypted.has(typeOf.get(vm)) && !encrypted.lacks.includes(op));
  const guests = vms.flatMap(({ id, vcpus }) =>
    vcpus.flatMap((program) =>
      [...operationsIn(program)]
        .filter(({ op }) => Object.hasOwn(GUEST_DEBUG_GUEST_OPERATIONS, op.op) && !has(id, op.op))
        .map(({ op, path }) => ({ path, message: `found ${shown(op.op)} in a VM of type ${typeOf.get(id)!}; expected type svm or vmx` })),
    ),
  );
  const debugged = new Set(vms.filter((vm) => isPlain(vm.id) || encrypted.launchedInRun(vm)).map(({ id }) => id));
  const hosts = processes.flatMap(({ threads }) =>
    threads.flatMap(({ program }) =>
      [...operationsIn(program)].flatMap(({ op, path }) =>
        op.op === 'KVM_SET_GUEST_DEBUG' && typeOf.has(op.vm) && !debugged.has(op.vm)
          ? [
              {
                path: [...path, 'vcpu'],
                message: `found ${op.vm}/${op.vcpu} of type ${typeOf.get(op.vm)!}; expected a vCPU of type svm or vmx, or of a VM with launched: false, as KVM refuses the ioctl behind a launch`,
              },
            ]
          : [],
      ),
    ),
  );
  return [...guests, ...hosts];
}

/** Why perf_event_open() refuses a breakpoint, and which argument; null if it does not. */
function refused(arch: string, address: U64, length: number): readonly ['address' | 'length', string] | null {
  if ((length & (length - 1)) !== 0) return ['length', `found ${length}; expected a power of two`];
  if (length > 8 && arch !== 'amd') return ['length', `found ${length}; expected 1, 2, 4 or 8: only AMD's processors have address masks`];
  if (BigInt(address) % BigInt(length) !== 0n) return ['address', `found ${hex(address)}; expected a multiple of the length, ${length}`];
  return null;
}

/**
 * Breakpoints that perf_event_open() refuses, and CPUs that the host lacks.
 * @see kernel arch/x86/kernel/hw_breakpoint.c, hw_breakpoint_arch_parse(), arch_build_bp_info()
 */
export function notWatched({ arch, cpus, processes }: Structure): readonly PathIssue[] {
  return processes.flatMap(({ threads }) =>
    threads.flatMap(({ program }) =>
      [...operationsIn(program)].flatMap(({ op, path }) => {
        if (op.op !== 'perf-breakpoint' && op.op !== 'perf-remove') return [];
        const issues: PathIssue[] = [];
        if (op.cpu !== undefined && op.cpu >= cpus)
          issues.push({ path: [...path, 'cpu'], message: `found ${op.cpu}; expected a CPU of the host, 0 to ${cpus - 1}` });
        const why = op.op === 'perf-breakpoint' ? refused(arch, op.address, op.length ?? 8) : null;
        if (why !== null) issues.push({ path: [...path, why[0]], message: why[1] });
        return issues;
      }),
    ),
  );
}

/** Features that CPUs of the other vendor have. */
const FEATURE_OF: Readonly<Record<string, 'amd' | 'intel'>> = { 'no-nested-data-bp': 'amd', 'notify-vmexit': 'intel' };

export const featureChecks = ({ host: { arch, features = [] } }: Scenario): readonly PathIssue[] =>
  features.flatMap((feature, i) => {
    const owner = FEATURE_OF[feature];
    return owner === undefined || owner === arch
      ? []
      : [{ path: ['host', 'features', i], message: `found ${shown(feature)}; expected it on hosts of ${owner} alone` }];
  });

/** On Intel hosts #AC belongs to split-lock detection. @see kernel vmx_guest_inject_ac() */
export function notOnIntel({ arch, vms }: Structure): readonly PathIssue[] {
  if (arch !== 'intel') return [];
  return vms.flatMap(({ vcpus }) =>
    vcpus.flatMap((program) =>
      [...operationsIn(program)]
        .filter(({ op }) => op.op === 'ac-loop')
        .map(({ path }) => ({ path, message: 'found "ac-loop"; expected arch: amd: guests of Intel hosts have split-lock for #AC' })),
    ),
  );
}
