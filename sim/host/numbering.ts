/** Numbers values by content, so that equal ones share a number: programs, what vCPUs run. */
import { canonical } from '../canonical.ts';

/** Numbers values by content, so that equal ones share a number. */
export class Numbering<V> {
  readonly values: V[] = [];
  readonly #ids = new Map<string, number>();
  /** `key`: something smaller that tells values apart as well. */
  of(value: V, key: unknown = value): number {
    const text = canonical(key);
    const id = this.#ids.get(text) ?? this.values.push(value) - 1;
    this.#ids.set(text, id);
    return id;
  }
}
