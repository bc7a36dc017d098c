/**
 * Renamings of interchangeable actors, and what each makes of local states, messages, queues and
 * rows.
 */
import type { AnyMachineSnapshot } from 'xstate';
import type { ActorId } from '../../../events/event.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import type { AnyEvent, Bundle, Kind } from '../../store.ts';

export type Renaming = ReadonlyMap<ActorId, ActorId>;
export type Groups = readonly (readonly Bundle[])[];

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
export function* products(groups: Groups): Generator<Renaming> {
  const [first, ...rest] = groups;
  if (!first) {
    yield new Map();
    return;
  }
  for (const order of orders(first)) for (const others of products(rest)) yield new Map([...others, ...exchange(first, order)]);
}

/** What one renaming makes of rows, local states, messages and queues; each is renamed once. */
export class Image {
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
      image[this.#world.channel(this.#columns[from]!, this.#columns[to]!)] = this.list(row[column]!);
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

  list(list: number): number {
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
