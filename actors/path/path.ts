/**
 * Paths: kernel functions and instructions written once, as ordered, named micro-steps that
 * machines walk.
 *
 * A state is named after the step that runs next, as an instruction pointer is. Preempt count,
 * interrupt flag and mode are not annotated: they flow from the steps that change them, so that a
 * path inherits the context of its caller.
 */
import type { Letter, Outgoing } from '../../events/event.ts';
import { shownValue } from './fits.ts';

/** How well a step is known. @see docs/sources.md @public */
export type Grade = 'recorded' | 'read' | 'manual' | 'memory' | 'decision' | 'inferred';
/** Best known first. */
export const GRADES = ['recorded', 'read', 'manual', 'memory', 'decision', 'inferred'] as const satisfies readonly Grade[];
/** What the CPU executes: user code, the kernel, or a guest. @public */
export type Mode = 'user' | 'kernel' | 'guest';

/**
 * The actor that walks a path keeps the locals of each of its frames. `asking` is the frame that
 * waits for a bus answer.
 * @public
 */
export interface Walker<L> {
  readonly frames: Readonly<Record<string, L>>;
  readonly asking: string | null;
}

type AnyEvent = { readonly type: string };
type Answers<T, L, E extends AnyEvent> = {
  readonly [K in E['type']]?: (event: Extract<E, { readonly type: K }>, walker: T, locals: L) => Partial<L>;
};

/** What one micro-step does; all of it at once, seen from any other CPU. @public */
export interface StepSpec<T, L, E extends AnyEvent> {
  /**
   * Changes of the walker itself, of this frame's locals, messages. All three see the state before
   * the step.
   */
  readonly set?: (walker: T, locals: L) => Partial<T>;
  readonly local?: (walker: T, locals: L) => Partial<L>;
  readonly send?: (walker: T, locals: L) => Outgoing | readonly Outgoing[];
  /** A bus read: `send` asks, one of these ends the step and yields locals. */
  readonly answers?: Answers<T, L, E>;
  /** Messages that end the step unasked: an interrupt that ends guest mode. */
  readonly wakes?: Answers<T, L, E>;
  /**
   * The walker cannot run the step: only one of its `wakes` ends it. An attempt to run it is a
   * modelling error.
   */
  readonly awaits?: true;
  /** A full barrier: the stores of the CPU so far have reached memory. */
  readonly fences?: true;
  readonly preempt?: 1 | -1;
  /** A spinlock is taken or dropped: preemption goes with it, except on an `rt` host. */
  readonly spin?: 1 | -1;
  /**
   * rcu_read_lock() or its end: the thread may be preempted inside, where the host preempts the
   * kernel, but neither sleep nor offer to reschedule.
   */
  readonly rcu?: 1 | -1;
  /** local_bh_disable() or its end: no softirq gets in. Preemption has a count of its own. */
  readonly bh?: 1 | -1;
  readonly irqs?: boolean;
  /** true: from here on inside one instruction; false: it has retired. */
  readonly insn?: boolean;
  /** This step runs inside an instruction of the guest. */
  readonly inside?: true;
  readonly mode?: Mode;
  /** A point where `voluntary` and `none` hosts reschedule too. */
  readonly mayResched?: true;
  /** Checked at expansion: never reached with preemption or interrupts off. */
  readonly sleeps?: true;
  /** May run without changing anything: it waits by asking again. */
  readonly idles?: true;
  /** The thread may stay here forever: a halted vCPU is at rest. */
  readonly rests?: true;
  /** Waits for others: an in-order run lets them go first. */
  readonly yields?: true;
  /**
   * With `idles`: the step changes nothing and still counts as progress, as in a program that
   * computes forever.
   */
  readonly computes?: true;
  /**
   * How many ways go on from here. The step itself takes the first; each other one is an offer that
   * sets the local `option` and leaves the walker where it stands.
   */
  readonly chooses?: (walker: T) => number;
  /** Locals that the step leaves: what builds paths out of primitives lists them. */
  readonly leaves?: readonly string[];
  /** Nominal cost in ns; 100 unless given. */
  readonly ns?: number;
  /** Where this step comes from and how well it is known, where that differs from its path. */
  readonly source?: string;
  readonly grade?: Grade;
}

/** One micro-step, with its name. @public */
export interface Step<T, L, E extends AnyEvent> extends StepSpec<T, L, E> {
  readonly kind: 'step';
  readonly name: string;
}
/** Walks another path; `bind` sets locals first. @public */
export interface Call<T, L, E extends AnyEvent> {
  readonly kind: 'call';
  readonly path: Path<T, L, E>;
  readonly bind?: (walker: T, locals: L) => Partial<L>;
}
/** Walks its body again and again, until `leaveLoop`. @public */
export interface Loop<T, L, E extends AnyEvent> {
  readonly kind: 'loop';
  readonly body: readonly Item<T, L, E>[];
}
/** One case of a branch: its test, and what is walked if it holds. @public */
export type Case<T, L, E extends AnyEvent> = readonly [(walker: T, locals: L) => boolean, readonly Item<T, L, E>[]];
/**
 * A branch that costs nothing. It is decided at the end of the step before it, with what that step
 * left behind. The first case that holds is taken, else none.
 * @public
 */
