/**
 * What the paths of host threads share: the thread that walks them, their locals, and the fixed
 * facts of the scenario.
 */
import { type ActorId, type Letter, type Outgoing, outgoing } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import type { HostOptions, VmSettings } from '../../events/options.ts';
import type { Signal } from '../../events/process.ts';
import type { ControlOp, HostOp, Program } from '../../events/program.ts';
import type { TaskState } from '../../events/sched.ts';
import type { PathPatch, PathPatches } from '../path/patch.ts';
import { type Item, type Path, pathsOf, type Source, type Walker } from '../path/path.ts';
import type { ProgramLocals } from './program-counter.ts';
import type { ordered } from './store-buffer.ts';

/** A path that host threads walk. @public */
export type HostPath = Path<HostThread, HostLocals, ThreadEvent>;
/** What stands in a path of host threads. @public */
export type HostItem = Item<HostThread, HostLocals, ThreadEvent>;

/**
 * The preempt notifier of a thread: what runs when the thread is scheduled out (S2) and in (S5).
 * @public
 */
export interface Notifiers {
  readonly out: HostPath;
  readonly into: HostPath;
}

/** What a mechanism adds to the code of host threads. @public */
export interface HostParts {
  /** Operations of programs by name: what carries each out. */
  readonly operations?: (env: HostEnv) => readonly (readonly [string, HostItem])[];
  /**
   * Handlers of exceptions by vector, `#AC`, or by vector and what the error code or DR6 says,
   * `#PF.RMP`.
   */
  readonly faults?: Readonly<Record<string, (env: HostEnv) => readonly HostItem[]>>;
}

/** Everything that host paths know without asking another actor. @public */
export interface HostEnv {
  readonly options: HostOptions;
  /** Of all mechanisms that take part; no two name the same operation or the same fault. */
  readonly parts: readonly HostParts[];
  /** What registers a preempt notifier gives its two paths. */
  readonly notifiers: (env: HostEnv) => Notifiers;
  readonly patches: PathPatches;
  /** Settings of VMs that mechanisms bring, by the name of the VM. */
  readonly settings: Readonly<Record<string, Readonly<Partial<VmSettings>>>>;
  /** The CPUs of the host. */
  readonly cpus: readonly ActorId[];
  readonly programs: readonly Program<HostOp>[];
  /** Under `memory: tso`: what the store buffer of a CPU makes of the messages of a step. */
  readonly order?: typeof ordered;
  /** Parts of the primitives that take part. */
  readonly uses?: ReadonlySet<object>;
  /** Whether a halted vCPU is polled for before its thread sleeps. */
  readonly haltPolling: boolean;
  /** Whether threads have registered an rseq area, so that a switch leaves them work to do. */
  readonly rseq: boolean;
  /** Whether the TSCs of the host's CPUs agree. */
  readonly tsc: 'stable' | 'unstable';
}

/**
 * Locals of host paths; each path lists those of its own. A mechanism declares those that it adds.
 * @public
 */
export interface HostLocals extends ProgramLocals {
  readonly granted?: boolean | undefined;
  readonly failed?: boolean | undefined;
  readonly sleep?: boolean | undefined;
  /** TASK_INTERRUPTIBLE: a signal wakes it. kvm_vcpu_block() has `sleep`. */
  readonly interruptible?: true | undefined;
  readonly done?: boolean | undefined;
  /** Steps that a `compute` with a number has still to do. */
  readonly left?: number | undefined;
  /** KVM_MP_STATE_HALTED, as the thread knows it of its vCPU. */
  readonly halted?: boolean | undefined;
}

/**
 * A host thread: thread_info, its place in its program, and the locals of its two frames (its code;
 * its notifiers).
 * @public
 */
export interface HostThread extends Walker<HostLocals> {
  /** task_cpu(): null while it does not run. */
  readonly cpu: ActorId | null;
  /** The context to come back to, saved by switch_to(). */
  readonly letter: Letter | null;
  /** What the thread's preempt notifier is registered for: a vCPU; null without one. */
  readonly notifier: ActorId | null;
  readonly process: ActorId;
  /** Number of its program; threads with equal programs share it. */
  readonly program: number;
  readonly pc: number;
  /** Who counts the turns of its loops, if its program has any. */
  readonly loops: ActorId | null;
  /** Flags of thread_info that __switch_to_xtra() compares, sorted; absent if none is set. */
  readonly tif?: readonly string[] | undefined;
  /** A signal it will die of on its way to user mode, and the PFN behind it. */
  readonly signal: { readonly signal: Signal; readonly pfn: number | null } | null;
  /** TIF_NOTIFY_RESUME: its rseq area says where it ran, and it may run elsewhere now. */
  readonly notifyResume?: true | undefined;
  /** A signal that it takes back from the kernel by itself, such as that of a timer. */
  readonly sigpending?: true | undefined;
  /** task->__state, of threads that wait as task-state.ts has it; absent: TASK_RUNNING. */
  readonly state?: TaskState | undefined;
  /** Not on_rq: schedule() has taken it off, and nothing has woken it. */
  readonly offRq?: true | undefined;
}

/** fatal_signal_pending(). @public */
export const fatalSignalPending = ({ signal }: Pick<HostThread, 'signal'>): boolean => signal !== null;
/**
 * signal_pending(): also one that user space waits for, and has blocked but in KVM_RUN.
 * @see KVM_SET_SIGNAL_MASK
 * @public
 */
export const signalPending = (t: HostThread): boolean => fatalSignalPending(t) || (t.sigpending === true && t.notifier !== null);

/** Constructors of host paths. @public */
export const host = pathsOf<HostThread, HostLocals, ThreadEvent>();

/** What all code of a host is expanded with. @public */
export type HostCode = Partial<Pick<HostEnv, 'patches' | 'order' | 'uses'>>;
/** Changes of its paths, store buffers of its CPUs, the primitives that take part. */
export const expandedWith = ({ patches = {}, order, uses }: HostCode) => ({
  patches,
  ...(uses && { uses }),
  ...(order && { order }),
});

/** A patch of a path that host threads walk, with its types. @public */
export const hostPatch = (change: (path: HostPath, env: HostEnv) => HostPath): PathPatch => change as unknown as PathPatch;

/** To the CPU this thread runs on. @public */
export function toCpu(
  thread: { readonly cpu: ActorId | null },
  event: { readonly type: string; readonly [field: string]: unknown },
): Outgoing {
  if (thread.cpu === null) throw new Error(`${event.type} from a thread that runs nowhere`);
  return outgoing(thread.cpu, event);
}

/** The operation the thread stands at. */
export const opOf = (env: HostEnv, thread: HostThread): HostOp | ControlOp => env.programs[thread.program]!.ops[thread.pc]!;

/** What handles the fault on this host. @throws Error if nothing does @public */
export function faultItems(env: HostEnv, fault: string): readonly HostItem[] {
  const handler = env.parts.find(({ faults }) => faults !== undefined && Object.hasOwn(faults, fault))?.faults?.[fault];
  if (handler === undefined) throw new Error(`nothing on this host handles ${fault}`);
  return handler(env);
}

/** A place in the kernel, read by the author of the path. @public */
export const kernelSource = (source: string): Source => ({ source, grade: 'read' });
/** The same, as the author remembers it. */
export const fromMemory = (source: string): Source => ({ source, grade: 'memory' });
