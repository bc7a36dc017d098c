/**
 * The class of a step: whether it brings a waiting actor nearer to what it waits for.
 *
 * - *neutral*: no program ran; the scheduler or the environment did something of its own.
 * - *wait*: the step changed nothing, or it only moved the stepped actors round a loop that waits.
 * - *progress*: every other step, and each step that says that it computes.
 */
import type { StepEffect } from './step.ts';
import type { Store } from './store.ts';

/** `progress-if-sent`: progress if a message that it sends was not in flight, else a wait. */
export type StepClass = 'neutral' | 'wait' | 'progress' | 'progress-if-sent';

interface MetaLike {
  /**
   * The loops that wait around the state: several from a path, one from a machine that is written
   * by hand.
   */
  readonly waits?: string | readonly string[];
}

/** The parts of a step that decide its class. */
export interface StepFacts {
  /** The slot of the actor that offered the step, or takes the message. */
  readonly chosen: number;
  readonly effect: Pick<StepEffect, 'stepped' | 'computes'>;
  readonly sends: boolean;
  /** Slots and their local states after the step; entries above the actors are queues. */
  readonly writes: ReadonlyMap<number, number>;
}

/** What decides the class of a step that was taken. */
export interface StepDone {
  readonly chosen: number;
  /** It has sent messages, or others are in flight. */
  readonly isFlight: boolean;
  /** Slots whose local state has changed, if only for a while, and what it was before. */
  readonly touched: readonly number[];
  readonly before: readonly number[];
  readonly locals: readonly number[];
}

const NO_LOOPS: readonly string[] = [];

export class StepClasses {
  readonly #store: Store;
  /** By kind and local state: the loops that wait around the place where the actor stands. */
  readonly #loops: (readonly string[])[][];

  constructor(store: Store) {
    this.#store = store;
    this.#loops = store.kinds.map(() => []);
  }

  /** The class of a step over `row`. */
  of(row: ArrayLike<number>, { chosen, effect, sends, writes }: StepFacts): StepClass {
    if (effect.stepped.length === 0) return 'neutral';
    if (effect.computes) return 'progress';
    for (const [slot, local] of writes) {
      const before = row[slot]!;
      if (local === before) continue;
      if (slot >= this.#store.ids.length) {
        // The head of a queue that is delivered may be sent again in the same step.
        if (!sends) return 'progress';
        continue;
      }
      if (!this.#onlyWaits(slot, before, local, chosen, effect.stepped)) return 'progress';
    }
    return sends ? 'progress-if-sent' : 'wait';
  }

  /**
   * Whether a step that was taken is progress. Where it has sent, it is now known whether all of
   * that was in flight already.
   */
  isProgress({ stepped, computes, changed }: StepEffect, { chosen, isFlight, touched, before, locals }: StepDone): boolean {
    if (stepped.length === 0 || !changed) return stepped.length > 0 && computes;
    if (computes || isFlight) return true;
    for (let i = 0; i < touched.length; i++) {
      const slot = touched[i]!;
      if (before[i] !== locals[slot] && !this.#onlyWaits(slot, before[i]!, locals[slot]!, chosen, stepped)) return true;
    }
    return false;
  }

  /**
   * Whether an actor that has changed still waits: it goes round in a loop that waits, or has
   * passed the step on to another actor.
   */
  #onlyWaits(slot: number, before: number, after: number, chosen: number, stepped: readonly number[]): boolean {
    const { schedules, monitors } = this.#store.kindOfSlot[slot]!;
    if (monitors) return true;
    if (schedules) return slot === chosen;
    return stepped.includes(slot) && this.#staysInLoop(slot, before, after);
  }

  /** Whether one loop that waits is around the actor before and after. */
  #staysInLoop(slot: number, before: number, after: number): boolean {
    const loops = this.#loopsOf(slot, after);
    return this.#loopsOf(slot, before).some((loop) => loops.includes(loop));
  }

  #loopsOf(slot: number, local: number): readonly string[] {
    const kind = this.#store.kindOfSlot[slot]!;
    const known = this.#loops[kind.index]!;
    if (known[local] === undefined) {
      const metas = Object.values(kind.locals.values[local]!.getMeta() as Record<string, MetaLike | undefined>);
      known[local] = metas.flatMap((meta) => meta?.waits ?? NO_LOOPS);
    }
    return known[local];
  }
}
