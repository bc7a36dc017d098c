/**
 * What a sampling strategy sees of a step, and what it answers: the strategies know alternatives by
 * numbers, not by their labels.
 */

/**
 * The alternatives of the present state, in canonical order. All numbers are identities only: their
 * order means nothing.
 */
export interface StepView {
  readonly count: number;
  /**
   * Which pending event the alternative is. The same number later on is the same event of the same
   * actor.
   */
  key(index: number): number;
  /**
   * Whose turn it is: an actor with all it can do by itself, such as a CPU; a queue with all its
   * messages; or one way of preempting, migrating or disturbing, which are entities of their own
   * beside the actor that offers them.
   */
  entity(index: number): number;
  /** The actor that offers it, or that receives the message: its slot. */
  actor(index: number): number;
  /** A preemption, a migration or a disturbance. */
  isDeviation(index: number): boolean;
  /** Whether the step would give the actor in `slot` an event. */
  touches(index: number, slot: number): boolean;
  /**
   * By index: 1 where the alternative and the given one depend on each other, because one would
   * change an actor that the other looks at, or both would send on one queue. Valid until the next
   * call.
   */
  racing(index: number): Uint8Array;
}

/** Draws one schedule. Everything it decides follows from its seed and from what it is shown. */
export interface Strategy {
  readonly name: string;
  choose(view: StepView): number;
  /** Told whether the CPU that was chosen only waits for others. */
  observe?(waits: boolean): void;
}
