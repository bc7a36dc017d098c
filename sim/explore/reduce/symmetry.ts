/**
 * Exact symmetry: actors that a model takes for interchangeable are permuted in every way, and of
 * all rows that come out the least one stands for the orbit. No sorting heuristic, so nothing can
 * be missed; the price is a permutation count that must stay small. That the model has the symmetry
 * is checked on every reaction and every offer that the search has met: see `verify()`.
 */
import type { AnyMachineSnapshot } from 'xstate';
import type { ActorId } from '../../../events/event.ts';
import { canonical } from '../../canonical.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import type { AnyEvent, Bundle, Kind } from '../../store.ts';

/** Permutations tried for each state. */
const PERMUTATIONS_MAX = 5_040;

/**
 * The model has no symmetry, too many permutations to try, or not the symmetry that it declares.
 */
export class SymmetryError extends Error {
  override readonly name = 'SymmetryError';
}

type Renaming = ReadonlyMap<ActorId, ActorId>;
type Groups = readonly (readonly Bundle[])[];

function* orders<T>(items: readonly T[]): Generator<readonly T[]> {
  if (items.length < 2) {
    yield items;
    return;
  }
  for (const [i, item] of items.entries()) for (const rest of orders([...items.slice(0, i), ...items.slice(i + 1)])) yield [item, ...rest];
}

const exchange = (from: readonly Bundle[], to: readonly Bundle[]): [ActorId, ActorId][] =>
  from.flatMap((bundle, i) => bundle.map((id, place): [ActorId, ActorId] => [id, to[i]![place]!]));

/** All ways to permute each group in itself. */
function* products(groups: Groups): Generator<Renaming> {
  const [first, ...rest] = groups;
  if (!first) {
    yield new Map();
    return;
  }
  for (const order of orders(first)) for (const others of products(rest)) yield new Map([...others, ...exchange(first, order)]);
}

/**
 * One code unit for each value; the largest one says that a value does not fit, and what follows
 * are decimals.
 */
const UNIT_MAX = 0xffff;

/**
 * A row as text: different for different rows. Columns that are empty in every other state may
 * stand at the end.
 */
export function rowKey(row: readonly number[], actors: number): string {
  let { length } = row;
  while (length > actors && row[length - 1] === 0) length--;
  const known = length === row.length ? row : row.slice(0, length);
  return known.some((value) => value >= UNIT_MAX) ? String.fromCharCode(UNIT_MAX) + known.join() : String.fromCharCode(...known);
}

const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));

/** What one renaming makes of rows, local states, messages and queues; each is renamed once. */
class Image {
  readonly ids: Renaming;
  readonly #world: WorldStep;
  readonly #columns: readonly number[];
  /** By kind and local state. */
  readonly #locals: Map<number, number>[];
  readonly #events = new Map<number, number>();
  readonly #lists = new Map<number, number>();

  constructor(world: WorldStep, ids: Renaming) {
    this.#world = world;
    this.ids = ids;
    this.#columns = world.store.ids.map((_, slot) => this.#slot(slot));
    this.#locals = world.store.kinds.map(() => new Map());
  }

