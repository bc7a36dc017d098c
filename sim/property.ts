/**
 * Properties: what must hold always, at least once, or in the end; and the memory of what was
 * already checked.
 */
import type { Grade } from '../actors/path/path.ts';
import type { ActorId } from '../events/event.ts';
import type { StuckKind } from '../events/journal.ts';
import { ModelError } from './engine/port.ts';
import type { Monitor } from './monitors/monitor.ts';
import type { Store } from './store.ts';
import { type ActorView, ANY_KIND, WorldView } from './view.ts';

/** What a property claims: it holds always, at least once, or in the end. @public */
export type PropertyForm = 'always' | 'sometimes' | 'eventually';

/**
 * A property. `check` returns evidence, a sentence with values, or null: for `always` the evidence
 * is of the violation, for `sometimes` and `eventually` of the fulfilment. It looks at actors of
 * `kinds` only; `*` is any kind.
 * @public
 */
export interface Property {
  readonly id: string;
  readonly form: PropertyForm;
  readonly kinds: readonly string[];
  readonly source: string;
  readonly grade: Grade;
  readonly check: (world: WorldView) => string | null;
  /**
   * Where it depends on one actor at a time: evidence in that actor's state. A search then looks
   * only where it can be found.
   */
  readonly each?: (actor: ActorView<never>) => string | null;
  /**
   * All of one actor that evidence depends on: a search looks only where this has changed. Without
   * it, its whole local state.
   */
  readonly sees?: (actor: ActorView<never>) => string | number | null;
  /**
   * `eventually`, again and again: evidence that this actor is in a state that it has to leave.
   * Without it an `eventually` property has to come true once.
   */
  readonly owes?: (actor: ActorView<never>) => string | null;
  /**
   * `eventually`, of endless schedules only: evidence that one which repeats this cycle forever
   * gets nowhere.
   */
  readonly cycle?: (cpus: readonly CpuInCycle[]) => CycleEvidence | string | null;
  /** What it remembers of the past: `kinds` has the kind of its monitors then. */
  readonly monitor?: Monitor;
}

/** Whether a property looks at actors of a kind. */
export const looksAt = ({ kinds }: Property, kind: string): boolean => kinds.includes(ANY_KIND) || kinds.includes(kind);

/** Evidence of a cycle that gets nowhere. @public */
export interface CycleEvidence {
  readonly message: string;
  /** In which way, if the property tells. */
  readonly kind?: StuckKind;
}

/**
 * What a property says of the CPUs in a cycle.
 * @throws ModelError if it is evidence because of who is queued: that differs from state to state
 */
export function judgeCycle({ id, cycle }: Property, cpus: readonly CpuInCycle[]): CycleEvidence | null {
  const evidence = cycle?.(cpus) ?? null;
  const hasQueued = cpus.some(({ queued = [] }) => queued.length > 0);
  if (hasQueued && ((cycle?.(cpus.map(({ queued: _, ...cpu }) => cpu)) ?? null) === null) !== (evidence === null))
    throw new ModelError(`property ${id}: whether a cycle is evidence depends on \`queued\`; expected that to be told of, and no more`);
  return typeof evidence === 'string' ? { message: evidence } : evidence;
}

/** What a CPU does in one turn of a cycle; CPUs that are not stepped in it are left out. @public */
export interface CpuInCycle {
  readonly id: ActorId;
  /** Some step of it changes something. */
  readonly moves: boolean;
  /** Some step of it only waits for others: it polls, relaxes, or was refused. */
  readonly waits: boolean;
  /** Who waits to be run by it where the cycle begins: to be told, never the reason of evidence. */
  readonly queued?: readonly ActorId[];
}

type Rest = Omit<Property, 'id' | 'form' | 'each' | 'owes' | 'cycle' | 'monitor'>;
/**
 * Of each pair of two different actors, the first of the first kind and the second of the second;
 * two of the same kind are two pairs. It looks at actors of `kinds` as well.
 * @public
 */
export interface OfPairs extends Omit<Rest, 'kinds' | 'check'> {
  readonly pair: readonly [string, string];
  readonly kinds?: readonly string[];
  readonly check: (one: ActorView<never>, other: ActorView<never>, world: WorldView) => string | null;
}
/** A property of pairs as one of the world: evidence of any pair is evidence. */
function ofWorld(id: string, given: Rest | OfPairs): Rest {
  if (!('pair' in given)) return given;
  const { pair, kinds = [], check, ...rest } = given;
  if (!Array.isArray(pair) || pair.length !== 2 || !pair.every((kind) => typeof kind === 'string' && kind !== ''))
    throw new Error(`property ${id}: pair is ${JSON.stringify(pair)}; expected two kinds of actors, such as ["vcpu", "vcpu"]`);
  const [first, second] = pair as unknown as OfPairs['pair'];
  return {
    ...rest,
    kinds: [...new Set([first, second, ...kinds])],
    check: (world) => {
      for (const one of world.actors<never>(first))
        for (const other of world.actors<never>(second)) {
          const evidence = one.id === other.id ? null : check(one, other, world);
          if (evidence !== null) return `${one.id} and ${other.id}: ${evidence}`;
        }
      return null;
    },
  };
}

/** A form of properties of the world, or of pairs. @public */
export interface WorldForm {
  (id: string, rest: OfPairs): Property;
  (id: string, rest: Rest): Property;
}

/** A property that holds in every state; `check` has evidence where it does not. @public */
export const always: WorldForm = (id: string, rest: Rest | OfPairs): Property => ({ id, form: 'always', ...ofWorld(id, rest) });
/**
 * Something that comes true in some run; `check` has evidence where it has. A race that never
 * happens proves nothing.
 * @public
 */
