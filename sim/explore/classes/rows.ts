/**
 * The states of a search over classes: a class and a program part, under the least names of CPUs.
 * The program part that steps start from is changed in place, with its digest.
 */
import { StateSpace } from '../space/state-space.ts';
import type { Classes } from './classes.ts';
import type { Parts } from './parts.ts';
import { isSame } from './same.ts';
import type { ClassStep } from './steps.ts';
import type { ClassView, Standing } from './view.ts';

export class ClassRows {
  readonly classes: Classes;
  readonly space: StateSpace;
  transitions = 0;
  readonly #parts: Parts;
  #largest = 0;
  /** A row whose first place is left open, and the digest of the rest of it. */
  #next = new Int32Array(0);
  #lane = 0;
  /** Places of it that a renaming changes. */
  #unfixed = 0;
  /** The digest before the last change. */
  #kept = { lane: 0, unfixed: 0 };
  /** Rows for what is renamed. */
  readonly #first: Scratch = { row: new Int32Array(0) };
  readonly #second: Scratch = { row: new Int32Array(0) };

  constructor(classes: Classes, parts: Parts) {
    this.classes = classes;
    this.#parts = parts;
    this.space = new StateSpace(1 + parts.program.length);
  }

  /** The program part of a state. */
  programOf(state: number): number[] {
    const at = this.space.at(state);
    return Array.from(this.space.rows.subarray(at + 1, at + this.space.columns));
  }

  /** Makes the program part of a state the one that steps start from. @returns it */
  read(state: number): number[] {
    const { space } = this;
    const next = this.#next.length === space.columns ? this.#next : new Int32Array(space.columns);
    this.#next = next;
    const { rows } = space;
    let lane = 0;
    let unfixed = 0;
    for (let i = 1, at = space.at(state) + 1; i < next.length; i++, at++) {
      const value = rows[at]!;
      next[i] = value;
      lane = (lane + mixed(i, value)) | 0;
      if (this.classes.names !== null && !this.classes.names.isFixed(i - 1, value)) unfixed++;
    }
    this.#lane = lane;
    this.#unfixed = unfixed;
    return Array.from(next.subarray(1));
  }

  #put(at: number, value: number): void {
    const row = this.#next;
    const before = row[at + 1]!;
    if (before === value) return;
    row[at + 1] = value;
    if (value > this.#largest) this.#fitValue(value);
    if (this.classes.names !== null)
      this.#unfixed += Number(this.classes.names.isFixed(at, before)) - Number(this.classes.names.isFixed(at, value));
    this.#lane = (this.#lane + mixed(at + 1, value) - mixed(at + 1, before)) | 0;
  }

