/**
 * Exact symmetry: actors that a model declares interchangeable are permuted in every way, and of all rows that come out the least one
 * stands for the orbit. No sorting heuristic, so nothing can be missed; the price is a permutation count that must stay small.
 */
import type { AnyMachineSnapshot } from 'xstate';
import type { ActorId } from '../../events/event.ts';
import type { WorldStep } from './world-step.ts';

/** Permutations tried for each state. */
const PERMUTATIONS_MAX = 5_040;

/** The model declares none, or too many to try them all. */
export class SymmetryError extends Error {
  override readonly name = 'SymmetryError';
}

/** One renaming of actors: which column goes where, and which id becomes which. */
interface Permutation {
  /** Column of the image by column. */
  readonly columns: readonly number[];
  readonly ids: ReadonlyMap<ActorId, ActorId>;
}

function* orders<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length < 2) {
    yield items;
    return;
  }
  for (const [i, item] of items.entries()) for (const rest of orders([...items.slice(0, i), ...items.slice(i + 1)])) yield [item, ...rest];
}

/** All ways to permute each group in itself. */
function* products(groups: readonly (readonly ActorId[])[]): Generator<ReadonlyMap<ActorId, ActorId>> {
  const [first, ...rest] = groups;
  if (!first) {
    yield new Map();
    return;
  }
  for (const order of orders(first))
    for (const others of products(rest)) yield new Map([...others, ...first.map((id, i): [ActorId, ActorId] => [id, order[i]!])]);
}

/** One code unit for each value; the largest one says that a value does not fit, and what follows are decimals. */
const UNIT_MAX = 0xffff;

/** A row as text: different for different rows of one length. */
export const rowKey = (row: readonly number[]): string =>
  row.some((value) => value >= UNIT_MAX) ? String.fromCharCode(UNIT_MAX) + row.join() : String.fromCharCode(...row);

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));

export class Symmetry {
  /** How many rows an orbit has at the most. */
  readonly factor: number;
  readonly #world: WorldStep;
  readonly #permutations: readonly Permutation[];
  /** By permutation, column and value: the value of the image. */
  readonly #images: Map<number, number>[][];

  /** @throws SymmetryError */
  constructor(world: WorldStep, groups: readonly (readonly ActorId[])[]) {
    this.#world = world;
    this.factor = groups.reduce((product, group) => product * factorial(group.length), 1);
    if (groups.length === 0) throw new SymmetryError('the model declares no interchangeable actors; search without --reduce symmetry');
    if (this.factor > PERMUTATIONS_MAX)
      throw new SymmetryError(`the model has ${this.factor} permutations, more than the ${PERMUTATIONS_MAX} that are tried for each state`);
    const slotOf = (id: ActorId) => world.store.slotOf.get(id)!;
    this.#permutations = [...products(groups)].map((ids) => ({
      ids,
      columns: world.store.ids.map((id, slot) => (ids.has(id) ? slotOf(ids.get(id)!) : slot)),
    }));
    this.#images = this.#permutations.map(() => world.store.ids.map(() => new Map()));
  }

  /** The least image of a row: equal for all rows of an orbit. */
  leastOf(row: readonly number[]): string {
    if (row.length > this.#world.actors) throw new SymmetryError('queued messages are not permuted; search without --reduce symmetry');
    let least = '';
    for (const [i, permutation] of this.#permutations.entries()) {
      const image = rowKey(this.#imageOf(row, i, permutation));
      if (i === 0 || image < least) least = image;
    }
    return least;
  }

  /** Every image of a row, the row itself first. */
  *imagesOf(row: readonly number[]): Generator<readonly number[]> {
    for (const [i, permutation] of this.#permutations.entries()) yield this.#imageOf(row, i, permutation);
  }

  #imageOf(row: readonly number[], i: number, permutation: Permutation): number[] {
    const image = new Array<number>(row.length);
    for (const [column, value] of row.entries()) image[permutation.columns[column]!] = this.#valueOf(column, value, i, permutation);
    return image;
  }

  /** A local state with every id in its context renamed. */
  #valueOf(column: number, value: number, i: number, { ids }: Permutation): number {
    const known = this.#images[i]![column]!;
    let image = known.get(value);
    if (image === undefined) {
      const kind = this.#world.store.kindOfSlot[column]!;
      const snapshot = kind.locals.values[value]!;
      const context = renamed(snapshot.context, ids);
      const next = kind.machine.resolveState({ value: snapshot.value as never, context }) as AnyMachineSnapshot;
      image = this.#world.store.local(kind, next);
      known.set(value, image);
    }
    return image;
  }
}

/** Plain data with ids exchanged wherever they stand, as values or as keys. */
function renamed(value: unknown, ids: ReadonlyMap<ActorId, ActorId>): unknown {
  if (typeof value === 'string') return ids.get(value) ?? value;
  if (Array.isArray(value)) return value.map((item) => renamed(item, ids));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [ids.get(key) ?? key, renamed(inner, ids)]));
}
