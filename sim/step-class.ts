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
