/**
 * States found so far: exact rows of integers, or fingerprints of them; who found each by which
 * alternative; and the table that tells a new state from a known one.
 */

/** Numbers by state and column, as wide as the largest one needs. */
export type Row = Uint8Array | Uint16Array | Int32Array;

/** Alternatives of one column that `via` tells apart. */
export const ALTERNATIVES_MAX = 1 << 12;

/** A space is too large in some way that no budget of states or memory says. */
export class SizeError extends Error {
  override readonly name = 'SizeError';
}

/** Largest share of the table in use. */
export const LOAD_MAX = 0.62;

/**
 * Marks of a state in `ends`: a run ends there; it was expanded, and no step out of it is progress.
 */
export const RUN_ENDS = 1;
export const NO_STEP_PROGRESSES = 2;

/** Rows that are let go at once: moving the rest has to pay. */
const RELEASE_ROWS = 1 << 12;

export class StateSpace {
  columns: number;
  rows: Row;
  /** Index of the state each was first found from; -1 for the first. */
  parent: Int32Array;
  /** The step from there: column << 12 | alternative. */
  via: Int32Array;
  /**
   * By state: RUN_ENDS where a property broke, NO_STEP_PROGRESSES where no step out of it is
   * progress, else 0.
   */
  ends: Uint8Array;
  /**
   * For each state that was expanded to NO_STEP_PROGRESSES, in this order: a state that one of its
   * steps leads to, or itself where none is known. From `onwardFrom` on, and only if `notesOnward`.
   */
  onward = new Int32Array(0);
  onwardCount = 0;
  onwardFrom = 0;
  notesOnward = false;
  /**
   * `state + 1, lane A` pairs, open addressing; of fingerprints `lane B, lane A`, where a lane B of
   * 0 is taken for 1.
   */
  table: Int32Array;
  mask: number;
  count = 0;
  capacity: number;

  /**
   * Rows of all states are kept and compared; else the table has 64-bit fingerprints, and rows are
   * kept until a state is expanded.
   */
  readonly exact: boolean;
  /** The first state whose row is kept. */
  rowBase = 0;
  /** Rows there is room for. */
  rowCapacity: number;

  constructor(columns: number, { capacity = 1 << 12, exact = true }: { readonly capacity?: number; readonly exact?: boolean } = {}) {
    this.columns = columns;
    this.exact = exact;
    this.rowCapacity = capacity;
    this.capacity = capacity;
    this.rows = new Uint8Array(capacity * columns);
    this.parent = new Int32Array(capacity);
    this.via = new Int32Array(capacity);
    this.ends = new Uint8Array(capacity);
    this.table = new Int32Array(4 * capacity);
    this.mask = 2 * capacity - 1;
  }

  /** Bytes a state takes, by what is in use. */
  get bytesPerState(): number {
    const rows = this.rows.BYTES_PER_ELEMENT * this.columns * (this.count - this.rowBase);
    return 9 + (rows + this.table.byteLength + 4 * this.onwardCount) / Math.max(1, this.count);
  }

  get bytes(): number {
    const { rows, parent, via, ends, table, onward } = this;
    return [rows, parent, via, ends, table, onward].reduce((sum, { byteLength }) => sum + byteLength, 0);
  }

  read(state: number, into: Int32Array): void {
    const at = this.at(state);
    for (let column = 0; column < this.columns; column++) into[column] = this.rows[at + column]!;
  }

  /** Where the row of a state begins. @throws RangeError if it is no longer kept */
  at(state: number): number {
    if (state < this.rowBase) throw new RangeError(`the row of state ${state} is no longer kept`);
    return (state - this.rowBase) * this.columns;
  }

  /** Steps from the first state, by who found whom. */
  depthOf(state: number): number {
    let depth = 0;
    for (let at = this.parent[state]!; at >= 0; at = this.parent[at]!) depth++;
    return depth;
  }

  /** Rows below this state are needed no more. */
  release(state: number): void {
    const done = state - this.rowBase;
    if (this.exact || done < RELEASE_ROWS || 2 * done < this.count - this.rowBase) return;
    this.rows.copyWithin(0, done * this.columns, (this.count - this.rowBase) * this.columns);
    this.rowBase = state;
  }

  /** Adds the first state. */
  first(row: readonly number[], laneA: number, laneB: number): void {
    this.fitValue(Math.max(...row));
    for (const [column, value] of row.entries()) this.rows[column] = value;
    this.parent[0] = -1;
    const at = 2 * (laneA & this.mask);
    this.table[at] = this.exact ? 1 : laneB || 1;
    this.table[at + 1] = laneA;
    this.count = 1;
  }

  /**
   * Adds all states of another search; `laneOf` is what a value adds to a state's lane.
   * @returns the first state that is the same as an earlier one, where it stops; -1 if all differ
   */
  fill(rows: Row, parent: Int32Array, via: Int32Array, laneOf: (column: number, value: number) => number): number {
    const count = parent.length;
    while (this.capacity < count) this.capacity *= 2;
    this.rowCapacity = this.capacity;
    this.rows = new (rows.constructor as new (size: number) => Row)(this.rowCapacity * this.columns);
    this.parent = new Int32Array(this.capacity);
    this.via = new Int32Array(this.capacity);
    this.ends = new Uint8Array(this.capacity);
    this.rows.set(rows);
    this.parent.set(parent);
    this.via.set(via);
    while (count > (this.mask + 1) * LOAD_MAX) this.mask = 2 * this.mask + 1;
    this.table = new Int32Array(2 * (this.mask + 1));
    for (let state = 0; state < count; state++) {
      let lane = 0;
      for (let column = 0; column < this.columns; column++) lane = (lane + laneOf(column, rows[state * this.columns + column]!)) | 0;
      const place = this.#placeOf(rows.subarray(state * this.columns, (state + 1) * this.columns), lane);
      if (this.table[2 * place] !== 0) return state;
      this.table[2 * place] = state + 1;
      this.table[2 * place + 1] = lane;
    }
    this.count = count;
    return -1;
  }

