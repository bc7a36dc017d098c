/**
 * What the paths of split-lock detection know without asking: the host's setting, who shares a
 * core, which guests have the bit.
 */
import { type ActorId, type Outgoing, outgoing } from '../../events/event.ts';
import type { HostOptions } from '../../events/options.ts';
import type { SldFlag, SldState, SldWarn } from '../../events/split-lock/sld-options.ts';
import type { HostThread } from '../host/host-env.ts';
import { isDetectionOff } from './sld-flag.ts';

export interface SldFacts {
  /** `off` too where the processor cannot detect anything. */
  readonly state: SldState;
  /** What the host does at #DB after a bus lock; null where it is not told of any. */
  readonly busLock: Exclude<SldState, 'off'> | null;
  /**
   * The processor tells of bus locks: by #DB where the host arms it, by an exit where the VM has
   * KVM_CAP_X86_BUS_LOCK_EXIT. Neither hangs on the other.
   * @see kernel arch/x86/kernel/cpu/intel.c, bus_lock_init(); arch/x86/kvm/vmx/vmx.c,
   * vmx_secondary_exec_control() (6.1)
   */
  readonly countsBusLocks: boolean;
  /** The run begins while the host resumes from suspend. */
  readonly resumes: boolean;
  /**
   * X86_FEATURE_SPLIT_LOCK_DETECT, and cpu_model_supports_sld: of the processor. No policy clears
   * it.
   * @see kernel arch/x86/kernel/cpu/intel.c, split_lock_setup(), __split_lock_setup() (6.1)
   */
  readonly hasFeature: boolean;
  /** The MSR as booted: sld_state is warn or fatal. */
  readonly bootSld: boolean;
  readonly warn: SldWarn;
  readonly flag: SldFlag;
  readonly smt: boolean;
  /** The period of the VMMs' timers; null if they have none. */
  readonly exitTimerMs: number | null;
  readonly options: HostOptions;
  /** Whether a VM, by name, has the bit in its IA32_CORE_CAPABILITIES. */
  readonly isExposed: (vm: string) => boolean;
}

/** The host is in warn mode, and work items turn detection on again. */
export const warnsByWork = ({ state, warn }: Pick<SldFacts, 'state' | 'warn'>): boolean => state === 'warn' && warn.startsWith('gen2');

/** The core of a pCPU: SMT siblings are neighbours. */
export const coreOf = (facts: Pick<SldFacts, 'smt'>, cpu: ActorId): ActorId => {
  const index = Number(cpu.slice('pcpu:'.length));
  return `core:${facts.smt ? Math.floor(index / 2) : index}`;
};

/** To the core that a thread or a vCPU runs on. */
export function toCore(
  facts: Pick<SldFacts, 'smt'>,
  runner: { readonly cpu: ActorId | null },
  event: { readonly type: string; readonly [field: string]: unknown },
): Outgoing {
  if (runner.cpu === null) throw new Error(`${event.type} from code that runs nowhere`);
  return outgoing(coreOf(facts, runner.cpu), event);
}

/** test_tsk_thread_flag(current, TIF_SLD), whatever its polarity. */
export const isOffFor = (facts: Pick<SldFacts, 'flag'>, thread: Pick<HostThread, 'tif'>): boolean => isDetectionOff(facts.flag, thread.tif);
