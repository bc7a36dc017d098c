/** Numbers by slot whose sums are known while they change: a tree of partial sums (Fenwick). */
export class Tally {
  /** By slot. */
  readonly #values: Int32Array;
  /** From 1: the sum of as many slots as the lowest bit of the index says, up to it. */
  readonly #sums: Float64Array;
  /** The greatest power of two that is not above the number of slots. */
  readonly #top: number;
  total = 0;

  constructor(slots: number) {
    this.#values = new Int32Array(slots);
    this.#sums = new Float64Array(slots + 1);
    this.#top = slots === 0 ? 0 : 2 ** Math.floor(Math.log2(slots));
  }

  get(slot: number): number {
    return this.#values[slot]!;
  }

  set(slot: number, value: number): void {
    const change = value - this.#values[slot]!;
    if (change === 0) return;
    this.#values[slot] = value;
    this.total += change;
    for (let at = slot + 1; at < this.#sums.length; at += at & -at) this.#sums[at]! += change;
  }

  /** The sum of all slots before one. */
  before(slot: number): number {
    let sum = 0;
    for (let at = slot; at > 0; at -= at & -at) sum += this.#sums[at]!;
    return sum;
  }

  /** The slot that the unit at an index below `total` belongs to. */
  slotOf(index: number): number {
    let left = index;
    let at = 0;
    for (let step = this.#top; step > 0; step >>= 1) {
      if (at + step < this.#sums.length && this.#sums[at + step]! <= left) {
        at += step;
        left -= this.#sums[at]!;
      }
    }
    return at;
  }

  /** The first slot from the given one on that has anything; -1 if none has. */
  from(slot: number): number {
    const before = this.before(slot);
    return before < this.total ? this.slotOf(before) : -1;
  }
}
