/**
 * The port between the sequencer and an engine: one actor takes one event. Everything else is
 * written once.
 */
import type { Store, Topology } from '../store.ts';

/** What one delivery did. Local states and events are ids of the store. */
export interface Reaction {
  readonly next: number;
  /**
   * `[receiver slot, event id]` pairs in the order emitted; events are already stamped with the
   * sender.
   */
  readonly sent: readonly number[];
  /** Nominal cost of the micro-step in ns; 0 if the event is not one. */
  readonly costNs: number;
  /** True where the state said `idles`: an exec that changes nothing is not a modelling error. */
  readonly idles: boolean;
  /** True where the state said `yields`: the CPU only waits for others (cpu_relax()). */
  readonly yields: boolean;
  /** True where the state said `computes`: a step that changes nothing does not wait. */
  readonly computes: boolean;
}

export interface ActorEngine {
  readonly name: 'live' | 'memo';
  readonly store: Store;
  readonly topology: Topology;
  /** The initial local state of each slot. */
  start(): readonly number[];
  /**
   * Gives the event to the actor in `slot`, whose local state is `local`.
   * @throws UnhandledEventError if its machine does not take the event there
   * @throws ModelError if the machine breaks a rule of closed machines
   */
  deliver(slot: number, local: number, event: number): Reaction;
  /** Stops whatever runs. */
  stop(): void;
}

/** The model broke a rule; the run fails and says where. */
export class ModelError extends Error {
  override readonly name: string = 'ModelError';
  /** The choices that lead to it, by label, where a search has met it. */
  way: readonly string[] | null = null;
}

export class UnhandledEventError extends ModelError {
  override readonly name = 'UnhandledEventError';
  readonly actor: string;
  readonly state: string;
  readonly event: string;
  constructor(actor: string, state: string, event: string) {
    super(`${actor} in ${state} does not handle ${event}; add the transition, or say actions: 'ignore' if it is meant to be ignored`);
    this.actor = actor;
    this.state = state;
    this.event = event;
  }
}

/** What was thrown, in words: an error of the language with its name. */
export const thrownText = (error: unknown): string =>
  error instanceof Error ? `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}` : String(error);
