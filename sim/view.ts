/** Readers over a world: what properties and outcomes see of the actors. */
import type { AnyMachineSnapshot } from 'xstate';
import type { ActorId } from '../events/event.ts';
import type { U64 } from '../events/u64.ts';

/** An actor as properties and outcomes see it. @public */
export interface ActorView<C> {
  readonly id: ActorId;
  /** XState's state value. */
  readonly value: unknown;
  readonly context: C;
}

/** What a view reads of the tables of a run. */
interface Tables {
  readonly kindOfSlot: readonly { readonly name: string; readonly locals: { readonly values: readonly AnyMachineSnapshot[] } }[];
  readonly ids: readonly ActorId[];
}

/** In the place of a kind: every kind. @public */
export const ANY_KIND = '*';

/** The actors in one state of the world. @public */
export class WorldView {
  readonly #store: Tables;
  readonly #locals: readonly number[];

  constructor(store: Tables, locals: readonly number[]) {
    this.#store = store;
    this.#locals = locals;
  }

  /**
   * All actors of a kind, or with `*` of any, in slot order. The caller names the context type of
   * that kind's machine.
   */
  actors<C>(kind: string): ActorView<C>[] {
    const views: ActorView<C>[] = [];
    for (let slot = 0; slot < this.#locals.length; slot++) {
      if (kind === ANY_KIND || this.#store.kindOfSlot[slot]!.name === kind) views.push(this.actor<C>(slot));
    }
    return views;
  }

  actor<C>(slot: number): ActorView<C> {
    const { value, context } = this.#store.kindOfSlot[slot]!.locals.values[this.#locals[slot]!]!;
    return { id: this.#store.ids[slot]!, value, context: context as C };
  }
}

/** Addresses and frame numbers as engineers write them. @public */
export const hex = (value: U64): string => (typeof value === 'string' ? value : `0x${value.toString(16)}`);
