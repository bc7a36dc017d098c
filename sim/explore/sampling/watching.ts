/**
 * What the properties of a scenario say of a schedule as it goes: what broke, what came true, and
 * when there is nothing more to see.
 */
import { Debts, ENDED, type Lasts, QUIET, watchesOf } from '../../debts.ts';
import { type Broken, endOf, hasHalted, owedAtEnd, type StateEnd, toldOf } from '../../end.ts';
import { propertyOf } from '../../properties/index.ts';
import { PropertyWatch } from '../../property.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';

export class Watching {
  readonly #world: WorldStep;
  readonly #always: readonly PropertyWatch[];
  readonly #sometimes: readonly PropertyWatch[];
  /** `eventually` properties that have to come true once, and those that an actor owes. */
  readonly #eventually: readonly PropertyWatch[];
  readonly #debts: readonly Debts[];
  /** `sometimes` properties that came true in any schedule. */
  readonly #met = new Set<string>();
  /** `eventually` properties that have to come true once and have not in the present one. */
  readonly #unmet = new Set<string>();

  constructor(world: WorldStep, { properties }: ResolvedScenario) {
    const watch = (ids: readonly string[]) => ids.map((id) => new PropertyWatch(propertyOf(id), world.store));
    this.#world = world;
    this.#always = watch(properties.always);
    this.#sometimes = watch(properties.sometimes);
    const eventually = properties.eventually.map(propertyOf);
    this.#eventually = watchesOf(eventually, world.store);
    this.#debts = eventually.map((property) => new Debts(property, world.store));
  }

  #owed(locals: ArrayLike<number>, why: Lasts): Broken | null {
    return toldOf(owedAtEnd(this.#debts, (id) => !this.#unmet.has(id), locals, why));
  }

  /**
   * Whether something has to look at a state in which the actor in `column` has gone from `before`
   * to `value`.
   */
  readonly wants = (column: number, value: number, before: number): boolean => {
    if (column >= this.#world.actors) return false;
    const wants = (watch: PropertyWatch) => watch.wants(column, value, before);
    return this.#always.some(wants) || this.#sometimes.some(wants) || this.#eventually.some(wants);
  };

  /** `sometimes` properties that never came true. */
  get missed(): string[] {
    return this.#sometimes.flatMap(({ property: { id } }) => (this.#met.has(id) ? [] : [id]));
  }

  begin(): void {
    for (const { property } of this.#eventually) this.#unmet.add(property.id);
  }

  /** Looks at a state that calls for it. */
  look(locals: readonly number[]): Broken | null {
    for (const watch of this.#sometimes) {
      if (!this.#met.has(watch.property.id) && watch.look(locals, null) !== null) this.#met.add(watch.property.id);
    }
    for (const watch of this.#eventually) {
      if (this.#unmet.has(watch.property.id) && watch.look(locals, null) !== null) this.#unmet.delete(watch.property.id);
    }
    for (const watch of this.#always) {
      const message = watch.look(locals, null);
      if (message !== null) return { property: watch.property.id, message };
    }
    return null;
  }

  /** How the schedule ends in a state in which nothing is broken; null where it goes on. */
  endOf(row: ArrayLike<number>, alternatives: number): StateEnd | null {
    const end = endOf(this.#world.store, row, { alternatives, owed: () => this.#owed(row, ENDED) });
    if (end || this.#debts.length === 0 || !this.#isQuiet(row)) return end;
    const broken = this.#owed(row, QUIET);
    return broken && { ended: 'owed', broken };
  }

  /** Whether nothing that is owed can be done. */
  #isQuiet(row: ArrayLike<number>): boolean {
    const { store, offers, actors } = this.#world;
    for (let column = actors; column < row.length; column++) if (row[column] !== 0) return false;
    return store.kindOfSlot.every((kind, slot) => offers.of(kind, row[slot]!).owed.size === 0) && !hasHalted(store, row);
  }
}