export interface When<T, L, E extends AnyEvent> {
  readonly kind: 'when';
  readonly cases: readonly Case<T, L, E>[];
}
/** The test of a last case that always holds: nothing falls through it. @public */
export const otherwise = (): boolean => true;
/** Bookkeeping that costs nothing: locals set at the end of the step before it. @public */
export interface Note<T, L> {
  readonly kind: 'note';
  readonly local: (walker: T, locals: L) => Partial<L>;
  /** As those of a step. */
  readonly leaves?: readonly string[];
}
/** Leaves the innermost loop, or returns from the path. @public */
export interface Jump {
  readonly kind: 'leaveLoop' | 'return';
}
/** The walker ends here: nothing is left to do. @public */
export interface Stop<T> {
  readonly kind: 'stop';
  readonly name: string;
  /** What it says each time that it is given a step all the same. Without it, that is an error. */
  readonly again?: (walker: T) => Outgoing;
}
/** What stands in a path. @public */
export type Item<T, L, E extends AnyEvent> = Step<T, L, E> | Call<T, L, E> | Loop<T, L, E> | When<T, L, E> | Note<T, L> | Jump | Stop<T>;

/** Where a path comes from; stands in the meta of every state it expands to. @public */
export interface Source {
  readonly source: string;
  readonly grade: Grade;
}

/** A path cannot be expanded: what it says has no meaning, or breaks a rule of contexts. */
export class PathError extends Error {
  override readonly name = 'PathError';
}

/**
 * A path breaks a rule of contexts: a kernel that is built as it says would report it. `rule` is
 * what it breaks, in a few words.
 */
export class ContextError extends PathError {
  readonly rule: string;
  readonly step: string;
  /** What to look for, where that is known. */
  readonly hint: string | null;
  constructor(rule: string, step: string, message: string, hint: string | null = null) {
    super(hint === null ? message : `${message}: ${hint}`);
    this.rule = rule;
    this.step = step;
    this.hint = hint;
  }
}

/**
 * A kernel function or an instruction: its name, where it comes from, and what is walked.
 * @public
 */
export interface Path<T, L, E extends AnyEvent> extends Source {
  readonly name: string;
  readonly items: readonly Item<T, L, E>[];
  /** Locals that die when the path returns. Forgetting one multiplies local states. */
  readonly locals: readonly (keyof L & string)[];
  /** Locals that outlive it: what builds paths out of primitives lists them in its caller. */
  readonly leaves?: readonly string[];
  /** Like lockdep_assert_preemption_disabled(): checked at expansion. */
  readonly requires?: 'N';
}

/** What else a path says: locals that die with it, and a context that it asks for. @public */
export interface PathRest<L> {
  readonly locals?: readonly (keyof L & string)[];
  readonly requires?: 'N';
}

/** Said where the author writes it: what is made of it has another place. */
function refuseOddCase(one: unknown, at: string): void {
  const expected = 'expected each case in brackets, a test and a list of items: when([test, [items]], …)';
  if (!Array.isArray(one)) throw new PathError(`${at} is no list; ${expected}`);
  const [, items] = one as readonly unknown[];
  if (!Array.isArray(items)) throw new PathError(`${at} has ${shownValue(items)} for its items; ${expected}`);
}

/** Constructors that share one walker, one set of locals and one vocabulary. */
export function pathsOf<T, L, E extends AnyEvent>() {
  return {
    path: (name: string, origin: Source, items: readonly Item<T, L, E>[], rest: PathRest<L> = {}): Path<T, L, E> => ({
      locals: [],
      ...origin,
      ...rest,
      name,
      items,
    }),
    step: (name: string, spec: StepSpec<T, L, E> = {}): Item<T, L, E> => ({ kind: 'step', name, ...spec }),
    call: (path: Path<T, L, E>, bind?: Call<T, L, E>['bind']): Item<T, L, E> => ({ kind: 'call', path, ...(bind && { bind }) }),
    loop: (...body: readonly Item<T, L, E>[]): Item<T, L, E> => ({ kind: 'loop', body }),
    when: (...cases: readonly Case<T, L, E>[]): Item<T, L, E> => {
      for (const [i, one] of cases.entries()) refuseOddCase(one, `when(): case ${i + 1}`);
      return { kind: 'when', cases };
    },
    note: (local: Note<T, L>['local']): Item<T, L, E> => ({ kind: 'note', local }),
    stop: (name: string, again?: (walker: T) => Outgoing): Item<T, L, E> => ({ kind: 'stop', name, ...(again && { again }) }),
    leaveLoop: { kind: 'leaveLoop' } as Item<T, L, E>,
    leavePath: { kind: 'return' } as Item<T, L, E>,
    preemptDisable: { kind: 'step', name: 'preempt_disable', preempt: 1, ns: 5 } as Item<T, L, E>,
    preemptEnable: { kind: 'step', name: 'preempt_enable', preempt: -1, ns: 5 } as Item<T, L, E>,
  };
}

/** The context that flows along a path. */
export interface Flow {
  readonly mode: Mode;
  readonly preempt: number;
  readonly spin: number;
  /** How deep inside rcu_read_lock(), and local_bh_disable(); absent outside. */
  readonly rcu?: number;
  readonly bh?: number;
  readonly irqs: boolean;
  readonly insn: boolean;
}

export const USER_MODE: Flow = { mode: 'user', preempt: 0, spin: 0, irqs: true, insn: false };

/** The letter of a context; `resched` marks a voluntary reschedule point. */
export function letterOf(flow: Flow, resched: boolean): Letter {
  if (flow.insn) return 'X';
  if (!flow.irqs) return flow.mode === 'guest' ? 'G' : 'I';
  if (flow.mode === 'user') return 'U';
  if (flow.mode === 'guest') return 'G';
  if (flow.bh) return 'B';
  if (flow.preempt > 0) return 'N';
  if (flow.spin > 0) return 'L';
  return resched ? 'R' : 'P';
}
