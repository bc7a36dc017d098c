/**
 * A walk as strategies see it: who could go next, what each step would read and change, and which
 * of them depend on each other.
 */
import type { StepView } from '../../choosers/strategy.ts';
import { LEAF_HEAD, type Walk } from '../../rows/walk.ts';
import { isDeviating } from '../in-order/deviations.ts';

/** Keys keep the event above the column. */
const COLUMNS_MAX = 1 << 20;

export class WalkView implements StepView {
  readonly #walk: Walk;
  readonly #actors: number;
  /** Columns read on the way to the leaf found last, without the one that acts. */
  readonly #reads: number[] = [];
  readonly #readBy = new Int32Array(COLUMNS_MAX);
  readonly #writtenBy = new Int32Array(COLUMNS_MAX);
  /** By event. */
  readonly #deviates: boolean[] = [];
  #stamp = 0;
  #racing = new Uint8Array(16);

  constructor(walk: Walk) {
    this.#walk = walk;
    this.#actors = walk.world.actors;
  }

  get count(): number {
    return this.#walk.count;
  }

  key(index: number): number {
    this.#walk.locate(index);
    return this.#walk.column + COLUMNS_MAX * (1 + this.#walk.event);
  }

  entity(index: number): number {
    if (this.isDeviation(index)) return this.key(index);
    this.#walk.locate(index);
    return this.#walk.column;
  }

  actor(index: number): number {
    this.#walk.locate(index);
    const { column, world } = this.#walk;
    return column < this.#actors ? column : world.channels[column - this.#actors]!.to;
  }

  isDeviation(index: number): boolean {
    if (index < this.#walk.firstOffer) return false;
    this.#walk.locate(index);
    const { event } = this.#walk;
    this.#deviates[event] ??= isDeviating(this.#walk.world.store.events.values[event]!.type);
    return this.#deviates[event];
  }

  touches(index: number, slot: number): boolean {
    this.#leaf(index);
    return this.#walk.column === slot || this.#reads.includes(slot);
  }

  /** Slots of the actors that the step would give an event, the one that acts first. */
  footprint(index: number): readonly number[] {
    this.#leaf(index);
    const { column } = this.#walk;
    return column < this.#actors ? [column, ...this.#reads] : [...this.#reads];
  }

  racing(index: number): Uint8Array {
    const { count } = this.#walk;
    if (this.#racing.length < count) this.#racing = new Uint8Array(2 * count);
    this.#mark(index);
    for (let other = 0; other < count; other++) this.#racing[other] = other !== index && this.#meets(other) ? 1 : 0;
    return this.#racing;
  }

  #leaf(index: number): number {
    this.#walk.locate(index);
    return this.#walk.leaf(this.#walk.column, this.#walk.alternative, this.#reads);
  }

  #mark(index: number): void {
    const stamp = ++this.#stamp;
    const leaf = this.#leaf(index);
    this.#readBy[this.#walk.column] = stamp;
    for (const read of this.#reads) this.#readBy[read] = stamp;
    const { prog } = this.#walk.trie;
    const end = endOfWrites(prog, leaf);
    for (let at = leaf + LEAF_HEAD; at < end; at += 2) this.#writtenBy[prog[at]!] = stamp;
    for (let at = end + 1, last = end + 2 * prog[end]!; at < last; at += 2) this.#writtenBy[prog[at]!] = stamp;
  }

  #meets(index: number): boolean {
    const stamp = this.#stamp;
    const leaf = this.#leaf(index);
    if (this.#writtenBy[this.#walk.column] === stamp) return true;
    for (const read of this.#reads) if (this.#writtenBy[read] === stamp) return true;
    const { prog } = this.#walk.trie;
    const end = endOfWrites(prog, leaf);
    for (let at = leaf + LEAF_HEAD; at < end; at += 2) if (this.#readBy[prog[at]!] === stamp) return true;
    for (let at = end + 1, last = end + 2 * prog[end]!; at < last; at += 2) if (this.#writtenBy[prog[at]!] === stamp) return true;
    return false;
  }
}

const endOfWrites = (prog: Int32Array, leaf: number): number => leaf + LEAF_HEAD - 2 * (1 + prog[leaf]!);
