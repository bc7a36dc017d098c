/** What a timeline consists of: lanes, and what happens on them in the order of virtual time. */
import type { ActorId } from '../events/event.ts';

/** Values that every format can show. Addresses are text, in hex. @public */
export type Args = Readonly<Record<string, string | number | boolean>>;

/** What the lanes of a group belong to. @public */
export type GroupKind = 'run' | 'cpus' | 'process' | 'vm' | 'hardware' | 'locks' | 'other';

/** Lanes that stand together. A `process` is one of the simulated host. @public */
export interface Group {
  /**
   * Unique among groups and lanes, except that a process shares the number of its first thread, as
   * a pid does.
   */
  readonly id: number;
  readonly kind: GroupKind;
  readonly name: string;
}

/** Kinds of lanes that mechanisms add, by the name of the mechanism. @public */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface LaneKindsOf {}

/**
 * `steps`: one span for each decision of the run. `cpu`: the current task, and what it does.
 * `thread`: the call stack of a thread. `task-state`: running, runnable, asleep. `guest`: time in
 * guest mode. `counter`: a number. `actor`: what does not fit elsewhere.
 * @public
 */
export type LaneKind = 'steps' | 'cpu' | 'thread' | 'task-state' | 'guest' | 'counter' | 'actor' | LaneKindsOf[keyof LaneKindsOf];

/** A line of a timeline. @public */
export interface Lane {
  readonly id: number;
  readonly kind: LaneKind;
  readonly name: string;
  readonly group: Group;
  /** The actor of the lane; null where it belongs to none. */
  readonly actor: ActorId | null;
}

/** Categories that mechanisms add, by the name of the mechanism. @public */
// biome-ignore lint/suspicious/noEmptyInterface: as above
export interface CategoriesOf {}

/** What a span or an instant is about. @public */
export type Category =
  | 'step'
  | 'cpu'
  | 'function'
  | 'micro-step'
  | 'guest'
  | 'message'
  | 'offer'
  | 'state'
  | 'verdict'
  | CategoriesOf[keyof CategoriesOf];

/** One end of an arrow. `id` is the seq of the `send` record. @public */
export interface FlowEnd {
  readonly id: number;
  readonly end: 'out' | 'in';
}

/**
 * As the kernel's sched_switch prints it: `R+` preempted, `R` woken before it slept, `S` asleep,
 * `X` dead.
 * @public
 */
export type SwitchState = 'R' | 'R+' | 'S' | 'X';

/**
 * Spans nest: an `end` closes the last `begin` of its lane. `at` never decreases, in ns of virtual
 * time.
 * @public
 */
export type TimelineEvent =
  | { readonly kind: 'lane'; readonly lane: Lane }
  | {
      readonly kind: 'begin';
      readonly lane: Lane;
      readonly at: number;
      readonly name: string;
      readonly category: Category;
      readonly args: Args | null;
    }
  | { readonly kind: 'end'; readonly lane: Lane; readonly at: number; readonly args: Args | null }
  | {
      readonly kind: 'instant';
      readonly lane: Lane;
      readonly at: number;
      readonly name: string;
      readonly category: Category;
      readonly args: Args | null;
      readonly flow: FlowEnd | null;
    }
  | { readonly kind: 'counter'; readonly lane: Lane; readonly at: number; readonly value: number }
  /** A CPU changes its task; null is the idle task. */
  | {
      readonly kind: 'switch';
      readonly cpu: number;
      readonly at: number;
      readonly from: Lane | null;
      readonly fromState: SwitchState;
      readonly to: Lane | null;
    }
  /** A thread that slept, or starts, is queued on a CPU. */
  | { readonly kind: 'wake'; readonly cpu: number; readonly at: number; readonly thread: Lane };
