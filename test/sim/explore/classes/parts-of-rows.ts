/**
 * What a search over classes is compared by: program parts and whole states as text, put together
 * from what the machines alone say of themselves, and rows carried from one world to another.
 */
import type { WorldStep } from '../../../../sim/rows/world-step.ts';
import type { Kind } from '../../../../sim/store.ts';

type Fields = Readonly<Record<string, unknown>>;

const without = (fields: Fields, names: readonly string[]): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));

/** A task but for what the context switch keeps of it. */
function ownText(kind: Kind, local: number): string {
  const { value, context } = kind.locals.values[local]!;
  const { region, frame, context: fields } = kind.switched!;
  const { frames, ...own } = without(context as Fields, fields);
  return JSON.stringify([without(value as Fields, [region]), own, without((frames ?? {}) as Fields, [frame])]);
}

/** Texts of one world: each local state and each queue is put together once. */
export class Texts {
  readonly #world: WorldStep;
  readonly #own: string[][];

  constructor(world: WorldStep) {
    this.#world = world;
    this.#own = world.store.kinds.map(() => []);
  }

  /** Everything but the scheduler: its actors, what it keeps of tasks, messages in flight to it. */
  program(row: ArrayLike<number>): string {
    const { store } = this.#world;
    const parts = store.kindOfSlot.map((kind, slot) => {
      if (kind.schedules) return '';
      if (kind.switched === null) return kind.locals.texts[row[slot]!]!;
      const known = this.#own[kind.index]!;
      known[row[slot]!] ??= ownText(kind, row[slot]!);
      return known[row[slot]!]!;
    });
    return [...parts, ...this.#queues(row, ({ schedules }) => !schedules)].join('|');
  }

  /** All of it. */
  state(row: ArrayLike<number>): string {
    const { store } = this.#world;
    const locals = store.kindOfSlot.map((kind, slot) => kind.locals.texts[row[slot]!]!);
    return [...locals, ...this.#queues(row, () => true)].join('|');
  }

  #queues(row: ArrayLike<number>, isOf: (to: Kind) => boolean): string[] {
    const { store, channels, actors, lists } = this.#world;
    return channels
      .flatMap(({ from, to }, i) => {
        const list = row[actors + i] ?? 0;
        if (list === 0 || !isOf(store.kindOfSlot[to]!)) return [];
        return [`${store.ids[from]!}>${store.ids[to]!}:${lists.values[list]!.map((event) => store.events.texts[event]!).join()}`];
      })
      .sort();
  }
}

/** A state of one world as a row of another one of the same scenario. */
export function carried(row: ArrayLike<number>, from: WorldStep, to: WorldStep): number[] {
  const there = from.store.kindOfSlot.map((kind, slot) => to.store.local(to.store.kindOfSlot[slot]!, kind.locals.values[row[slot]!]!));
  for (const [i, channel] of from.channels.entries()) {
    const list = row[from.actors + i] ?? 0;
    if (list === 0) continue;
    const events = from.lists.values[list]!.map((event) => to.store.event(from.store.events.values[event]!));
    there[to.channel(channel.from, channel.to)] = to.lists.put(events);
  }
  return Array.from(there, (value) => value ?? 0);
}
