/** Values by number: equal ones share it. */
export class Interning<V> {
  readonly values: V[] = [];
  readonly #ids = new Map<string, number>();

  /** `make` is called for a key that is new. */
  of(key: string, make: () => V): number {
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.values.push(make()) - 1;
      this.#ids.set(key, id);
    }
    return id;
  }
}
