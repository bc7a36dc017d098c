/**
 * What a scenario is: as a user writes it, and resolved, as the simulator runs it and a journal
 * keeps it.
 */

import type { HostOptions, PreemptionModel, Ticks, VmSettings } from '../../events/options.ts';
import type { GuestOp, HostOp, Program } from '../../events/program.ts';
import type { U64 } from '../../events/u64.ts';
import type { GuestStep, HostStep } from './program.ts';

/** The kinds of hosts. @public */
export type Arch = 'amd' | 'intel' | 'arm64';
/** Kernels that options differ by. @public */
export type KernelVersion = '6.1' | '6.6' | '6.12' | '6.14';
/** What mechanisms know. @public */
export type Feature = string;
/** Offers that may happen besides preempt and migrate. @public */
export type AllowedOffer = string;
/** Whether the order of nominal times is kept. @public */
export type TimeModel = 'untimed' | 'ordered';
/** What a property claims: it holds always, at least once, or in the end. @public */
export type PropertyKind = 'always' | 'sometimes' | 'eventually';

/**
 * Sections of a scenario as written, by key; each mechanism declares the type of those that it
 * brings.
 * @public
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface ScenarioSections {}
/** The same, as a run has them. @public */
// biome-ignore lint/suspicious/noEmptyInterface: as above
export interface ResolvedSections {}

/**
 * What a variant is known to do: break nothing, or break these properties or get stuck in these
 * ways (`sim/scenario/expectations.ts`).
 * @public
 */
export type Expectation = 'clean' | { readonly violates: readonly string[] };

/** The value of a parameter. @public */
export type ParameterValue = number | boolean | string;

/**
 * A value that a user may change without editing the file (`--set NAME=VALUE`). Arguments of
 * operations name it as `$NAME`.
 * @public
 */
export type Parameter =
  | { readonly type: 'integer'; readonly min?: U64; readonly max?: U64; readonly default: U64 }
  | { readonly type: 'boolean'; readonly default: boolean }
  | { readonly type: 'string'; readonly enum?: readonly string[]; readonly default: string };

/** What no variant of a scenario takes, and why that is right. @public */
export interface Uncovered {
  /**
   * Names of micro-steps, branches and operations as reports have them; `*` stands for any text.
   */
  readonly steps: string;
  readonly why: string;
}

/** A VM as it is written. @public */
export interface VmSource {
  /** A type that a mechanism of the host knows. */
  readonly type: string;
  readonly options?: Readonly<Partial<VmSettings>> & { readonly [setting: string]: unknown };
  readonly vcpus: readonly (readonly GuestStep[])[];
}

/** A process as it is written. @public */
export interface ProcessSource {
  /** The pCPU that its threads are bound to; without it they migrate. */
  readonly cpu?: number;
  readonly threads: readonly (readonly HostStep[])[];
}

/** The keys of every scenario file. No section has one of these names. */
export const CORE_KEYS = [
  'name',
  'summary',
  'source',
  'claims',
  'params',
  'model',
  'host',
  'vms',
  'processes',
  'time',
  'allow',
  'variants',
  'properties',
  'bounds',
  'expect',
  'uncovered',
] as const;

/**
 * A scenario as written, in YAML or in TypeScript. `docs/scenarios.md` explains every key.
 * @public
 */
