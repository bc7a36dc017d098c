/**
 * One schedule after the other over the memory of whole steps: a row of integers, a digest after
 * each step, no records. Alternatives stand in the sequencer's canonical order, so that an index
 * means the same in both.
 */

import { ModelError } from '../engine/port.ts';
import { MUST_CHANGE, PERHAPS_NO_PROGRESS, SENDS, StepTrie, UNCHANGED, YIELDS } from './step-trie.ts';
import type { WorldStep } from './world-step.ts';

/** Flags of a step after which the actor that took it only waits. */
export const UNCHANGED_OR_YIELDS = UNCHANGED | YIELDS;
/** Integers of a leaf before its writes. */
export const LEAF_HEAD = 5;
/** Parts of a shape: `1 + moves + others * 2^12`; 0 where not known yet. */
const MOVES_MASK = 0xfff;
const MOVES_MAX = MOVES_MASK - 1;
const OTHERS_SHIFT = 12;
const OTHERS_MAX = 0x7fffe;

export class Walk {
  readonly world: WorldStep;
  readonly trie: StepTrie;
  /** Alternatives of the present state. */
  count = 0;
  /** Steps since `reset`. */
  steps = 0;
  /** The digest of the present state. */
  laneA = 0;
  laneB = 0;
  /** Chosen indices since `reset`; only the first `steps` count. */
  trail = new Int32Array(1 << 10);
  #row: Int32Array;
  readonly #locals: number[];
  /** Offers of each value by `base[column] + value`. */
  #shapes = new Int32Array(0);
  #moves = new Int32Array(0);
  #others = new Int32Array(0);
  #moveCount = 0;
  #otherCount = 0;
  /** Columns of queues by receiver, then sender; those not empty come first in `#heads`. */
  #queues: number[] = [];
  #heads: number[] = [];
  /** Where the alternative that was located last stands. */
  column = 0;
  alternative = 0;

  /** @param wants whether a property wants to look at an actor in this local state */
  constructor(world: WorldStep, wants: (column: number, value: number, before: number) => boolean) {
    this.world = world;
    this.trie = new StepTrie(world, wants);
    this.#row = new Int32Array(world.columns);
    this.#locals = world.store.ids.map(() => 0);
    this.#fit();
    this.reset();
  }

