/** The steps out of a known state, computed again instead of stored: a graph costs a search no memory until somebody asks for its edges. */
import type { StateSpace } from './state-space.ts';
import { SENDS, StepTrie, UNCHANGED } from './step-trie.ts';
import type { WorldStep } from './world-step.ts';

export class Successors {
  readonly world: WorldStep;
  readonly space: StateSpace;
  /** States from here on were not expanded. */
  readonly expanded: number;
  /** Of the state last expanded: column, alternative and target of each step, moves of CPUs and deliveries only unless all were asked for. */
  readonly columns: number[] = [];
  readonly alternatives: number[] = [];
  readonly targets: number[] = [];
  /** Flags of each step, as the memory of steps has them. */
  readonly flags: number[] = [];
  readonly row: Int32Array;
  readonly #next: Int32Array;
  readonly #trie: StepTrie;
  /** How many alternatives of a value are moves, by column. */
  readonly #moves: number[][] = [];
  /** Lane A of the state that is expanded. */
  #lane = 0;

  /** `expanded`: how many states the search has expanded, in the order it found them. */
  constructor(world: WorldStep, space: StateSpace, expanded: number) {
    this.world = world;
    this.space = space;
    this.expanded = expanded;
    this.#trie = new StepTrie(world, () => false);
    this.row = new Int32Array(space.columns);
    this.#next = new Int32Array(space.columns);
  }

  /** Whether steps lead out of the state at all: no property broke there, and the search came that far. */
  isOpen(state: number): boolean {
    return state < this.expanded && this.space.ends[state] !== 1;
  }

  /** How many of the alternatives of a column step a CPU or deliver a message; those come first. */
  moves(column: number, value: number): number {
    this.#moves[column] ??= [];
    const known = this.#moves[column]!;
    if (known[value] === undefined) {
      const kind = this.world.kindOf(column);
      known[value] = kind ? this.world.offers.of(kind, value).exec.length : this.world.alternatives(column, value).length;
    }
    return known[value];
  }

  /** Fills `columns`, `alternatives` and `targets` in. The state itself is the target of a step that changes nothing. */
  expand(state: number, withOffers = false): number {
    const { space, row, world } = this;
    this.columns.length = 0;
    this.alternatives.length = 0;
    this.targets.length = 0;
    this.flags.length = 0;
    if (!this.isOpen(state)) return 0;
    space.read(state, row);
    this.#lane = this.#laneOf(row);
    for (let column = 0; column < space.columns; column++) {
      const value = row[column]!;
      const count = withOffers ? world.alternatives(column, value).length : this.moves(column, value);
      for (let alternative = 0; alternative < count; alternative++) {
        this.columns.push(column);
        this.alternatives.push(alternative);
        this.targets.push(this.#target(state, column, alternative));
      }
    }
    return this.targets.length;
  }

  #laneOf(row: Int32Array): number {
    const trie = this.#trie;
    if (trie.mustClear) trie.clear();
    let lane = 0;
    for (let i = 0; i < row.length; i++) lane = (lane + trie.laneA[trie.base[i]! + row[i]!]!) | 0;
    return lane;
  }

  #target(state: number, column: number, alternative: number): number {
    const leaf = this.#leafOf(column, alternative);
    const { prog } = this.#trie;
    const flags = prog[leaf + 3]!;
    this.flags.push(flags);
    if ((flags & UNCHANGED) !== 0) return state;
    const next = this.#next;
    next.set(this.row);
    let lane = (this.#lane + prog[leaf + 1]!) | 0;
    let at = leaf + 5;
    const writes = at - 2 * (1 + prog[leaf]!);
    for (; at < writes; at += 2) next[prog[at]!] = prog[at + 1]!;
    if ((flags & SENDS) !== 0) lane = this.#send(at, lane);
    return this.space.find(next, lane);
  }

  /** The leaf of a step in the memory of steps, which learns it if need be. */
  #leafOf(column: number, alternative: number): number {
    const trie = this.#trie;
    for (;;) {
      const at = trie.root[trie.base[column]! + this.row[column]!] || trie.expand(column, this.row[column]!);
      let node = trie.prog[at + 1 + alternative]!;
      while (node > 0 && trie.prog[node]! >= 0) node = trie.prog[node + 1 + this.row[trie.prog[node]!]!]!;
      if (node > 0) return node;
      trie.learn(this.row, column, alternative);
      if (trie.mustClear) this.#lane = this.#laneOf(this.row);
    }
  }

  #send(at: number, lane: number): number {
    const trie = this.#trie;
    const next = this.#next;
    let digest = lane;
    let place = at;
    for (let left = trie.prog[place++]!; left > 0; left--, place += 2) {
      const channel = trie.prog[place]!;
      const message = trie.prog[place + 1]!;
      const list = next[channel]!;
      let after = trie.push[list * trie.messages + message] ?? 0;
      if (after === 0) {
        trie.learnPush(list, message);
        after = trie.push[list * trie.messages + message] ?? 0;
        if (after === 0 || trie.mustClear) throw new Error('a queue has become longer than it ever was in the search');
      }
      digest = (digest + trie.laneA[trie.base[channel]! + after]! - trie.laneA[trie.base[channel]! + list]!) | 0;
      next[channel] = after;
    }
    return digest;
  }
}
