/**
 * A binary heap of numbers with a payload each; the least number first, among equals the one that
 * came first.
 */

interface Entry<V> {
  readonly key: number;
  readonly order: number;
  readonly value: V;
}

export class Heap<V> {
  readonly #entries: Entry<V>[] = [];
  #order = 0;

  get size(): number {
    return this.#entries.length;
  }

  push(key: number, value: V): void {
    const entries = this.#entries;
    let at = entries.push({ key, order: this.#order++, value }) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!before(entries[at]!, entries[above]!)) break;
      this.#swap(at, above);
      at = above;
    }
  }

  pop(): V | undefined {
    const entries = this.#entries;
    const top = entries[0];
    const last = entries.pop();
    if (!top || !last || entries.length === 0) return top?.value;
    entries[0] = last;
    for (let at = 0; ; ) {
      let least = at;
      for (const child of [2 * at + 1, 2 * at + 2]) if (child < entries.length && before(entries[child]!, entries[least]!)) least = child;
      if (least === at) return top.value;
      this.#swap(at, least);
      at = least;
    }
  }

  #swap(a: number, b: number): void {
    [this.#entries[a], this.#entries[b]] = [this.#entries[b]!, this.#entries[a]!];
  }
}

const before = (a: Entry<unknown>, b: Entry<unknown>) => a.key < b.key || (a.key === b.key && a.order < b.order);