  /** Local states of all actors, by slot. Valid until the next step. */
  get locals(): readonly number[] {
    for (let slot = 0; slot < this.#locals.length; slot++) this.#locals[slot] = this.#row[slot]!;
    return this.#locals;
  }

  /** The values of all columns, not copied. Valid until the next step. */
  get present(): ArrayLike<number> {
    return this.#row;
  }

  localAt(slot: number): number {
    return this.#row[slot]!;
  }

  /** Back to the first state. */
  reset(): void {
    const { initial } = this.world;
    this.#row.fill(0);
    this.laneA = 0;
    this.laneB = 0;
    this.steps = 0;
    for (const [column, value] of initial.entries()) {
      this.#row[column] = value;
      this.laneA = (this.laneA + this.trie.laneA[this.trie.base[column]! + value]!) | 0;
      this.laneB = (this.laneB + this.trie.laneB[this.trie.base[column]! + value]!) | 0;
    }
    this.#recount();
  }

  /** Stands in another state: steps are counted from here, and there is no digest. */
  place(row: readonly number[]): void {
    this.#fit();
    for (let column = 0; column < this.#row.length; column++) this.#row[column] = row[column] ?? 0;
    this.steps = 0;
    this.#recount();
  }

  /** A copy of the values of all columns. */
  get row(): number[] {
    return Array.from(this.#row);
  }

  /** Whether stepping some processor is progress from the local states that a row begins with. */
  someProgresses(row: readonly number[]): boolean {
    this.#fit();
    const { world } = this;
    for (let slot = 0; slot < world.actors; slot++) this.#row[slot] = row[slot]!;
    for (let slot = 0; slot < world.actors; slot++) {
      const count = world.offers.of(world.store.kindOfSlot[slot]!, row[slot]!).exec.length;
      for (let alternative = 0; alternative < count; alternative++)
        if ((this.trie.prog[this.leaf(slot, alternative) + 3]! & PERHAPS_NO_PROGRESS) === 0) return true;
    }
    return false;
  }

  /** Carries out the alternative at `index`. Returns the flags of its step. @throws ModelError */
  take(index: number): number {
    this.locate(index);
    const leaf = this.leaf(this.column, this.alternative);
    const { prog } = this.trie;
    const flags = prog[leaf + 3]!;
    if (this.steps === this.trail.length) this.#growTrail();
    this.trail[this.steps++] = index;
    if ((flags & UNCHANGED) !== 0) return flags;
    const row = this.#row;
    const { actors } = this.world;
    const { laneA, laneB } = this;
    this.laneA = (laneA + prog[leaf + 1]!) | 0;
    this.laneB = (laneB + prog[leaf + 2]!) | 0;
    const end = leaf + LEAF_HEAD - 2 * (1 + prog[leaf]!);
    let queues = false;
    for (let at = leaf + LEAF_HEAD; at < end; at += 2) {
      const column = prog[at]!;
      const value = prog[at + 1]!;
      row[column] = value;
      if (column >= actors) queues = true;
      else this.#refresh(column, value);
    }
    if ((flags & SENDS) !== 0) this.#send(end);
    if (queues || (flags & SENDS) !== 0) this.#sortHeads();
    this.count = this.#heads.length + this.#moveCount + this.#otherCount;
    if ((flags & SENDS) === 0 || laneA !== this.laneA || laneB !== this.laneB) return flags;
    // What it sends was in flight already, or is what it has delivered.
    if ((flags & MUST_CHANGE) !== 0) this.world.run(row, this.column, this.event);
    return flags | UNCHANGED;
  }

  label(index: number): string {
    this.locate(index);
    const value = this.#row[this.column]!;
    return this.world.label(this.column, value, this.event);
  }

  /** Finds column and alternative of an index. */
  locate(index: number): void {
    let left = index - this.#heads.length;
    if (left < 0) {
      this.column = this.#heads[index]!;
      this.alternative = 0;
      return;
    }
    const moves = this.#moves;
    let slot = 0;
    if (left < this.#moveCount) {
      for (; left >= moves[slot]!; slot++) left -= moves[slot]!;
      this.column = slot;
      this.alternative = left;
      return;
    }
    left -= this.#moveCount;
    const others = this.#others;
    for (; left >= others[slot]!; slot++) left -= others[slot]!;
    this.column = slot;
    this.alternative = moves[slot]! + left;
  }

  /** The event of the alternative located last; -1 for the head of a queue. */
  get event(): number {
    return this.trie.eventAt(this.column, this.#row[this.column]!, this.alternative);
  }

  /** Index from which on alternatives are offers that move no processor on. */
  get firstOffer(): number {
    return this.#heads.length + this.#moveCount;
  }

  /** The leaf of a step here, learned if need be; `seen` takes the columns read but the first. */
  leaf(column: number, alternative: number, seen: number[] | null = null): number {
    for (;;) {
      const { prog, root, base } = this.trie;
      const row = this.#row;
      const at = root[base[column]! + row[column]!]!;
      let node = at === 0 ? 0 : prog[at + 1 + alternative]!;
      if (seen) seen.length = 0;
      while (node !== 0) {
        const read = prog[node]!;
        if (read < 0) {
          if ((prog[node + 3]! & SENDS) === 0 || this.#knowsPushes(node)) return node;
          break;
        }
        seen?.push(read);
        node = prog[node + 1 + row[read]!]!;
      }
      if (node !== 0) continue;
      if (at === 0) this.trie.expand(column, row[column]!);
      this.trie.learn(row, column, alternative);
      this.#fit();
    }
  }

  /** Learns the lists that a leaf's sends lead to. False if the memory was dropped for them. */
  #knowsPushes(leaf: number): boolean {
    const { prog } = this.trie;
    const end = leaf + LEAF_HEAD - 2 * (1 + prog[leaf]!);
    const sent = new Map<number, number>();
    for (let at = leaf + LEAF_HEAD; at < end; at += 2) sent.set(prog[at]!, prog[at + 1]!);
    for (let at = end + 1, last = end + 2 * prog[end]!; at < last; at += 2) {
      const channel = prog[at]!;
      const list = sent.get(channel) ?? this.#row[channel]!;
      const known = list * this.trie.messages + prog[at + 1]!;
      if (known >= this.trie.push.length || this.trie.push[known] === 0) {
        this.trie.learnPush(list, prog[at + 1]!);
        if (this.#fit()) return false;
      }
      sent.set(channel, this.trie.push[list * this.trie.messages + prog[at + 1]!]!);
    }
    return true;
  }

  /** Appends the messages of a leaf whose sends begin at `at`. */
  #send(at: number): void {
    const { prog, push, messages, base, laneA, laneB } = this.trie;
    for (let next = at + 1, last = at + 2 * prog[at]!; next < last; next += 2) {
      const channel = prog[next]!;
      const list = this.#row[channel]!;
      const after = push[list * messages + prog[next + 1]!]!;
      this.laneA = (this.laneA + laneA[base[channel]! + after]! - laneA[base[channel]! + list]!) | 0;
      this.laneB = (this.laneB + laneB[base[channel]! + after]! - laneB[base[channel]! + list]!) | 0;
      this.#row[channel] = after;
    }
  }

  #refresh(slot: number, value: number): void {
    const shape = this.#shapes[this.trie.base[slot]! + value]! || this.#shape(slot, value);
    const moves = (shape - 1) & MOVES_MASK;
    const others = (shape - 1) >> OTHERS_SHIFT;
    this.#moveCount += moves - this.#moves[slot]!;
    this.#otherCount += others - this.#others[slot]!;
    this.#moves[slot] = moves;
    this.#others[slot] = others;
  }

  #shape(slot: number, value: number): number {
    const { exec, otherCount } = this.world.offers.of(this.world.kindOf(slot)!, value);
    if (exec.length > MOVES_MAX || otherCount > OTHERS_MAX)
      throw new ModelError(`${this.world.store.ids[slot]!} offers more than ${MOVES_MAX} moves or ${OTHERS_MAX} others at once`);
    const shape = 1 + exec.length + (otherCount << OTHERS_SHIFT);
    this.#shapes[this.trie.base[slot]! + value] = shape;
    return shape;
  }

  #recount(): void {
    const { actors } = this.world;
    if (this.#moves.length !== actors) {
      this.#moves = new Int32Array(actors);
      this.#others = new Int32Array(actors);
    }
    for (let slot = 0; slot < actors; slot++) this.#refresh(slot, this.#row[slot]!);
    this.#sortHeads();
    this.count = this.#heads.length + this.#moveCount + this.#otherCount;
  }

  #sortHeads(): void {
    this.#heads.length = 0;
    for (const column of this.#queues) if (this.#row[column] !== 0) this.#heads.push(column);
  }

  /** Makes tables fit new values and columns. @returns whether the memory of steps was dropped */
  #fit(): boolean {
    const isDropped = this.trie.mustClear || this.#shapes.length === 0;
    if (this.trie.mustClear) this.trie.clear();
    else this.trie.fillLanes();
    if (!isDropped) return false;
    const { columns, actors, channels } = this.world;
    this.#shapes = new Int32Array(this.trie.root.length);
    if (this.#row.length < columns) {
      const wider = new Int32Array(columns);
      wider.set(this.#row);
      this.#row = wider;
    }
    const order = (column: number): number => channels[column - actors]!.to * actors + channels[column - actors]!.from;
    this.#queues = Array.from(channels, (_, i) => actors + i).sort((a, b) => order(a) - order(b));
    return true;
  }

  #growTrail(): void {
    const grown = new Int32Array(2 * this.trail.length);
    grown.set(this.trail);
    this.trail = grown;
  }
}
