/** Finds a place among entries in order. */

/** Where the last entry stands whose `first` is not greater than `value`; -1 if there is none. */
export function lastNotAfter<E>(entries: ArrayLike<E>, value: number, first: (entry: E) => number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (first(entries[middle]!) <= value) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
