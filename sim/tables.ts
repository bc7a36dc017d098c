/**
 * Local states and events as small integers: each value is kept once, with its canonical text and
 * digest.
 */
import type { AnyMachineSnapshot } from 'xstate';
import { digestOf } from './canonical.ts';
import { type Fragments, isShortened } from './fragments.ts';

/**
 * Value <-> id, in order of first appearance. Content decides identity and digest; ids never leave
 * the process.
 */
export class Table<V> {
  readonly values: V[] = [];
  readonly laneA: number[] = [];
  readonly laneB: number[] = [];
  /** By id: what tells values apart. */
  protected readonly keys: string[] = [];
  readonly #ids = new Map<string, number>();

  get size(): number {
    return this.values.length;
  }

  /** All canonical texts by id. */
  get texts(): readonly string[] {
    return this.keys;
  }

  text(id: number): string | undefined {
    return this.keys[id];
  }

  put(key: string, value: V): number {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.values.length;
    this.#ids.set(key, id);
    this.values.push(value);
    this.keys.push(key);
    const { a, b } = digestOf(this.text(id)!);
    this.laneA.push(a);
    this.laneB.push(b);
    return id;
  }
}

/** Contexts with long lists of their own that are kept as they are: of all others only the text. */
const WHOLE = 256;

/**
 * The local states of one kind. Where a big host makes long lists, their texts share what is equal,
 * and a context that was not used for long is made from its text when it is asked for.
 */
export class LocalTable extends Table<AnyMachineSnapshot> {
  readonly #fragments: Fragments;
  /** Ids of contexts that are kept whole although they brought new lists, oldest first. */
  readonly #whole: number[] = [];
  #isShortened = false;

  constructor(fragments: Fragments) {
    super();
    this.#fragments = fragments;
  }

  override get texts(): readonly string[] {
    return this.#isShortened ? this.keys.map((key) => this.#fragments.textOf(key)) : this.keys;
  }

  override text(id: number): string | undefined {
    const key = this.keys[id];
    return key === undefined ? undefined : this.#fragments.textOf(key);
  }

  /** The number of a snapshot. Its identity is value and context. */
  add(snapshot: AnyMachineSnapshot): number {
    const { size } = this.#fragments;
    const key = this.#fragments.shortOf({ context: snapshot.context as unknown, value: snapshot.value as unknown });
    const known = this.size;
    const id = this.put(key, snapshot);
    if (id < known || !isShortened(key)) return id;
    this.#isShortened = true;
    if (this.#fragments.size > size) this.#keep(id);
    return id;
  }

  /** Notes that a context is whole; the one that has been for longest is not any more. */
  #keep(id: number): void {
    this.#whole.push(id);
    if (this.#whole.length <= WHOLE) return;
    const oldest = this.#whole.shift()!;
    this.values[oldest] = lean(this.values[oldest]!, () => this.#contextOf(oldest));
  }

  #contextOf(id: number): unknown {
    const { context } = JSON.parse(this.text(id)!, (_, value: unknown) => Object.freeze(value)) as { readonly context: unknown };
    const snapshot = this.values[id]!;
    this.values[id] = Object.defineProperty(copyOf(snapshot), 'context', {
      value: context,
      enumerable: true,
      writable: true,
      configurable: true,
    });
    this.#keep(id);
    return context;
  }
}

/** A snapshot that makes its context when it is asked for the first time. */
function lean(snapshot: AnyMachineSnapshot, contextOf: () => unknown): AnyMachineSnapshot {
  let made: { readonly context: unknown } | null = null;
  const get = () => {
    made ??= { context: contextOf() };
    return made.context;
  };
  return Object.defineProperty(copyOf(snapshot), 'context', { get, enumerable: true, configurable: true });
}

const copyOf = (snapshot: AnyMachineSnapshot): AnyMachineSnapshot =>
  Object.defineProperties({}, Object.getOwnPropertyDescriptors(snapshot)) as AnyMachineSnapshot;
