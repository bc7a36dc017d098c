/** What the properties of a scenario say of a schedule as it goes: what broke, what came true, and when there is nothing more to see. */
import { Debts, watchesOf } from '../../debts.ts';
import { propertyOf } from '../../properties/index.ts';
import { PropertyWatch } from '../../property.ts';
import { DEADLOCK, deadlockIn } from '../../run.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { WorldStep } from '../world-step.ts';

export interface Broken {
  readonly property: string;
  readonly message: string;
}

export class Watching {
  readonly #world: WorldStep;
  readonly #always: readonly PropertyWatch[];
  readonly #sometimes: readonly PropertyWatch[];
  /** `eventually` properties that have to come true once, and those that somebody owes. */
  readonly #eventually: readonly PropertyWatch[];
  readonly #debts: readonly Debts[];
  /** `sometimes` properties that came true in any schedule. */
  readonly #met = new Set<string>();
  /** `eventually` properties that came true in the present one. */
  readonly #metNow = new Set<string>();

  constructor(world: WorldStep, { properties }: ResolvedScenario) {
    const watch = (ids: readonly string[]) => ids.map((id) => new PropertyWatch(propertyOf(id), world.store));
    this.#world = world;
    this.#always = watch(properties.always);
    this.#sometimes = watch(properties.sometimes);
    const eventually = properties.eventually.map(propertyOf);
    this.#eventually = watchesOf(eventually, world.store);
    this.#debts = eventually.map((property) => new Debts(property, world.store));
  }

  /** Whether something has to look at a state in which the actor in `column` has gone from `before` to `value`. */
  readonly wants = (column: number, value: number, before: number): boolean => {
    if (column >= this.#world.actors) return false;
    if (this.#world.halts(column, value)) return true;
    const wants = (watch: PropertyWatch) => watch.wants(column, value, before);
    return this.#always.some(wants) || this.#sometimes.some(wants) || this.#eventually.some(wants);
  };

  /** `sometimes` properties that never came true. */
  get missed(): string[] {
    return this.#sometimes.flatMap(({ property: { id } }) => (this.#met.has(id) ? [] : [id]));
  }

  begin(): void {
    this.#metNow.clear();
  }

  /** Looks at a state that calls for it. */
  look(locals: readonly number[]): Broken | null {
    for (const watch of this.#sometimes) {
      if (!this.#met.has(watch.property.id) && watch.look(locals, null) !== null) this.#met.add(watch.property.id);
    }
    for (const watch of this.#eventually) {
      if (!this.#metNow.has(watch.property.id) && watch.look(locals, null) !== null) this.#metNow.add(watch.property.id);
    }
    for (const watch of this.#always) {
      const message = watch.look(locals, null);
      if (message !== null) return { property: watch.property.id, message };
    }
    return null;
  }

  /** What only the end of a schedule can tell. */
  atEnd(locals: readonly number[]): Broken | null {
    const deadlock = deadlockIn(this.#world.store, locals);
    if (deadlock !== null) return { property: DEADLOCK, message: deadlock };
    const unmet = this.#eventually.find(({ property }) => !this.#metNow.has(property.id));
    if (unmet) return { property: unmet.property.id, message: 'the run ended and it never came true' };
    for (const debts of this.#debts) {
      for (const slot of debts.slots) {
        const message = debts.of(slot, locals[slot]!);
        if (message !== null) return { property: debts.property.id, message: `the run ended, and ${message}` };
      }
    }
    return null;
  }
}
