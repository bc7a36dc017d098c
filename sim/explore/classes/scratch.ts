/** Rows that are made to be looked up, and their digests. */

/** What a value adds to the digest by which the table finds a state. */
export function mixed(column: number, value: number): number {
  if (value === 0 && column > 0) return 0;
  let hash = Math.imul(value + 1, 0x9e3779b1) ^ Math.imul(column + 1, 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return hash ^ (hash >>> 16);
}

/** A row whose first place is left open for the name of a class; the rest is a program part. */
export interface Scratch {
  readonly row: Int32Array;
  readonly program: Int32Array;
}

export function scratch(columns: number): Scratch {
  const row = new Int32Array(columns);
  return { row, program: row.subarray(1) };
}
