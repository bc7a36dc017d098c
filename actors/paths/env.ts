/** What the paths of host threads share: the thread that walks them, their locals, and the fixed facts of the scenario. */
import { type ActorId, type Letter, type Outgoing, outgoing } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import type { ExitReason, GhcbRequest, VcpuMode } from '../../events/kvm.ts';
import type { HostOptions } from '../../events/options.ts';
import type { Signal } from '../../events/process.ts';
import type { ControlOp, HostOp, Program } from '../../events/program.ts';
import { type RmpRequest, type RmpResult, type RmpUpdate, regionOf } from '../../events/rmp.ts';
import type { ProgramLocals } from './control.ts';
import type { PathPatch, PathPatches } from './patch.ts';
import { type Item, type Path, pathsOf, type Source, type Walker } from './path.ts';

/** Facts about a VM that do not change during a run. */
export interface VmFacts {
  readonly id: ActorId;
  readonly asid: number;
  /** PFN by GFN. */
  readonly frames: Readonly<Record<number, number>>;
  readonly vcpus: readonly ActorId[];
  /** PFN of the VMSA of each vCPU; null where the scenario does not track it. */
  readonly vmsas: readonly (number | null)[];
}

export type HostPath = Path<HostThread, HostLocals, ThreadEvent>;
export type HostItem = Item<HostThread, HostLocals, ThreadEvent>;

/** What a mechanism adds to the code of host threads. */
export interface HostParts {
  /** Operations of programs by name: what carries each out. */
  readonly operations?: (env: HostEnv) => readonly (readonly [string, HostItem])[];
  /** The KVM_RUN of the host's architecture, in the place of SVM's. */
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
  /** Settings of VMs that mechanisms declare, by the name of the VM. */
  readonly settings: Readonly<Record<string, Readonly<Record<string, number | boolean | string>>>>;
  /** By name, as programs name them. */
  readonly vms: Readonly<Record<string, VmFacts>>;
  readonly programs: readonly Program<HostOp>[];
}

/** Locals of host paths; each path lists those of its own. */
export interface HostLocals extends ProgramLocals {
  readonly pfn?: number | undefined;
  readonly gfn?: number | undefined;
  readonly vm?: string | undefined;
  readonly update?: RmpUpdate | undefined;
  readonly result?: RmpResult | undefined;
  /** The auto-share handler has failed and tries again. */
  readonly retrying?: boolean | undefined;
  readonly fault?: boolean | undefined;
  /** Whether the fault came from the kernel's own store. */
  readonly kernel?: boolean | undefined;
  readonly verdict?: 'retry' | 'skip' | 'signal' | undefined;
  readonly assigned?: boolean | undefined;
  readonly asid?: number | undefined;
  readonly vmsa?: boolean | undefined;
  readonly stores?: number | undefined;
  readonly granted?: boolean | undefined;
  readonly failed?: boolean | undefined;
  readonly pending?: boolean | undefined;
  readonly dead?: boolean | undefined;
  readonly blocked?: boolean | undefined;
  readonly sleep?: boolean | undefined;
  /** The VM that owns the page a fault is about, by name. */
  readonly owner?: string | undefined;
  readonly vcpu?: number | undefined;
  readonly kickCpu?: ActorId | null | undefined;
  readonly mode?: VcpuMode | undefined;
  readonly vmsaCheck?: 'ok' | 'invalid' | 'locked' | undefined;
  readonly exit?: ExitReason | undefined;
  readonly exitPrivate?: boolean | undefined;
  readonly ghcb?: GhcbRequest | undefined;
  readonly atomic?: boolean | undefined;
  readonly done?: boolean | undefined;
  /** Whether SNP firmware is initialized, so that pages it writes must be in the Firmware state. */
  readonly initialized?: boolean | undefined;
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
}

/** signal_pending(). Only fatal signals exist. */
export const signalPending = ({ signal }: HostThread): boolean => signal !== null;

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

/** To the region that holds the entry of the PFN in question. */
export const toRmp = (event: RmpRequest): Outgoing => outgoing(regionOf(event.pfn), event);

/** The operation the thread stands at. */
export const opOf = (env: HostEnv, thread: HostThread): HostOp | ControlOp => env.programs[thread.program]!.ops[thread.pc]!;

/** The frame behind a guest page, or an error that names both. */
export function frameOf(env: HostEnv, vm: string, gfn: number): number {
  const pfn = env.vms[vm]?.frames[gfn];
  if (pfn === undefined) throw new Error(`${vm} has no page at GFN 0x${gfn.toString(16)}`);
  return pfn;
}

/** The VM whose guest pages carry this ASID. */
export const vmOfAsid = (env: HostEnv, asid: number): string | undefined =>
  Object.keys(env.vms).find((name) => env.vms[name]!.asid === asid);

/** Where the micro-steps of domain snp b.5 come from: hardware does not document them. */
export const MICRO_STEPS: Source = { source: 'domain snp b.5; APM vol. 3 for the instruction', grade: 'decision' };
export const kernelSource = (source: string): Source => ({ source, grade: 'read' });