export interface Scenario extends Readonly<Partial<ScenarioSections>> {
  readonly name: string;
  readonly summary: string;
  readonly source?: string;
  readonly claims?: readonly string[];
  readonly params?: Readonly<Record<string, Parameter>>;
  /** A model other than the host's; then there are no VMs and processes. */
  readonly model?: string;
  readonly host: {
    readonly arch: Arch;
    readonly cpus?: number;
    readonly smt?: boolean;
    readonly preemption?: PreemptionModel;
    readonly kernel?: KernelVersion;
    readonly ticks?: Ticks;
    readonly haltPolling?: boolean;
    readonly rseq?: boolean;
    readonly tsc?: 'stable' | 'unstable';
    readonly features?: readonly Feature[];
    readonly options?: Partial<HostOptions>;
  };
  readonly vms?: Readonly<Record<string, VmSource>>;
  readonly processes?: Readonly<Record<string, ProcessSource>>;
  readonly time?: TimeModel;
  readonly allow?: readonly AllowedOffer[];
  /** The first is the default. */
  readonly variants?: Readonly<Record<string, Partial<HostOptions>>>;
  /** Ids, or `topic.*`. */
  readonly properties?: { readonly [K in PropertyKind]?: readonly string[] };
  readonly bounds?: { readonly steps?: number; readonly states?: number };
  readonly expect?: Readonly<Record<string, Expectation>>;
  /** What `verify --full-coverage` does not ask for. */
  readonly uncovered?: readonly Uncovered[];
}

/** A host as a run has it. @public */
export interface ResolvedHost {
  readonly arch: Arch;
  readonly cpus: number;
  readonly smt: boolean;
  readonly preemption: PreemptionModel;
  readonly kernel: KernelVersion;
  readonly ticks: Ticks;
  /** Absent: on, as the kernel has it. */
  readonly haltPolling?: false;
  /** Absent: no thread has registered an rseq area. */
  readonly rseq?: true;
  /** Absent: stable. */
  readonly tsc?: 'unstable';
  readonly features: readonly Feature[];
  /**
   * Every switch: the variant's choice over `host.options` over the kernel's preset over the
   * default.
   */
  readonly options: HostOptions;
}

/** A VM as a run has it. @public */
export interface ResolvedVm {
  /** The name in `vms`; the vCPUs are `vcpu:<id>/<index>`. */
  readonly id: string;
  readonly type: string;
  /** What mechanisms of the host know of it, with their defaults; absent if that is nothing. */
  readonly settings?: Readonly<Partial<VmSettings>>;
  readonly vcpus: readonly Program<GuestOp>[];
}

/** A thread of a process, as a run has it. @public */
export interface ResolvedThread {
  /**
   * `vcpu<k>` for a thread that begins with KVM_RUN of vCPU k, else its index; the actor is
   * `thread:<process>/<id>`.
   */
  readonly id: string;
  readonly program: Program<HostOp>;
}

/** A process of the host, as a run has it. @public */
export interface ResolvedProcess {
  readonly id: string;
  /** The pCPU that its threads never leave; absent if they migrate. */
  readonly cpu?: number;
  readonly threads: readonly ResolvedThread[];
}

/** What a scenario says of one of its variants. @public */
export interface VariantFacts {
  readonly options: Partial<HostOptions>;
  readonly expect: Expectation | null;
}

/**
 * A scenario with parameters, preset and variant applied: plain JSON, all that a run depends on but
 * its choices.
 * @public
 */
export interface ResolvedScenario {
  readonly name: string;
  readonly summary: string;
  readonly source: string;
  readonly claims: readonly string[];
  /** `default` if the scenario declares no variants. */
  readonly variant: string;
  readonly params: Readonly<Record<string, ParameterValue>>;
  /** Absent for the host's own model. */
  readonly model?: string;
  /** The mutant that stands in for a part of the model; absent in an ordinary run. */
  readonly mutant?: string;
  readonly host: ResolvedHost;
  readonly vms: readonly ResolvedVm[];
  readonly processes: readonly ResolvedProcess[];
  /** What mechanisms of the host make of their sections; absent if that is nothing. */
  readonly sections?: Readonly<Partial<ResolvedSections>>;
  readonly time: TimeModel;
  readonly allow: readonly AllowedOffer[];
  /** Ids: patterns are expanded. */
  readonly properties: { readonly [K in PropertyKind]: readonly string[] };
  readonly bounds: { readonly steps: number; readonly states: number };
  /**
   * All variants by name, so that a journal can tell what each is expected to do; absent if the
   * scenario declares none.
   */
  readonly variants?: Readonly<Record<string, VariantFacts>>;
  /** Of this variant; null if the scenario expects nothing of it. */
  readonly expect: Expectation | null;
}
