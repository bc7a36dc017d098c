/** What the paths of host threads share: the thread that walks them, their locals, and the fixed facts of the scenario. */
import { type ActorId, type Letter, type Outgoing, outgoing } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import type { ExitReason, VcpuMode } from '../../events/kvm.ts';
import type { HostOptions, VmSettings } from '../../events/options.ts';
import type { Signal } from '../../events/process.ts';
import type { ControlOp, HostOp, Program } from '../../events/program.ts';
import type { PathPatch, PathPatches } from '../path/patch.ts';
import { type Item, type Path, pathsOf, type Source, type Walker } from '../path/path.ts';
import type { ProgramLocals } from './program-counter.ts';

/** Facts about a VM that do not change during a run. A mechanism that adds some declares them here. */
export interface VmFacts {
  readonly id: ActorId;
  readonly vcpus: readonly ActorId[];
}

export type HostPath = Path<HostThread, HostLocals, ThreadEvent>;
export type HostItem = Item<HostThread, HostLocals, ThreadEvent>;

/** What a mechanism adds to the code of host threads. */
export interface HostParts {
  /** Operations of programs by name: what carries each out. */
  readonly operations?: (env: HostEnv) => readonly (readonly [string, HostItem])[];
  /** The KVM_RUN of the host's architecture. */
  readonly kvmRun?: (env: HostEnv) => HostPath;
  /** The preempt notifiers of a thread that runs a vCPU: S2 and S5. */
  readonly schedOut?: (env: HostEnv) => HostPath;
  readonly schedIn?: (env: HostEnv) => HostPath;
}

/** Everything that host paths know without asking anybody. */
export interface HostEnv {
  readonly options: HostOptions;
  /** Of all mechanisms that take part; where two say the same, the first decides. */
  readonly parts: readonly HostParts[];
  readonly patches: PathPatches;
  /** Settings of VMs that mechanisms bring, by the name of the VM. */
  readonly settings: Readonly<Record<string, Readonly<Partial<VmSettings>>>>;
  /** By name, as programs name them. */
  readonly vms: Readonly<Record<string, VmFacts>>;
  readonly programs: readonly Program<HostOp>[];
}

/** Locals of host paths; each path lists those of its own. A mechanism declares those that it adds. */
export interface HostLocals extends ProgramLocals {
  readonly granted?: boolean | undefined;
  readonly failed?: boolean | undefined;
  readonly pending?: boolean | undefined;
  readonly dead?: boolean | undefined;
  readonly blocked?: boolean | undefined;
  readonly sleep?: boolean | undefined;
  /** TASK_INTERRUPTIBLE: a signal wakes it. kvm_vcpu_block() has `sleep`. */
  readonly interruptible?: true | undefined;
  /** The VM that somebody else's thread has to do with, by name, and one of its vCPUs. */
  readonly owner?: string | undefined;
  readonly vcpu?: number | undefined;
  readonly kickCpu?: ActorId | null | undefined;
  readonly mode?: VcpuMode | undefined;
  readonly exit?: ExitReason | undefined;
  readonly atomic?: boolean | undefined;
  readonly done?: boolean | undefined;
}

/** A host thread: thread_info, its place in its program, and the locals of its two frames (its code; its notifiers). */
export interface HostThread extends Walker<HostLocals> {
  /** task_cpu(): null while it does not run. */
  readonly cpu: ActorId | null;
  /** The context to come back to, saved by switch_to(). */
  readonly letter: Letter | null;
  /** Whether KVM's preempt notifier is registered, and for which vCPU. */
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
  /** A signal that it takes back from the kernel by itself, such as that of a timer. */
  readonly sigpending?: true | undefined;
}

/** fatal_signal_pending(). */
export const fatalSignalPending = ({ signal }: Pick<HostThread, 'signal'>): boolean => signal !== null;
/** signal_pending(): also one that user space waits for, and has blocked but in KVM_RUN. @see KVM_SET_SIGNAL_MASK */
export const signalPending = (t: HostThread): boolean => fatalSignalPending(t) || (t.sigpending === true && t.notifier !== null);

/** Constructors of host paths. */
export const host = pathsOf<HostThread, HostLocals, ThreadEvent>();

/** A patch of a path that host threads walk, with its types. */
export const hostPatch = (change: (path: HostPath) => HostPath): PathPatch => change as unknown as PathPatch;

/** To the CPU this thread runs on. */
export function toCpu(
  thread: { readonly cpu: ActorId | null },
  event: { readonly type: string; readonly [field: string]: unknown },
): Outgoing {
  if (thread.cpu === null) throw new Error(`${event.type} from a thread that runs nowhere`);
  return outgoing(thread.cpu, event);
}

/** The operation the thread stands at. */
export const opOf = (env: HostEnv, thread: HostThread): HostOp | ControlOp => env.programs[thread.program]!.ops[thread.pc]!;

/** The vCPU that the thread's ioctl is for: KVM_RUN, or one of a mechanism. */
export function vcpuOf(env: HostEnv, thread: HostThread) {
  const op = opOf(env, thread);
  if (!('vcpu' in op)) throw new Error(`${op.op} names no vCPU`);
  return { vm: op.vm, id: env.vms[op.vm]!.vcpus[op.vcpu]! };
}

export const kernelSource = (source: string): Source => ({ source, grade: 'read' });
