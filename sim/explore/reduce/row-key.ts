/** A row of integers as a key. */

/**
 * One code unit for each value; the largest one says that a value does not fit, and what follows
 * are decimals.
 */
const UNIT_MAX = 0xffff;

/**
 * A row as text: different for different rows. Columns that are empty in every other state may
 * stand at the end.
 */
export function rowKey(row: readonly number[], actors: number): string {
  let { length } = row;
  while (length > actors && row[length - 1] === 0) length--;
  const known = length === row.length ? row : row.slice(0, length);
  return known.some((value) => value >= UNIT_MAX) ? String.fromCharCode(UNIT_MAX) + known.join() : String.fromCharCode(...known);
}
