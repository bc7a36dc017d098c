/** How many different states were met, by their 64-bit digests: 8 bytes each, up to a bound. */
const LOAD_MAX = 0.6;
/** Digests before counting stops: 128 MiB. */
const COUNT_MAX = 1 << 23;

export class Digests {
  #size = 0;
  #isFull = false;
  #mask = (1 << 12) - 1;
  #table = new Int32Array(2 << 12);

  /** Different digests so far; null once there were too many to count. */
  get size(): number | null {
    return this.#isFull ? null : this.#size;
  }

  add(laneA: number, laneB: number): void {
    if (this.#isFull) return;
    // The pair 0, 0 marks an empty place.
    const a = laneA === 0 && laneB === 0 ? 1 : laneA;
    if (!this.#put(a, laneB)) return;
    if (++this.#size >= COUNT_MAX) {
      this.#isFull = true;
      this.#table = new Int32Array(0);
    } else if (this.#size > LOAD_MAX * (this.#mask + 1)) this.#grow();
  }

  #put(a: number, b: number): boolean {
    const table = this.#table;
    let place = a & this.#mask;
    for (; table[2 * place] !== 0 || table[2 * place + 1] !== 0; place = (place + 1) & this.#mask) {
      if (table[2 * place] === a && table[2 * place + 1] === b) return false;
    }
    table[2 * place] = a;
    table[2 * place + 1] = b;
    return true;
  }

  #grow(): void {
    const old = this.#table;
    this.#mask = 2 * this.#mask + 1;
    this.#table = new Int32Array(2 * (this.#mask + 1));
    for (let at = 0; at < old.length; at += 2) if (old[at] !== 0 || old[at + 1] !== 0) this.#put(old[at]!, old[at + 1]!);
  }
}
