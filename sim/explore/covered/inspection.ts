/** What can be told of a search beside its verdict: counts, a profile, the graph. */
import type { AnyTransitionDefinition } from 'xstate';
import type { Topology } from '../../store.ts';

/** How often each transition was taken over all steps of a search, and what was sent. */
export interface Traffic {
  /** Whose machines the transitions are of. */
  readonly topology: Topology;
  /** Steps that were counted: transitions, and steps that change nothing. */
  readonly steps: number;
  readonly states: number;
  /** How often each was taken; absent: never. */
  readonly taken: ReadonlyMap<AnyTransitionDefinition, number>;
  /** What was sent along with each, by `type to kind`. */
  readonly sent: ReadonlyMap<AnyTransitionDefinition, ReadonlyMap<string, number>>;
}

/** A field of a context with several values where the rest of the state is the same step. */
export interface Varying {
  readonly field: string;
  readonly values: number;
}

export interface StepProfile {
  readonly kind: string;
  /** The full name of the step; of a machine that is written by hand the name of its state. */
  readonly step: string;
  /** It is a line of a path. */
  readonly isLine: boolean;
  /** States in which an actor of the kind stands before this step. */
  readonly states: number;
  /** Local states that its actors have there. */
  readonly locals: number;
  readonly varying: readonly Varying[];
}

export interface ActorProfile {
  /** An actor, or `in flight` for all messages under way. */
  readonly actor: string;
  readonly kind: string;
  /** Different local states; of messages, what is under way together. */
  readonly locals: number;
  /**
   * States that there were without this actor: those that differ by it alone are one. Null
   * where there are too many to tell.
   */
  readonly without: number | null;
}

/** Which actors, which steps and which of their fields make the states of a space. */
export interface Profile {
  readonly states: number;
  /** The one without which there were fewest states first. */
  readonly actors: readonly ActorProfile[];
  /** The one that most states stand at first. */
  readonly steps: readonly StepProfile[];
}

/** How runs go on from a state, or end in it. */
export type Outcome = 'goes-on' | 'done' | 'halted' | 'deadlock' | 'violation';

export interface GraphState {
  readonly id: number;
  /** Steps from the start. */
  readonly depth: number;
  readonly outcome: Outcome;
  /** Properties that break there. */
  readonly broken: readonly string[];
  /** Where actors stand, of those that do not stand in one place in all states. */
  readonly at: Readonly<Record<string, string>>;
}

export interface GraphStep {
  readonly from: number;
  readonly to: number;
  /** The choice. */
  readonly label: string;
  readonly kind: 'exec' | 'deliver' | 'offer';
  /** Whose choice it is, or who is given the message. */
  readonly actor: string;
  /** The micro-step that it runs, `actor@name`; null where it runs none. */
  readonly runs: string | null;
}

/** All states that can be reached, and the steps between them; the first state is 0. */
export interface ReachableGraph {
  readonly scenario: string;
  readonly variant: string;
  readonly states: readonly GraphState[];
  readonly steps: readonly GraphStep[];
}