  /**
   * Adds a state that another shard has found, if it is new; there must be room.
   * @returns its index, or -1 where it is known
   */
  add(row: ArrayLike<number>, lane: number): number {
    const place = this.#placeOf(row, lane);
    if (this.table[2 * place] !== 0) return -1;
    const { columns, rows, table } = this;
    const state = this.count++;
    table[2 * place] = state + 1;
    table[2 * place + 1] = lane;
    for (let i = 0, to = state * columns; i < columns; i++, to++) rows[to] = row[i]!;
    this.parent[state] = -1;
    return state;
  }

  /** The state with this row; -1 where it is not known. Of exact states only. */
  find(row: ArrayLike<number>, lane: number): number {
    return this.table[2 * this.#placeOf(row, lane)]! - 1;
  }

  /** Where the row stands in the table, or the free place where it would. */
  #placeOf(row: ArrayLike<number>, lane: number): number {
    const { columns, rows, table, mask } = this;
    let place = lane & mask;
    for (let known = table[2 * place]!; known !== 0; known = table[2 * place]!) {
      if (table[2 * place + 1] === lane) {
        const other = (known - 1) * columns;
        let i = 0;
        while (i < columns && rows[other + i] === row[i]) i++;
        if (i === columns) return place;
      }
      place = (place + 1) & mask;
    }
    return place;
  }

  /**
   * Bytes that making room for `more` further states, and for what is noted of `expanding`, takes
   * while old and new tables exist at the same time; 0 where there is room.
   */
  growth(more: number, expanding = 0): number {
    const states = this.count + more > this.capacity ? this.parent.byteLength + this.via.byteLength + this.ends.byteLength : 0;
    const rows = this.count - this.rowBase + more > this.rowCapacity ? this.rows.byteLength : 0;
    const table = this.count + more > (this.mask + 1) * LOAD_MAX ? 2 * this.table.byteLength : 0;
    return states + rows + table + 4 * this.#notesFor(expanding);
  }

  /** Makes room for `more` further states. */
  reserve(more: number): void {
    while (this.count + more > this.capacity) this.#growStates();
    while (this.count - this.rowBase + more > this.rowCapacity) this.#growRows();
    while (this.count + more > (this.mask + 1) * LOAD_MAX) this.#growTable();
  }

  /** Notes, from the state that is expanded next, where steps lead that are no progress. */
  noteOnward(head: number): void {
    this.notesOnward = true;
    this.onwardFrom = head;
    this.onwardCount = 0;
  }

  /** Makes room for what is noted of `more` states. */
  reserveOnward(more: number): void {
    const notes = this.#notesFor(more);
    if (notes > 0) this.onward = grown(this.onward, notes);
  }

  /** How many notes there has to be room for before `more` states are expanded; 0 if there is. */
  #notesFor(more: number): number {
    const needed = this.onwardCount + more;
    return this.notesOnward && needed > this.onward.length ? Math.max(2 * this.onward.length, needed) : 0;
  }

  /** Wider elements, when a value no longer fits. */
  fitValue(value: number): void {
    const width = value > 0xffff ? 4 : value > 0xff ? 2 : 1;
    if (width <= this.rows.BYTES_PER_ELEMENT) return;
    const wider = width === 2 ? new Uint16Array(this.rows.length) : new Int32Array(this.rows.length);
    wider.set(this.rows);
    this.rows = wider;
  }

  /**
   * More columns, when a pair of actors first has a message in flight: empty in every known state.
   */
  fitColumns(columns: number): void {
    if (columns === this.columns) return;
    const wider = new (this.rows.constructor as new (size: number) => Row)(this.rowCapacity * columns);
    for (let state = 0; state < this.count - this.rowBase; state++) {
      wider.set(this.rows.subarray(state * this.columns, (state + 1) * this.columns), state * columns);
    }
    this.rows = wider;
    this.columns = columns;
  }

  #growRows(): void {
    this.rowCapacity *= 2;
    this.rows = grown(this.rows, this.rowCapacity * this.columns);
  }

  #growStates(): void {
    this.capacity *= 2;
    this.parent = grown(this.parent, this.capacity);
    this.via = grown(this.via, this.capacity);
    this.ends = grown(this.ends, this.capacity);
  }

  #growTable(): void {
    const old = this.table;
    this.mask = 2 * this.mask + 1;
    this.table = new Int32Array(2 * (this.mask + 1));
    for (let at = 0; at < old.length; at += 2) if (old[at] !== 0) this.#enter(old[at]!, old[at + 1]!);
  }

  /** Takes the next free place for a state that is known to be new. */
  #enter(entry: number, lane: number): void {
    let place = lane & this.mask;
    while (this.table[2 * place] !== 0) place = (place + 1) & this.mask;
    this.table[2 * place] = entry;
    this.table[2 * place + 1] = lane;
  }
}

function grown<A extends Int32Array | Uint8Array | Row>(old: A, size: number): A {
  const next = new (old.constructor as new (size: number) => A)(size);
  next.set(old as never);
  return next;
}
