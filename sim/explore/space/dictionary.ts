/**
 * What the integers in the rows of a search stand for, as text: two searches number local states,
 * events and queues in the order in which each met them, and agree on nothing but the text. A
 * search that goes on later, or elsewhere, is handed a dictionary.
 */
import type { AnyMachineSnapshot } from 'xstate';
import { canonical } from '../../canonical.ts';
import { parseJson } from '../../json-text.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import type { AnyEvent, Kind } from '../../store.ts';

/** Entries in the order of their numbers, from those on that the reader lacks. */
export interface Dictionary {
  /** Canonical texts of local states, by kind of actor. */
  readonly locals: readonly (readonly string[])[];
  /** Canonical texts of events. */
  readonly events: readonly string[];
  /** Contents of queues: numbers of events, oldest first. */
  readonly lists: readonly (readonly number[])[];
  /** `[sender, receiver]` slots of the columns behind the actors. */
  readonly channels: readonly (readonly [number, number])[];
}

/** How many entries of each table there are. */
export interface DictionarySizes {
  readonly locals: readonly number[];
  readonly events: number;
  readonly lists: number;
  readonly channels: number;
}

/** The entries are not of this scenario and model. */
export class DictionaryError extends Error {
  override readonly name = 'DictionaryError';
}

export const sizesOf = ({ store, lists, channels }: WorldStep): DictionarySizes => ({
  locals: store.kinds.map(({ locals }) => locals.size),
  events: store.events.size,
  lists: lists.size,
  channels: channels.length,
});

/** All entries, or those that came after `since`. */
export const dictionaryOf = ({ store, lists, channels }: WorldStep, since?: DictionarySizes): Dictionary => ({
  locals: store.kinds.map(({ locals }, kind) => locals.texts.slice(since?.locals[kind] ?? 0)),
  events: store.events.texts.slice(since?.events ?? 0),
  lists: lists.values.slice(since?.lists ?? 0),
  channels: channels.slice(since?.channels ?? 0).map(({ from, to }): [number, number] => [from, to]),
});

/** The numbers of another search, as the numbers of this one. */
export class Translation {
  /** By kind and number there. */
  readonly locals: readonly number[][];
  readonly events: number[] = [];
  readonly lists: number[] = [];
  /** Columns here by column there. */
  readonly columns: number[];
  readonly #world: WorldStep;

  constructor(world: WorldStep) {
    this.#world = world;
    this.locals = world.store.kinds.map(() => []);
    this.columns = Array.from({ length: world.actors }, (_, slot) => slot);
  }

  /** Takes further entries in. @throws DictionaryError if this model has no such state or event */
  learn({ locals, events, lists, channels }: Dictionary): void {
    const { store, lists: queues, actors } = this.#world;
    for (const text of events) this.events.push(this.#event(text));
    if (locals.length !== store.kinds.length)
      throw new DictionaryError(`${locals.length} kinds of actors, where the scenario has ${store.kinds.length}`);
    for (const kind of store.kinds) for (const text of locals[kind.index]!) this.locals[kind.index]!.push(this.#local(kind, text));
    for (const list of lists) this.lists.push(queues.put(list.map((event) => known(this.events[event], `event ${event}`))));
    for (const [from, to] of channels) {
      if (!(from in store.ids && to in store.ids))
        throw new DictionaryError(`a queue from actor ${from} to ${to}, where there are ${actors} actors`);
      this.columns.push(this.#world.channel(from, to));
    }
  }

  /** What the values in a column of the other search are here. */
  valuesOf(column: number): readonly number[] {
    const kind = this.#world.kindOf(column);
    return kind ? this.locals[kind.index]! : this.lists;
  }

  /** Whether everything has the same number here as there. */
  get isIdentity(): boolean {
    const same = (numbers: readonly number[]) => numbers.every((number, at) => number === at);
    return same(this.columns) && same(this.events) && same(this.lists) && this.locals.every(same);
  }

  #event(text: string): number {
    const event = plain(text);
    if (typeof event.type !== 'string') throw new DictionaryError(`an event without a type: ${shortened(text)}`);
    return attempt(text, () => this.#world.store.event(event as unknown as AnyEvent));
  }

  #local(kind: Kind, text: string): number {
    const { value, context } = plain(text);
    return attempt(text, () => {
      const snapshot = kind.machine.resolveState({ value: value as never, context }) as AnyMachineSnapshot;
      if (canonical({ context: snapshot.context as unknown, value: snapshot.value as unknown }) !== text)
        throw new Error(`${kind.name} has no such state`);
      const before = kind.locals.size;
      const local = this.#world.store.local(kind, snapshot);
      if (kind.locals.size > before) this.#world.engine.foresee(kind.index, local);
      return local;
    });
  }
}

const SHOWN = 120;
const shortened = (text: string): string => (text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);

function attempt<R>(text: string, work: () => R): R {
  try {
    return work();
  } catch (error) {
    throw new DictionaryError(`${(error as Error).message}: ${shortened(text)}`);
  }
}

/** An object whose canonical text this is. */
function plain(text: string): Readonly<Record<string, unknown>> {
  const value = attempt(text, () => parseJson(text));
  if (typeof value !== 'object' || value === null || canonical(value) !== text)
    throw new DictionaryError(`not the canonical text of an object: ${shortened(text)}`);
  return value as Readonly<Record<string, unknown>>;
}

function known(number: number | undefined, what: string): number {
  if (number === undefined) throw new DictionaryError(`${what} is used before it is defined`);
  return number;
}
