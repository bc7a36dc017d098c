/**
 * The steps out of a known state, computed again instead of stored: a graph costs a search no
 * memory until its edges are asked for.
 */

import { SENDS, StepTrie, UNCHANGED } from '../../rows/step-trie.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import { RUN_ENDS, type StateSpace } from './state-space.ts';

/** What can be done in a column: events, and which of them. */
interface Choices {
  readonly events: readonly number[];
  readonly all: readonly number[];
  readonly owed: readonly number[];
  /** Those that are owed strongly. */
  readonly strong: ReadonlySet<number>;
  /** How many of them move a processor on or deliver a message; those come first. */
  readonly moves: number;
  /** Whether some of those are owed: then other offers that are owed come between them. */
  readonly owesMoves: boolean;
}

const NONE: ReadonlySet<number> = new Set();

function choicesOf(world: WorldStep, column: number, value: number, movesOnly: boolean): Choices {
  const events = world.alternatives(column, value);
  const all = [...events.keys()];
  const kind = world.kindOf(column);
  if (!kind) return { events, all, owed: all, strong: NONE, moves: all.length, owesMoves: true };
  const { exec, owed, strong } = world.offers.of(kind, value);
  const isOwed = (at: number): boolean => owed.has(events[at]!) && (at < exec.length || !movesOnly);
  return {
    events,
    all,
    owed: all.filter(isOwed),
    strong: strong.size === 0 ? NONE : new Set(all.filter((at) => strong.has(events[at]!))),
    moves: exec.length,
    owesMoves: exec.some((event) => owed.has(event)),
  };
}

export class Successors {
  readonly world: WorldStep;
  readonly space: StateSpace;
  /** States from here on were not expanded. */
  readonly expanded: number;
  /**
   * Of the state last expanded: column, alternative and target of each step, owed ones only unless
   * all were asked for.
   */
  readonly columns: number[] = [];
  readonly alternatives: number[] = [];
  readonly targets: number[] = [];
  /** Flags of each step, as the memory of steps has them. */
  readonly flags: number[] = [];
  /** What fairness is owed to: an offer of an actor, or a queue. */
  readonly units: number[] = [];
  /**
   * The state with the column, and whether the step comes in place of a move that the processor
   * could make there.
   */
  readonly places: number[] = [];
  readonly interposed: boolean[] = [];
  /** Whether the step is owed strongly. */
  readonly strong: boolean[] = [];
  /** Flags of the step that `target` was last asked for. */
  taken = 0;
  /** Its leaf in the memory of steps: steps that do the same share one, until that is cleared. */
  leaf = 0;
  /** How often the memory of steps was cleared. */
  clearings = 0;
  readonly row: Int32Array;
  readonly #next: Int32Array;
  readonly #trie: StepTrie;
  readonly #movesOnly: boolean;
  /** By column and value. */
  readonly #choices: Choices[][] = [];
  /** Lane A of the state that is expanded. */
  #lane = 0;

  /**
   * `expanded`: how many states the search has expanded, in the order it found them. `movesOnly`:
   * of what is owed, only the steps of processors and deliveries count, as if no timer came.
   * `trie`: the memory of steps that the search has filled.
   */
  constructor(world: WorldStep, space: StateSpace, expanded: number, movesOnly = false, trie = new StepTrie(world, () => false)) {
    this.#movesOnly = movesOnly;
    this.world = world;
    this.space = space;
    this.expanded = expanded;
    this.#trie = trie;
    this.row = new Int32Array(space.columns);
    this.#next = new Int32Array(space.columns);
  }

  /**
   * Whether steps lead out of the state at all: no property broke there, and the search came that
   * far.
   */
  isOpen(state: number): boolean {
    return state < this.expanded && this.space.ends[state] !== RUN_ENDS;
  }

  #choicesOf(column: number, value: number): Choices {
    this.#choices[column] ??= [];
    const known = this.#choices[column]!;
    known[value] ??= choicesOf(this.world, column, value, this.#movesOnly);
    return known[value];
  }

  /** How many of the alternatives of a column step a CPU or deliver a message; those come first. */
  moves(column: number, value: number): number {
    return this.#choicesOf(column, value).moves;
  }

  /** Whether steps lead out of a state, but none that is owed, so that it may last. */
  isQuiet(state: number): boolean {
    const { row, space } = this;
    if (!this.isOpen(state)) return false;
    space.read(state, row);
    let isOver = true;
    for (let column = 0; column < space.columns; column++) {
      const { all, owed } = this.#choicesOf(column, row[column]!);
      if (owed.length > 0) return false;
      isOver &&= all.length === 0;
    }
    return !isOver;
  }

  /**
   * Fills `columns`, `alternatives` and `targets` in. The state itself is the target of a step that
   * changes nothing.
   */
  expand(state: number, withOffers = false): number {
    const { space, row } = this;
    this.columns.length = 0;
    this.alternatives.length = 0;
    this.targets.length = 0;
    this.flags.length = 0;
    this.units.length = 0;
    this.places.length = 0;
    this.interposed.length = 0;
    this.strong.length = 0;
    if (!this.isOpen(state)) return 0;
    this.read(state);
    for (let column = 0; column < space.columns; column++) {
      const { events, all, owed, strong, moves, owesMoves } = this.#choicesOf(column, row[column]!);
      for (const alternative of withOffers ? all : owed) {
        this.columns.push(column);
        this.alternatives.push(alternative);
        this.targets.push(this.target(state, column, alternative));
        this.flags.push(this.taken);
        this.units.push((events[alternative]! + 1) * space.columns + column);
        this.places.push(state * space.columns + column);
        this.interposed.push(owesMoves && alternative >= moves);
        this.strong.push(strong.has(alternative));
      }
    }
    return this.targets.length;
  }

  /** Reads a state, for `target`. */
  read(state: number): void {
    this.space.read(state, this.row);
    this.#lane = this.#laneOf(this.row);
  }

  /** How many steps a column offers in the state last read. */
  alternativesOf(column: number): number {
    return this.#choicesOf(column, this.row[column]!).events.length;
  }

  #laneOf(row: Int32Array): number {
    const trie = this.#trie;
    if (trie.mustClear) this.#clear();
    let lane = 0;
    for (let i = 0; i < row.length; i++) lane = (lane + trie.laneA[trie.base[i]! + row[i]!]!) | 0;
    return lane;
  }

  /**
   * Where a step of the state last read leads, -1 where that is not known. `taken` has its flags.
   */
  target(state: number, column: number, alternative: number): number {
    const leaf = this.#leafOf(column, alternative);
    this.leaf = leaf;
    const { prog } = this.#trie;
    const flags = prog[leaf + 3]!;
    this.taken = flags;
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
      // What another has met beside the search, or the step just learned, may need room.
      if (trie.mustClear) this.#clear();
      const at = trie.root[trie.base[column]! + this.row[column]!] || trie.expand(column, this.row[column]!);
      let node = trie.prog[at + 1 + alternative]!;
      while (node > 0 && trie.prog[node]! >= 0) node = trie.prog[node + 1 + this.row[trie.prog[node]!]!]!;
      if (node > 0) return node;
      trie.learn(this.row, column, alternative);
    }
  }

  #clear(): void {
    this.#trie.clear();
    this.clearings++;
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
