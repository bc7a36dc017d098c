/**
 * The simulated host that a recording is held against: one vCPU thread that calls KVM_RUN without
 * end, as the machines of the model have it.
 */
import type { ActorId, Letter } from '../../events/event.ts';
import type { HostOptions, PreemptionModel } from '../../events/options.ts';
import type { HostOp, Program } from '../../events/program.ts';
import { MemoEngine } from '../../sim/engine/memo.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { scenario } from '../../sim/scenario/build.ts';
import type { GuestStep } from '../../sim/scenario/program.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import type { Arch, Feature, KernelVersion, ResolvedScenario } from '../../sim/scenario/types.ts';
import type { Kind, Topology } from '../../sim/store.ts';

/** What the model has to know of the host that was recorded. */
export interface RecordedHost {
  readonly arch: Arch;
  readonly kernel: KernelVersion;
  readonly preemption: PreemptionModel;
  readonly features?: readonly Feature[];
  readonly options?: Partial<HostOptions>;
  readonly haltPolling?: boolean;
  readonly rseq?: boolean;
  readonly mutant?: string;
}

/** Where a thread stands: its own code, and its notifiers while the CPU is given away. */
export interface Place {
  readonly step: string;
  readonly letter: Letter;
  /** The step of the notifiers; null while none runs. */
  readonly notifier: string | null;
  readonly notifierLetter: Letter | null;
}

const THREAD: ActorId = 'thread:vmm/vcpu0';

/** KVM_RUN again and again. */
const FOREVER: Program<HostOp> = {
  ops: [{ op: 'KVM_RUN', vm: 'vm0', vcpu: 0, reenter: true }, { op: 'jump', to: 0 }, { op: 'end' }],
  loops: [],
};

/** A plain VM of the architecture. */
const VM_TYPES: Readonly<Record<Arch, string>> = { amd: 'svm', intel: 'vmx', arm64: 'arm64' };
/** A host has the exits that its guests can cause; when they do is played by the checker. */
const X86_GUEST: readonly GuestStep[] = [{ out: { port: 0 } }, { mmio: { gpa: 0 } }, { 'debug-exit': {} }, { hlt: {} }];
const GUESTS: Readonly<Record<Arch, readonly GuestStep[]>> = { amd: X86_GUEST, intel: X86_GUEST, arm64: [{ hlt: {} }] };

/** Without what is not said. */
const set = <T extends object>(fields: { readonly [K in keyof T]: T[K] | undefined }): Partial<T> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Partial<T>;

function scenarioOf({ arch, kernel, preemption, features, options, haltPolling, rseq, mutant }: RecordedHost): ResolvedScenario {
  const source = scenario({
    name: 'conform',
    summary: 'One vCPU thread, as a recording of a real kernel shows it',
    host: { arch, kernel, preemption, cpus: 1, ...set({ features, options, haltPolling, rseq }) },
    vms: { vm0: { type: VM_TYPES[arch], vcpus: [GUESTS[arch]] } },
    // Where a thread kicks the vCPU, KVM_RUN looks at immediate_exit.
    processes: { vmm: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0', reenter: true } }], [{ 'pause-vcpu': { vcpu: 'vm0/0' } }]] } },
  });
  const resolved = resolveScenario(source, { knownProperties: [], ...(mutant !== undefined && { mutant }) });
  const [vmm] = resolved.processes;
  const [vcpu0, ...others] = vmm!.threads;
  return { ...resolved, processes: [{ ...vmm!, threads: [{ ...vcpu0!, program: FOREVER }, ...others] }] };
}

interface StepMetaLike {
  readonly step?: string;
  readonly letter?: Letter;
}

/** The machines of the host, and the thread whose states are asked for. */
export class HostModel {
  readonly host: RecordedHost;
  readonly engine: MemoEngine;
  readonly topology: Topology;
  readonly thread: number;
  readonly cpu: ActorId = 'pcpu:0';
  /** Requests that others may make of the vCPU. */
  readonly requests: readonly string[] = ['KVM_REQ_TLB_FLUSH'];
  /** The thread's first local state. */
  readonly start: number;
  readonly #kind: Kind;
  readonly #places: Place[] = [];

  /** @throws ScenarioError, MechanismError, PathError if the host or its patches do not fit */
  constructor(host: RecordedHost) {
    this.host = host;
    this.topology = topologyOf(scenarioOf(host));
    this.engine = new MemoEngine(this.topology);
    this.thread = this.engine.store.slotOf.get(THREAD)!;
    this.#kind = this.engine.store.kindOfSlot[this.thread]!;
    this.start = this.engine.start()[this.thread]!;
  }

  isAsking(local: number): boolean {
    return this.#kind.asking[local] === 1;
  }

  placeOf(local: number): Place {
    this.#places[local] ??= this.#read(local);
    return this.#places[local];
  }

  /** Names of all micro-steps of the thread and its notifiers. */
  steps(): readonly string[] {
    const found = new Set<string>();
    const walk = (node: { readonly meta?: unknown; readonly states: Readonly<Record<string, unknown>> }): void => {
      const { step } = (node.meta ?? {}) as StepMetaLike;
      if (step !== undefined) found.add(step);
      for (const child of Object.values(node.states)) walk(child as typeof node);
    };
    walk(this.#kind.machine.root as never);
    return [...found];
  }

  #read(local: number): Place {
    const metas = Object.entries(this.#kind.locals.values[local]!.getMeta() as Record<string, StepMetaLike | undefined>);
    const own = metas.find(([node, meta]) => meta?.step !== undefined && !node.includes('.notify.'))?.[1];
    const notifier = metas.find(([node, meta]) => meta?.step !== undefined && node.includes('.notify.'))?.[1];
    return {
      step: own?.step ?? '',
      letter: own?.letter ?? 'P',
      notifier: notifier?.step ?? null,
      notifierLetter: notifier?.letter ?? null,
    };
  }
}
