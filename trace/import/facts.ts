/** Which host a recording is of, as far as it tells. */
import type { PreemptionModel } from '../../events/options.ts';
import type { KernelVersion } from '../../sim/scenario/types.ts';
import { isKvmExit, kernelIn } from '../kernel-in.ts';
import type { Recording } from '../recording.ts';
import type { Cast } from './cast.ts';
import type { HostFacts } from './derive.ts';

/** Exits that VMX has, and SVM has not by that name. */
const OF_VMX = [
  'external_interrupt',
  'ept_violation',
  'ept_misconfig',
  'io_instruction',
  'msr_read',
  'msr_write',
  'preemption_timer',
  'pause_instruction',
  'cr_access',
  'exception_nmi',
];

const DEFAULT_KERNEL: KernelVersion = '6.12';

/** A fact, and who says so. */
export interface HostOf extends HostFacts {
  /** What neither the recording nor the user says, and was assumed. */
  readonly assumed: readonly string[];
}

/** A thread that is preempted in the kernel is told as R+, one that gives way by itself as R. */
function preemptionIn({ lines }: Recording, { threadOf }: Cast): PreemptionModel | null {
  let byForce = 0;
  let byItself = 0;
  for (const line of lines) {
    if (line.kind !== 'event' || line.event?.type !== 'sched_switch' || !threadOf.has(line.event.prev.pid)) continue;
    if (line.event.state === 'preempted') byForce++;
    if (line.event.state === 'runnable') byItself++;
  }
  return byForce + byItself === 0 ? null : byForce > byItself ? 'full' : 'voluntary';
}

/** What the user says counts before what the recording does. */
export function hostOf(recording: Recording, cast: Cast, given: Partial<HostFacts>): HostOf {
  const assumed: string[] = [];
  const or = <T extends string>(name: string, value: T | null | undefined, fallback: T): T => {
    if (value != null) return value;
    assumed.push(`${name} ${fallback}`);
    return fallback;
  };
  const isVmx = recording.lines.some((line) => isKvmExit(line) && line.event?.type === 'kvm_exit' && OF_VMX.includes(line.event.reason));
  return {
    arch: given.arch ?? (isVmx ? 'intel' : 'amd'),
    kernel: or('kernel', given.kernel ?? kernelIn(recording), DEFAULT_KERNEL),
    preemption: or('preemption', given.preemption ?? preemptionIn(recording, cast), 'full'),
    assumed,
  };
}