  #slot(slot: number): number {
    const { store } = this.#world;
    return store.slotOf.get(this.ids.get(store.ids[slot]!) ?? store.ids[slot]!)!;
  }

  slot(slot: number): number {
    return this.#columns[slot]!;
  }

  row(row: readonly number[]): number[] {
    const { actors, channels } = this.#world;
    const image: number[] = [];
    for (let slot = 0; slot < actors; slot++) image[this.#columns[slot]!] = this.local(this.#world.store.kindOfSlot[slot]!, row[slot]!);
    for (let column = actors; column < row.length; column++) {
      if (row[column] === 0) continue;
      const { from, to } = channels[column - actors]!;
      image[this.#world.channel(this.#columns[from]!, this.#columns[to]!)] = this.#list(row[column]!);
    }
    return Array.from({ length: this.#world.columns }, (_, column) => image[column] ?? 0);
  }

  local(kind: Kind, local: number): number {
    const known = this.#locals[kind.index]!;
    let image = known.get(local);
    if (image === undefined) {
      const { value, context } = kind.locals.values[local]!;
      const next = kind.machine.resolveState({ value: value as never, context: this.#fields(kind.name, context) }) as AnyMachineSnapshot;
      image = this.#world.store.local(kind, next);
      known.set(local, image);
    }
    return image;
  }

  event(event: number): number {
    const { store } = this.#world;
    let image = this.#events.get(event);
    if (image === undefined) {
      const value = store.events.values[event]!;
      image = store.event(this.#fields(value.type, value) as AnyEvent);
      this.#events.set(event, image);
    }
    return image;
  }

  #list(list: number): number {
    const { lists } = this.#world;
    let image = this.#lists.get(list);
    if (image === undefined) {
      image = lists.put(lists.values[list]!.map((event) => this.event(event)));
      this.#lists.set(list, image);
    }
    return image;
  }

  /**
   * A context or a message with its ids exchanged; `owner` is a kind of actors or an event type.
   */
  #fields(owner: string, fields: object): unknown {
    const { sets } = this.#world.store;
    const renamed = Object.entries(fields).map(([key, value]): [string, unknown] => [
      this.ids.get(key) ?? key,
      this.#renamed(value, sets.has(`${owner}.${key}`)),
    ]);
    return Object.fromEntries(renamed);
  }

  /**
   * Plain data with ids exchanged wherever they stand, as values or as keys. Lists in a set are
   * sorted, as machines keep them.
   */
  #renamed(value: unknown, isSet: boolean): unknown {
    if (typeof value === 'string') return this.ids.get(value) ?? value;
    if (Array.isArray(value)) {
      const items = value.map((item) => this.#renamed(item, isSet));
      return isSet ? items.sort() : items;
    }
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [this.ids.get(key) ?? key, this.#renamed(inner, isSet)]));
  }
}

export class Symmetry {
  /** How many rows an orbit has at most. */
  readonly factor: number;
  readonly #world: WorldStep;
  readonly #images: readonly Image[];
  /** Reactions that have been compared with their renamings, and the renamings themselves. */
  readonly #verified = new Set<string>();
  /** By kind, how many local states have been. */
  readonly #offered: number[];
  #misses = 0;

  /** @throws SymmetryError */
  constructor(world: WorldStep, interchangeable: readonly (readonly (ActorId | Bundle)[])[]) {
    this.#world = world;
    const groups = interchangeable.map((group) => group.map((one): Bundle => (typeof one === 'string' ? [one] : one)));
    this.factor = groups.reduce((product, group) => product * factorial(group.length), 1);
    if (this.factor < 2)
      throw new SymmetryError(
        'no two actors of the model are interchangeable (docs/large-spaces.md says which can be); search without --reduce symmetry',
      );
    if (this.factor > PERMUTATIONS_MAX)
      throw new SymmetryError(`the model has ${this.factor} permutations, more than the ${PERMUTATIONS_MAX} that are tried for each state`);
    this.#images = [...products(groups)].map((ids) => new Image(world, ids));
    this.#offered = world.store.kinds.map(() => 0);
  }

  /** The least image of a row: equal for all rows of an orbit. */
  leastOf(row: readonly number[]): string {
    let least = '';
    for (const [i, image] of this.#images.entries()) {
      const key = rowKey(image.row(row), this.#world.actors);
      if (i === 0 || key < least) least = key;
    }
    return least;
  }

  /** Every image of a row, the row itself first. */
  *imagesOf(row: readonly number[]): Generator<readonly number[]> {
    for (const image of this.#images) yield image.row(row);
  }

  /**
   * Compares every reaction and every offer that was met since the last call with its renaming: an
   * actor of another name, given the message with the names exchanged, does the same with the names
   * exchanged. So a step out of one state of an orbit is a step out of each.
   * @throws SymmetryError at the first that does not
   */
  verify(): void {
    const { engine, store } = this.#world;
    if (engine.misses === this.#misses) return;
    const met = engine.remembered();
    for (let at = 0; at < met.length; at += 3) {
      const [kind, local, event] = [met[at]!, met[at + 1]!, met[at + 2]!];
      if (this.#verified.has(`${kind},${local},${event}`)) continue;
      for (const image of this.#images) this.#verifyReaction(image, store.kinds[kind]!, local, event);
    }
    for (const kind of store.kinds) {
      const { size } = kind.locals;
      for (let local = this.#offered[kind.index]!; local < size; local++)
        for (const image of this.#images) this.#verifyOffers(image, kind, local);
      this.#offered[kind.index] = size;
    }
    this.#misses = engine.misses;
  }

  #verifyReaction(image: Image, kind: Kind, local: number, event: number): void {
    const { engine, store } = this.#world;
    const slot = store.kindOfSlot.indexOf(kind);
    const told = (to: readonly number[], name: (slot: number) => number, message: (event: number) => number) =>
      to.map((value, i) => (i % 2 === 0 ? name(value) : message(value)));
    const { next, sent } = engine.deliver(slot, local, event);
    const expected = {
      next: image.local(kind, next),
      sent: told(
        sent,
        (to) => image.slot(to),
        (one) => image.event(one),
      ),
    };
    const renamed = { local: image.local(kind, local), event: image.event(event) };
    const found = this.#delivered(image.slot(slot), renamed.local, renamed.event);
    this.#verified.add(`${kind.index},${renamed.local},${renamed.event}`);
    if (found !== null && canonical({ next: found.next, sent: found.sent }) === canonical(expected)) return;
    this.#refuse(image, `${kind.name} in ${canonical(kind.locals.values[local]!.value)} with ${store.events.texts[event]!}`);
  }

  /** Null where the actor has no answer. */
  #delivered(slot: number, local: number, event: number): { readonly next: number; readonly sent: readonly number[] } | null {
    try {
      return this.#world.engine.deliver(slot, local, event);
    } catch {
      return null;
    }
  }

  #verifyOffers(image: Image, kind: Kind, local: number): void {
    const { offers } = this.#world;
    const here = offers.of(kind, local);
    const there = offers.of(kind, image.local(kind, local));
    const sorted = (events: readonly number[]) => [...events].sort((one, other) => one - other).join();
    for (const which of ['exec', 'other'] as const)
      if (sorted(here[which].map((event) => image.event(event))) !== sorted(there[which]))
        this.#refuse(image, `what ${kind.name} offers in ${canonical(kind.locals.values[local]!.value)}`);
  }

  #refuse({ ids }: Image, what: string): never {
    const moved = [...ids].flatMap(([one, other]) => (one === other ? [] : [`${one} is called ${other}`]));
    throw new SymmetryError(
      `the model tells interchangeable actors apart, so no state can stand for others: ${what} is not the same where ${moved.join(', ')}; search without --reduce symmetry. (In a module of your own: a list of ids keeps its order unless \`sets\` names it.)`,
    );
  }
}
