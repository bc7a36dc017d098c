/**
 * What a mechanism brings: switches, operations of programs, actors, paths, properties. Those that
 * are shipped stand in `mechanisms/index.ts`; a user's own come from a file (`--models`). Both are
 * the same to everything else.
 */
import type { AnyStateMachine } from 'xstate';
import type { Completion } from '../../actors/host/completion.ts';
import type { HostParts, HostThread } from '../../actors/host/host-env.ts';
import type { Primitive } from '../../actors/kit/primitive.ts';
import type { GuestParts } from '../../actors/kvm/guest-program.ts';
import type { KvmParts } from '../../actors/kvm/slots.ts';
import type { PathPatches } from '../../actors/path/patch.ts';
import type { ActorId, Delivery } from '../../events/event.ts';
import type { GuestOp, HostOp } from '../../events/program.ts';
import type { ModelModule } from '../models.ts';
import type { Property } from '../property.ts';
import type { Path, PathIssue } from '../scenario/issues.ts';
import type { KnownNames, LoweredVm, Structure } from '../scenario/lowered.ts';
import type { Operation } from '../scenario/operation.ts';
import type { Section, VmSetting } from '../scenario/section.ts';
import type { Arch, KernelVersion, ResolvedScenario, ResolvedVm, Scenario } from '../scenario/types.ts';
import type { ActorSpec } from '../store.ts';
import type { ActorView, WorldView } from '../view.ts';

/** A change of the model: other paths, other machines. Machines are changed by kind. @public */
export interface Patch {
  readonly paths?: PathPatches;
  readonly machines?: Readonly<Record<string, (machine: AnyStateMachine, scenario: ResolvedScenario) => AnyStateMachine>>;
}

/** A change of one line that a test of the mechanism must notice. @public */
export interface Mutant extends Patch {
  readonly summary: string;
}

/**
 * What a mechanism knows of a VM: facts that paths of host threads and of its guest have without
 * asking.
 * @public
 */
export interface VmParts {
  readonly facts?: Readonly<Record<string, unknown>>;
  /** The VM is not there when the run begins. */
  readonly absent?: true;
}

/**
 * Something that may befall a host, counted in one state. Machines of another model may lack the
 * field: they count for nothing.
 * @public
 */
export interface Outcome {
  /** As documents have it: camelCase. */
  readonly name: string;
  /** The heading of its column. */
  readonly title: string;
  readonly count: (world: WorldView) => number;
  /**
   * Whether what brings it about takes part in the scenario, which has actors of these kinds. Where
   * it takes part in no variant, `compare` has no such column, unless it happened all the same.
   * Without the function it takes part in every scenario.
   */
  readonly concerns?: (scenario: ResolvedScenario, kinds: ReadonlySet<string>) => boolean;
}

/**
 * VMs whose creation the operations of a mechanism carry out: the options that make a VM one of
 * them, as a message shows them, and whether this one is.
 * @public
 */
export interface Creates {
  readonly options: readonly string[];
  readonly has: (vm: LoweredVm) => boolean;
}

/** Whether a host thread waits, by its local state, on a host with these options. @public */
export type Waits = (thread: Pick<ActorView<HostThread>, 'value' | 'context'>, options: ResolvedScenario['host']['options']) => boolean;

/**
 * What a module of a user exports. Each key brings something; docs/extend.md has all of them.
 * @public
 */