export const sometimes: WorldForm = (id: string, rest: Rest | OfPairs): Property => ({ id, form: 'sometimes', ...ofWorld(id, rest) });
/** Comes true at some time in every fair schedule. @public */
export const eventually = (id: string, rest: Rest): Property => ({ id, form: 'eventually', ...rest });

interface EachRest<C> extends Pick<Property, 'source' | 'grade'> {
  readonly kind: string;
  readonly each: (actor: ActorView<C>) => string | null;
}
/** A property of one actor at a time, whichever of its kind it is. */
const ofEach = <C>(id: string, form: PropertyForm, { kind, each, source, grade }: EachRest<C>): Property => ({
  id,
  form,
  kinds: [kind],
  source,
  grade,
  each,
  check: (world) => {
    for (const actor of world.actors<C>(kind)) {
      const evidence = each(actor);
      if (evidence !== null) return evidence;
    }
    return null;
  },
});
/** The same of one actor at a time: a search looks only where that can be found. @public */
export const alwaysEach = <C>(id: string, rest: EachRest<C>): Property => ofEach(id, 'always', rest);
/**
 * Whatever actor gets into a state for which `each` has evidence leaves it in every fair schedule,
 * each time.
 * @public
 */
export const leavesEach = <C>(id: string, rest: EachRest<C>): Property => withEach(id, 'eventually', rest);
/** A property of one actor at a time: `eventually`, of states that are left each time. */
export const withEach = <C>(id: string, form: PropertyForm, rest: EachRest<C>): Property => {
  const { each, ...property } = ofEach(id, form, rest);
  return form === 'eventually' ? { ...property, owes: each! } : { ...property, each: each! };
};
/** No fair schedule repeats a cycle without end for which `cycle` has evidence. @public */
export const endlessly = (
  id: string,
  { cycle, ...rest }: Pick<Property, 'source' | 'grade'> & { readonly cycle: NonNullable<Property['cycle']> },
): Property => ({ id, form: 'eventually', kinds: [], check: () => null, cycle, ...rest });

/** Checks one property along a run; only a change of an actor it looks at makes it look again. */
export class PropertyWatch {
  readonly property: Property;
  /** Slots it looks at. */
  readonly #slots: readonly number[];
  readonly #watched: readonly boolean[];
  readonly #store: Store;
  readonly #known = new Map<string, string | null>();
  /** By slot and local state: whether the actor in it is evidence, which may go by its name. */
  readonly #bad: boolean[][] = [];
  /** By slot and local state: what is seen of the actor in it. */
  readonly #seen: number[][] = [];
  readonly #sights = new Map<string, number>();

  constructor(property: Property, store: Store) {
    this.property = property;
    this.#store = store;
    this.#watched = store.kindOfSlot.map((kind) => looksAt(property, kind.name));
    this.#slots = this.#watched.flatMap((watched, slot) => (watched ? [slot] : []));
  }

  /**
   * Whether a step that takes the actor in `slot` from one local state to another calls for a look.
   */
  wants(slot: number, local: number, before: number): boolean {
    if (!this.#watched[slot]) return false;
    if (!this.property.each) return this.#seenOf(slot, local) !== this.#seenOf(slot, before);
    this.#bad[slot] ??= [];
    const known = this.#bad[slot]!;
    known[local] ??= this.property.each(this.#viewOf(slot, local)) !== null;
    return known[local];
  }

  /** Whether it looks at the actor in `slot`. */
  isOf(slot: number): boolean {
    return this.#watched[slot]!;
  }

  /** It is evidence of one actor at a time. */
  get isEach(): boolean {
    return this.property.each !== undefined;
  }

  /**
   * A number that is the same for two local states of an actor only if the property cannot tell
   * them apart: where one actor is evidence, whether it is.
   */
  sight(slot: number, local: number): number {
    return this.property.each ? Number(this.wants(slot, local, local)) : this.#seenOf(slot, local);
  }

  /** The same, where the local state before is not known. */
  #touches(slot: number, local: number): boolean {
    return this.property.each ? this.wants(slot, local, local) : this.#watched[slot]!;
  }

  /** A number for what the property sees of an actor in a local state. */
  #seenOf(slot: number, local: number): number {
    const { sees } = this.property;
    if (!sees) return local;
    this.#seen[slot] ??= [];
    const known = this.#seen[slot]!;
    if (known[local] === undefined) {
      const text = JSON.stringify(sees(this.#viewOf(slot, local)));
      known[local] = this.#sights.get(text) ?? this.#sights.size;
      this.#sights.set(text, known[local]);
    }
    return known[local];
  }

  #viewOf(slot: number, local: number): ActorView<never> {
    const { value, context } = this.#store.kindOfSlot[slot]!.locals.values[local]!;
    return { id: this.#store.ids[slot]!, value, context: context as never };
  }

  /** Evidence in the present state; `touched` null looks in any case. */
  look(locals: readonly number[], touched: readonly number[] | null): string | null {
    if (touched !== null && !touched.some((slot) => this.#touches(slot, locals[slot]!))) return null;
    // One actor at a time: where none of them is evidence, nothing needs to be put together.
    if (this.property.each && !this.#slots.some((slot) => this.wants(slot, locals[slot]!, locals[slot]!))) return null;
    let key = '';
    for (const slot of this.#slots) key += `${this.#seenOf(slot, locals[slot]!)},`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const evidence = this.property.check(new WorldView(this.#store, locals));
    this.#known.set(key, evidence);
    return evidence;
  }
}
