/** Properties: what must hold always, at least once, or in the end; and the memory of what was already checked. */
import type { Grade } from '../actors/paths/path.ts';
import type { Store } from './store.ts';
import { WorldView } from './view.ts';

export type PropertyForm = 'always' | 'sometimes' | 'eventually';

/**
 * A property. `check` returns evidence, a sentence with values, or null: for `always` the evidence is of the violation, for
 * `sometimes` and `eventually` of the fulfilment. It looks at actors of `kinds` only.
 */
export interface Property {
  readonly id: string;
  readonly form: PropertyForm;
  readonly kinds: readonly string[];
  readonly source: string;
  readonly grade: Grade;
  readonly check: (world: WorldView) => string | null;
}

type Rest = Omit<Property, 'id' | 'form'>;
export const always = (id: string, rest: Rest): Property => ({ id, form: 'always', ...rest });
export const sometimes = (id: string, rest: Rest): Property => ({ id, form: 'sometimes', ...rest });

/** Checks one property along a run; only a change of an actor it looks at makes it look again. */
export class PropertyWatch {
  readonly property: Property;
  /** 1 for each slot it looks at. */
  readonly #slots: readonly number[];
  readonly #watched: readonly boolean[];
  readonly #store: Store;
  readonly #known = new Map<string, string | null>();

  constructor(property: Property, store: Store) {
    this.property = property;
    this.#store = store;
    this.#watched = store.kindOfSlot.map((kind) => property.kinds.includes(kind.name));
    this.#slots = this.#watched.flatMap((watched, slot) => (watched ? [slot] : []));
  }

  /** Evidence in the present state; `touched` null looks in any case. */
  look(locals: readonly number[], touched: readonly number[] | null): string | null {
    if (touched !== null && !touched.some((slot) => this.#watched[slot])) return null;
    let key = '';
    for (const slot of this.#slots) key += `${locals[slot]!},`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const evidence = this.property.check(new WorldView(this.#store, locals));
    this.#known.set(key, evidence);
    return evidence;
  }
}