export interface Mechanism {
  /** Kebab-case. */
  readonly name: string;
  /** The hosts that have it; on any other host its names are unknown. */
  readonly arches: readonly Arch[];
  /**
   * Host options: their values, the default first. With the defaults the mechanism does what the
   * host does without a say.
   */
  readonly options?: Readonly<Record<string, readonly [string, ...string[]]>>;
  /** Options that differ by kernel version. */
  readonly presets?: Readonly<Partial<Record<KernelVersion, Readonly<Record<string, string>>>>>;
  /**
   * Names for `host.features`, `allow` (to take such an offer is a disturbance) and the `type` of a
   * VM.
   */
  readonly features?: readonly string[];
  readonly allow?: readonly string[];
  readonly vmTypes?: readonly string[];
  /**
   * Keys of a scenario file, and keys in `options` of its VMs. Two mechanisms of one architecture
   * bring none of the same name.
   */
  readonly sections?: Readonly<Record<string, Section>>;
  readonly vmSettings?: Readonly<Record<string, VmSetting>>;
  readonly guestOperations?: Readonly<Record<string, Operation>>;
  readonly hostOperations?: Readonly<Record<string, Operation>>;
  readonly properties?: readonly Property[];
  /** Columns of `compare`. */
  readonly outcomes?: readonly Outcome[];
  /**
   * Host threads that wait for another thread, besides those that a lock refused: `compare` tells
   * the longest wait.
   */
  readonly waits?: readonly Waits[];
  /** How its event types travel, and those that no reader of a run wants to be told of. */
  readonly catalogue?: Readonly<Record<string, Delivery>>;
  readonly quiet?: readonly string[];
  /**
   * What the schema of a scenario cannot see: in the scenario as written; then, once parameters
   * have values, in whether its parts fit each other, and in one operation of a program. A scenario
   * that comes out of a journal passes the last two.
   */
  readonly checks?: (scenario: Scenario) => readonly PathIssue[];
  readonly structureChecks?: (structure: Structure) => readonly PathIssue[];
  readonly operationChecks?: (op: GuestOp | HostOp, path: Path, known: KnownNames) => readonly PathIssue[];
  /** What it adds to the code of host threads and of guests, and to KVM. */
  readonly host?: (scenario: ResolvedScenario) => HostParts;
  readonly guest?: (scenario: ResolvedScenario) => GuestParts;
  readonly kvm?: (scenario: ResolvedScenario) => KvmParts;
  /** The actor of a pCPU's core, if cores have state that the context switch touches. */
  readonly core?: (scenario: ResolvedScenario, cpu: number) => ActorId;
  /** Flags of thread_info that every task has from the start, the idle task too; sorted. */
  readonly taskFlags?: (scenario: ResolvedScenario) => readonly string[];
  /** Kernel threads among its actors: each sleeps at the start, on the CPU that it belongs to. */
  readonly kernelThreads?: (scenario: ResolvedScenario) => Readonly<Record<ActorId, ActorId>>;
  /**
   * Kinds of actors of which each CPU has one of its own, in the order of the CPUs; `core` where no
   * two CPUs share one.
   */
  readonly perCpu?: readonly string[];
  /**
   * Fields of its contexts and messages whose lists are sets, as `kind.field` and `type.field`;
   * every other list is a sequence.
   */
  readonly sets?: readonly string[];
  /**
   * Primitives of the kernel that it uses: their actors come along. Several mechanisms may use one.
   */
  readonly uses?: readonly Primitive[] | ((scenario: ResolvedScenario) => readonly Primitive[]);
  /** Its actors, in slot order, and the machine of each kind that it adds. */
  readonly actors?: (scenario: ResolvedScenario) => readonly ActorSpec[];
  readonly machines?: (scenario: ResolvedScenario) => Readonly<Record<string, AnyStateMachine>>;
  /** Devices whose completion interrupts a CPU. */
  readonly completions?: readonly Completion[];
  /** VMs that are not there from the start. */
  readonly creates?: Creates;
  /** What it adds to a VM, and to the context of a vCPU. */
  readonly vm?: (scenario: ResolvedScenario, vm: ResolvedVm) => VmParts;
  readonly vcpu?: (scenario: ResolvedScenario, vm: ResolvedVm, vcpu: number) => Readonly<Record<string, unknown>>;
  /** What it changes in paths and machines that it did not bring, by the scenario's options. */
  readonly patch?: (scenario: ResolvedScenario) => Patch;
  /** By name, kebab-case. */
  readonly mutants?: Readonly<Record<string, Mutant>>;
  /** Variants that it adds to scenarios, by the name of the scenario; they stand last. */
  readonly variants?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, string>>>>>>;
  /** Models besides the host's. */
  readonly models?: readonly ModelModule[];
}

/**
 * A mechanism of the user's own does not fit: its shape, a name, or what a function of it gives.
 * @public
 */
export class MechanismError extends Error {
  override readonly name = 'MechanismError';
}