  #fitValue(value: number): void {
    this.#largest = value;
    this.space.fitValue(value);
  }

  /** Changes the next program part by a step. */
  apply({ sets, sends }: ClassStep, joined: (list: number, message: number) => number): void {
    this.#kept = { lane: this.#lane, unfixed: this.#unfixed };
    for (let i = 0; i < sets.length; i += 2) this.#put(sets[i]!, sets[i + 1]!);
    for (let i = 0; i < sends.length; i += 2) {
      const at = sends[i]!;
      this.#widen(at);
      this.#put(at, joined(this.#next[at + 1]!, sends[i + 1]!));
    }
  }

  /** Takes the last change back. */
  takeBack({ sets, sends }: ClassStep, program: readonly number[]): void {
    for (let i = 0; i < sets.length; i += 2) this.#next[sets[i]! + 1] = program[sets[i]!] ?? 0;
    for (let i = 0; i < sends.length; i += 2) this.#next[sends[i]! + 1] = program[sends[i]!] ?? 0;
    this.#lane = this.#kept.lane;
    this.#unfixed = this.#kept.unfixed;
  }

  /** Whether the next program part is another than this one. */
  isSame(program: readonly number[]): boolean {
    return this.#lane === this.#kept.lane && isSame(program, this.nextProgram());
  }

  /** The next program part, with a first place that is not its own. */
  get next(): Int32Array {
    return this.#next;
  }

  /** The first message between two actors makes rows wider. */
  #widen(place: number): void {
    if (place + 1 < this.#next.length) return;
    const wider = new Int32Array(1 + this.#parts.program.length);
    wider.set(this.#next);
    this.#next = wider;
  }

  /** The next program part. */
  nextProgram(): number[] {
    return Array.from(this.#next.subarray(1));
  }

  /**
   * Adds a class over the next program part, under the least names.
   * @returns the state if it is new, else -1
   */
  add({ view, at }: Standing, from: number): number {
    const { space } = this;
    const { names } = this.classes;
    if (this.#next.length !== space.columns || (this.#unfixed > 0 && !names!.isInPlace)) {
      const { count } = space;
      const program = this.nextProgram();
      const state = this.insert(view, at < 0 ? program : names!.program(at, program), from);
      return state < count ? -1 : state;
    }
    this.transitions++;
    const isNamed = names !== null && this.#unfixed > 0;
    const start = isNamed && at >= 0 ? this.#renamed(at, this.#next, this.#first) : this.#next;
    const least = isNamed ? this.#leastNaming(view, start) : -1;
    const row = least < 0 ? start : this.#renamed(least, start, this.#second);
    const name = isNamed ? this.classes.nameOf(view, least) : this.classes.leastOf(view);
    const digest = row === this.#next ? this.#lane : digestOf(row);
    row[0] = name;
    if (name > this.#largest) this.#fitValue(name);
    space.reserve(1);
    const state = space.add(row, (digest + mixed(0, name)) | 0);
    if (state >= 0) space.parent[state] = from;
    return state;
  }

  /** The next row under other names. */
  nextUnder(at: number): ArrayLike<number> {
    const { names } = this.classes;
    if (names!.isInPlace) return this.#renamed(at, this.#next, this.#first);
    return [0, ...names!.program(at, this.nextProgram())];
  }

  /** A row under other names, in a row that is kept for it. */
  #renamed(at: number, from: Int32Array, into: Scratch): Int32Array {
    if (into.row.length !== from.length) into.row = new Int32Array(from.length);
    const { row } = into;
    for (let i = 1; i < row.length; i++) {
      const value = this.classes.names!.value(at, i - 1, from[i]!);
      row[i] = value;
      if (value > this.#largest) this.#fitValue(value);
    }
    return row;
  }

  /** The renaming that makes a state least; -1 for none. */
  #leastNaming(view: ClassView, row: Int32Array): number {
    let least = -1;
    let leastName = this.classes.nameOf(view, -1);
    for (let at = 0; at < this.classes.names!.images.length; at++) {
      const name = this.classes.nameOf(view, at);
      if (name > leastName || (name === leastName && !this.#isImageBefore(row, at, least))) continue;
      least = at;
      leastName = name;
    }
    return least;
  }

  #isImageBefore(row: Int32Array, at: number, other: number): boolean {
    const names = this.classes.names!;
    for (let i = 1; i < row.length; i++) {
      const value = row[i]!;
      const one = names.value(at, i - 1, value);
      const two = other < 0 ? value : names.value(other, i - 1, value);
      if (one !== two) return one < two;
    }
    return false;
  }

  /** The least state among those that differ by names alone. */
  #leastOf(view: ClassView, program: readonly number[]): Renamed {
    const { names } = this.classes;
    let least: Renamed = { id: this.classes.nameOf(view, -1), program };
    if (names === null) return least;
    if (program.every((value, place) => names.isFixed(place, value))) return { id: this.classes.leastOf(view), program };
    for (const at of names.images.keys()) {
      const image = { id: this.classes.nameOf(view, at), program: names.program(at, program) };
      if (isBefore(image, least)) least = image;
    }
    return least;
  }

  #laneOf(id: number, program: readonly number[]): number {
    let lane = mixed(0, id);
    for (let i = 0; i < program.length; i++) lane = (lane + mixed(i + 1, program[i]!)) | 0;
    return lane;
  }

  /** The state of a class and a program part; -1 where it is not known. */
  find(view: ClassView, before: readonly number[]): number {
    const { id, program } = this.#leastOf(view, before);
    this.#fit(id, program);
    return this.space.find(this.#padded(id, program), this.#laneOf(id, program));
  }

  #padded(id: number, program: readonly number[]): number[] {
    const row = [id, ...program];
    while (row.length < this.space.columns) row.push(0);
    return row;
  }

  /** Makes the tables wide enough. */
  #fit(id: number, program: readonly number[]): void {
    this.#parts.fit();
    this.space.fitColumns(1 + this.#parts.program.length);
    let largest = id;
    for (const value of program) if (value > largest) largest = value;
    if (largest <= this.#largest) return;
    this.#largest = largest;
    this.space.fitValue(largest);
  }

  /** Adds a state if it is new. @returns its number */
  insert(view: ClassView, before: readonly number[], from: number): number {
    const { id, program } = this.#leastOf(view, before);
    this.#fit(id, program);
    const { space } = this;
    const row = this.#padded(id, program);
    const lane = this.#laneOf(id, program);
    if (space.count === 0) {
      space.first(row, lane, 1);
      return 0;
    }
    this.transitions++;
    space.reserve(1);
    const state = space.add(row, lane);
    if (state < 0) return space.find(row, lane);
    space.parent[state] = from;
    return state;
  }
}

/** What a value adds to the digest by which the table finds a state. */
function mixed(column: number, value: number): number {
  if (value === 0 && column > 0) return 0;
  let hash = Math.imul(value + 1, 0x9e3779b1) ^ Math.imul(column + 1, 0x85ebca77);
  hash = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  hash = Math.imul(hash ^ (hash >>> 15), 0x846ca68b);
  return hash ^ (hash >>> 16);
}

interface Scratch {
  row: Int32Array;
}

function digestOf(row: Int32Array): number {
  let digest = 0;
  for (let i = 1; i < row.length; i++) digest = (digest + mixed(i, row[i]!)) | 0;
  return digest;
}

type Renamed = { readonly id: number; readonly program: readonly number[] };

function isBefore(one: Renamed, other: Renamed): boolean {
  if (one.id !== other.id) return one.id < other.id;
  for (let i = 0; i < Math.max(one.program.length, other.program.length); i++) {
    const [a, b] = [one.program[i] ?? 0, other.program[i] ?? 0];
    if (a !== b) return a < b;
  }
  return false;
}
