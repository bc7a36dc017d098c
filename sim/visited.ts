/**
 * Where a run has been before: digests of its states with the step and seq of each. It forgets
 * everything when it is full, so a cycle is found at the latest one turn after that, as long as it
 * has less than SIZE_MAX / 2 steps.
 */

const SIZE_MIN = 1 << 10;
const SIZE_MAX = 1 << 17;

export class Visited {
  #a = new Int32Array(SIZE_MIN);
  #b = new Int32Array(SIZE_MIN);
  /** Step + 1; 0 where the place is free. */
  #step = new Float64Array(SIZE_MIN);
  #seq = new Float64Array(SIZE_MIN);
  #count = 0;

  /** The place of a digest: its own, or the free one where it belongs. */
  at(a: number, b: number): number {
    const mask = this.#a.length - 1;
    let place = (a ^ (b >>> 7)) & mask;
    while (this.#step[place] !== 0 && (this.#a[place] !== a || this.#b[place] !== b)) place = (place + 1) & mask;
    return place;
  }

  /** The step after which the state at this place was met; -1 if it was not. */
  stepAt(place: number): number {
    return this.#step[place]! - 1;
  }

  seqAt(place: number): number {
    return this.#seq[place]!;
  }

  set(place: number, a: number, b: number, step: number, seq: number): void {
    if (this.#step[place] === 0) this.#count++;
    this.#a[place] = a;
    this.#b[place] = b;
    this.#step[place] = step + 1;
    this.#seq[place] = seq;
    if (2 * this.#count > this.#a.length) this.#grow();
  }

  #grow(): void {
    const [a, b, step, seq] = [this.#a, this.#b, this.#step, this.#seq];
    const size = Math.min(2 * a.length, SIZE_MAX);
    this.#a = new Int32Array(size);
    this.#b = new Int32Array(size);
    this.#step = new Float64Array(size);
    this.#seq = new Float64Array(size);
    this.#count = 0;
    if (a.length === SIZE_MAX) return;
    for (let i = 0; i < a.length; i++) if (step[i] !== 0) this.set(this.at(a[i]!, b[i]!), a[i]!, b[i]!, step[i]! - 1, seq[i]!);
  }
}
