/** Which host a recording is of, as far as it tells. */
import type { PreemptionModel } from '../../events/options.ts';
import { KERNELS } from '../../sim/scenario/schema.ts';
import type { KernelVersion } from '../../sim/scenario/types.ts';
import type { Recording } from '../recording.ts';
import { archOf, contradiction, kernelIn, notNewer } from '../told.ts';
import type { Cast } from './cast.ts';
import type { HostFacts } from './derive.ts';
import { ImportError } from './troupe.ts';

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

/**
 * What the recording and the user say, else what it does.
 * @throws ImportError if the two say different things
 */
export function hostOf(recording: Recording, cast: Cast, given: Partial<HostFacts>): HostOf {
  const other = contradiction(recording, given);
  if (other)
    throw new ImportError(
      `${recording.file} is of a host with ${other.told}; ${other.flag} says ${other.asked}`,
      `${other.flag} ${other.told}, or nothing`,
    );
  const assumed: string[] = [];
  const or = <T extends string>(name: string, value: T | null | undefined, fallback: T): T => {
    if (value != null) return value;
    assumed.push(`${name} ${fallback}`);
    return fallback;
  };
  const told = recording.kernel === null ? null : notNewer(recording.kernel, KERNELS.options);
  const arch = given.arch ?? archOf(recording);
  return {
    arch: arch === 'intel' ? 'intel' : 'amd',
    kernel: or('kernel', given.kernel ?? told ?? kernelIn(recording), DEFAULT_KERNEL),
    preemption: or('preemption', given.preemption ?? recording.preemption ?? preemptionIn(recording, cast), 'full'),
    assumed,
  };
}
