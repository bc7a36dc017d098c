/** What a mechanism adds to the VMM's loop around KVM_RUN. */
import type { ThreadEvent } from '../../events/index.ts';
import type { HostEnv, HostItem, HostLocals, HostThread } from '../host/host-env.ts';
import type { Case } from '../path/path.ts';

/**
 * What a VMM does about ends of KVM_RUN, in the one loop around it (`user-loop.ts`). It runs the
 * vCPU again after an end for which some mechanism has a reaction, and leaves the loop after any
 * other.
 * @public
 */
export interface UserLoop {
  /** Before the first call. */
  readonly first?: (env: HostEnv) => readonly HostItem[];
  /** By the end of KVM_RUN, which a local tells. */
  readonly reactions: (env: HostEnv) => readonly Case<HostThread, HostLocals, ThreadEvent>[];
  /** After each reaction, its own or that of another mechanism. */
  readonly afterEach?: (env: HostEnv) => readonly HostItem[];
  /** After the last call. */
  readonly last?: (env: HostEnv) => readonly HostItem[];
  /** Locals that live as long as the loop does. */
  readonly locals?: readonly (keyof HostLocals & string)[];
}
