/**
 * Whether two parts of rows are the same: either may end before the column of a queue that is
 * empty.
 */
export function isSame(one: ArrayLike<number>, other: ArrayLike<number>): boolean {
  for (let i = 0; i < Math.max(one.length, other.length); i++) if ((one[i] ?? 0) !== (other[i] ?? 0)) return false;
  return true;
}
