/** What a journal says: the record, and the facts about a run that stand before its records. */
import type { ActorId } from './event.ts';

/**
 * Version of the file format. It changes when a reader of the last version could no longer read the
 * file.
 */
export const FORMAT_VERSION = 1;

/** Plain JSON. @public */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
/** A map of plain JSON. @public */
export type JsonObject = { readonly [key: string]: Json };

/**
 * `choice`: the chooser's decision that opens a step. `send`: a queued message enters the flight.
 * `deliver`: an actor takes an event (a bus message is this one record). `change`: an actor's local
 * state after the delivery or choice that is its cause.
 */
export const RECORD_KINDS = ['choice', 'send', 'deliver', 'change'] as const;
/** What a record tells. @public */
export type RecordKind = (typeof RECORD_KINDS)[number];

/** One thing that happened. @public */
export interface JournalRecord {
  /** 1-based, without gaps. */
  readonly seq: number;
  /** 0 is the initial state: one `change` for each actor. Step n >= 1 opens with its `choice`. */
  readonly step: number;
  /**
   * Nanoseconds: the sum of nominal micro-step costs of all steps before this one. A projection; in
   * no digest.
   */
  readonly vtime: number;
  /**
   * `choice`: who offered it, or the receiver of a delivered message. `send`: the sender.
   * `deliver`: the receiver. `change`: whose state.
   */
  readonly actor: ActorId;
  readonly kind: RecordKind;
  /** The event's type; for `change` always `state`. */
  readonly type: string;
  /**
   * `choice`: `{index, count, label}`. `send`, `deliver`: the event's fields. `change`:
   * `{value, context}`.
   */
  readonly payload: JsonObject;
  /** `send`: the receiver. `deliver`: the sender. Else null. */
  readonly peer: ActorId | null;
  /**
   * seq of the record that caused this one, 0 for none. `deliver` of a queued message: its `send`.
   * `deliver` of a bus message and `send`: the `deliver` or `choice` whose transition emitted it.
   * `change`: the `deliver` or `choice` that was handled.
   */
  readonly cause: number;
}

/**
 * One choice: where it stood among how many, and its name. The label survives small changes of the
 * model; the index does not.
 * @public
 */
export interface Choice {
  readonly index: number;
  readonly count: number;
  readonly label: string;
}

/**
 * Everything that decides a run but the choices. Stands whole in the journal's start frame.
 * @public
 */
export interface RunStart {
  /**
   * The resolved scenario: parameters, variant and host preset applied. Canonical JSON decides the
   * scenario id.
   */
  readonly scenario: JsonObject;
  /** SHA-256, hex, over the source text of what decides behaviour. */
  readonly modelId: string;
  readonly modelVersion: number;
  readonly chooser: string;
  readonly seed: number;
  /**
   * The schedule that was asked for, as text; '' where the chooser decided alone. Part of the run
   * id.
   */
  readonly schedule: string;
  /** In slot order; the order is part of every digest. */
  readonly actors: readonly { readonly id: ActorId; readonly kind: string }[];
  /** Model modules of the user's own that the run needs. Named, never loaded by a reader. */
  readonly modules: readonly { readonly name: string; readonly sha256: string }[];
}

/** One wait of a deadlock. @public */
export interface Deadlocked {
  readonly actor: ActorId;
  /** Where it stands. */
  readonly state: string;
  /** The scheduler has it among those that sleep. */
  readonly asleep: boolean;
  /** Whom it asks again and again; null where it asks nothing. */
  readonly for: ActorId | null;
  /** Who changed that last without waiting for it; null where it is not known. */
  readonly heldBy: ActorId | null;
}

/**
 * How a run ends. `violation`: an `always` property broke. `deadlock`: nothing is left to do, and
 * some actor is not at rest. `owed`: an `eventually` property can no longer come true, or never
 * does in an endless cycle. `halted`: nothing is left to do on a machine that has halted. `done`:
 * nothing is left to do. `bound`: a limit of the scenario cut it. `repeats`: in its order it only
 * repeats. `stopped`: the caller ended it.
 */
export const RUN_ENDS = ['violation', 'deadlock', 'owed', 'halted', 'done', 'bound', 'repeats', 'stopped'] as const;

/**
 * How an endless schedule gets nowhere. `hang`: all that a CPU does changes nothing.
 * `unbounded-retry`: it moves, is refused, and is back where it was. `livelock`: two or more do so
 * to each other.
 */
export const STUCK_KINDS = ['hang', 'livelock', 'unbounded-retry'] as const;
/** How an endless schedule gets nowhere. @public */
export type StuckKind = (typeof STUCK_KINDS)[number];

/**
 * The state at the end is that at the end of step `from`: the last `length` steps can come again.
 * @public
 */
export interface ComesBack {
  readonly from: number;
  readonly length: number;
}

/** How a run ended. Stands in the seal. @public */
export interface RunEnd {
  readonly verdict: 'clean' | 'violation';
  readonly violation: {
    readonly property: string;
    readonly step: number;
    readonly message: string;
    /** Of a run that gets nowhere, where the property tells it. */
    readonly kind?: StuckKind;
    /** The run can go on forever. */
    readonly lasso?: ComesBack;
    /** Of a deadlock: who waits for what. */
    readonly waits?: readonly Deadlocked[];
    /** Other properties that the same state, or the same cycle, breaks. */
    readonly also?: readonly { readonly property: string; readonly message: string }[];
  } | null;
  readonly ended: (typeof RUN_ENDS)[number];
  /**
   * Of a run that repeats; of one that is done, or was cut by a bound or its caller, where it can.
   */
  readonly comesBack?: ComesBack;
  readonly outcomes: JsonObject;
}
