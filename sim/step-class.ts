/**
 * What a step is to those who wait. *Neutral*: no program ran, the scheduler and the environment did something of their own. *Wait*: the step
 * changed nothing, or only where its actor stands in a loop that waits. *Progress*: everything else, and whatever says that it computes.
 */
import type { StepEffect } from './step.ts';
import type { Store } from './store.ts';

/** `unless-sent`: it changes no actor but sends messages: a wait if all of them were in flight already, else progress. */
export type StepClass = 'neutral' | 'wait' | 'progress' | 'unless-sent';

interface MetaLike {
  readonly waits?: string;
}

/** The parts of a step that decide its class. */
export interface StepFacts {
  /** Slot of whoever offered the step, or takes the message. */
  readonly chosen: number;
  readonly effect: Pick<StepEffect, 'ran' | 'computes'>;
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

export class StepClasses {
  readonly #store: Store;
  /** By kind and local state: the loop that waits in which the actor stands; null if none. */
  readonly #loops: (string | null)[][];

  constructor(store: Store) {
    this.#store = store;
    this.#loops = store.kinds.map(() => []);
  }

  /** The class of a step over `row`. */
  of(row: ArrayLike<number>, { chosen, effect, sends, writes }: StepFacts): StepClass {
    if (!effect.ran) return 'neutral';
    if (effect.computes) return 'progress';
    const changed = [...writes].filter(([slot, local]) => local !== row[slot]);
    // A message that was taken off a queue may be sent again in the same step.
    if (sends) return changed.every(([slot]) => slot >= this.#store.ids.length) ? 'unless-sent' : 'progress';
    return changed.every(([slot, local]) => this.#staysInLoop(slot, row[slot]!, local, chosen)) ? 'wait' : 'progress';
  }

  /** Whether a step that was taken is progress. Where it has sent, it is now known whether all of that was in flight already. */
  isProgress({ ran, computes, changed }: StepEffect, { chosen, isFlight, touched, before, locals }: StepDone): boolean {
    if (!ran || !changed) return ran && computes;
    if (computes || isFlight) return true;
    for (let i = 0; i < touched.length; i++) {
      const slot = touched[i]!;
      if (before[i] !== locals[slot] && !this.#staysInLoop(slot, before[i]!, locals[slot]!, chosen)) return true;
    }
    return false;
  }

  #staysInLoop(slot: number, before: number, after: number, chosen: number): boolean {
    const kind = this.#store.kindOfSlot[slot];
    if (!kind) return false;
    if (kind.schedules) return slot === chosen;
    const loop = this.#loopOf(slot, before);
    return loop !== null && loop === this.#loopOf(slot, after);
  }

  #loopOf(slot: number, local: number): string | null {
    const kind = this.#store.kindOfSlot[slot]!;
    const known = this.#loops[kind.index]!;
    if (known[local] === undefined) {
      const metas = Object.values(kind.locals.values[local]!.getMeta() as Record<string, MetaLike | undefined>);
      known[local] = metas.find((meta) => meta?.waits !== undefined)?.waits ?? null;
    }
    return known[local];
  }
}
