/**
 * The states of a search over classes: a class and a program part, under the least names of CPUs.
 * The program part that steps start from is changed in place, with its digest.
 */
import { StateSpace } from '../space/state-space.ts';
import type { Classes } from './classes.ts';
import type { Parts } from './parts.ts';
import { isSame } from './same.ts';
import { mixed, type Scratch, scratch } from './scratch.ts';
import type { ClassStep } from './steps.ts';
import type { ClassView, Standing } from './view.ts';

export class ClassRows {
  readonly classes: Classes;
  readonly space: StateSpace;
  transitions = 0;
  readonly #parts: Parts;
  #largest = 0;
  /** The state that steps start from, and what comes of it by one of them. */
  #read = scratch(0);
  #next = scratch(0);
  /** The digest of the next program part, and how many places of it a renaming changes. */
  #lane = 0;
  #named = 0;
  /** The same of what was read. */
  #kept = { lane: 0, named: 0 };
  /** Rows for what is renamed. */
  #first = scratch(0);
  #second = scratch(0);
  #given = scratch(0);
  /** The digest of the row that was last made to be looked up. */
  #digest = 0;

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

  /**
   * Makes the program part of a state the one that steps start from.
   * @returns it, until the next is read
   */
  read(state: number): ArrayLike<number> {
    const { space } = this;
    const { rows, columns } = space;
    if (this.#read.row.length !== columns) this.#read = scratch(columns);
    if (this.#next.row.length !== columns) this.#next = scratch(columns);
    const { row } = this.#read;
    let lane = 0;
    for (let i = 1, at = space.at(state) + 1; i < columns; i++, at++) {
      const value = rows[at]!;
      row[i] = value;
      lane = (lane + mixed(i, value)) | 0;
    }
    this.#next.row.set(row);
    this.#lane = lane;
    this.#named = this.#countNamed(row);
    this.#kept = { lane, named: this.#named };
    return this.#read.program;
  }

  #countNamed(row: Int32Array): number {
    const { names } = this.classes;
    if (names === null) return 0;
    let count = 0;
    for (const place of names.places) if (!names.isFixed(place, row[place + 1]!)) count++;
    return count;
  }

  #put(at: number, value: number): void {
    const { row } = this.#next;
    const before = row[at + 1]!;
    if (before === value) return;
    row[at + 1] = value;
    if (value > this.#largest) this.#fitValue(value);
    const { names } = this.classes;
    if (names !== null) this.#named += Number(names.isFixed(at, before)) - Number(names.isFixed(at, value));
    this.#lane = (this.#lane + mixed(at + 1, value) - mixed(at + 1, before)) | 0;
  }

  #fitValue(value: number): void {
    this.#largest = value;
    this.space.fitValue(value);
  }

  /** Changes the next program part by `(place, value)` in some integers. */
  set(code: Int32Array, from: number, to: number): void {
    for (let i = from; i < to; i += 2) this.#put(code[i]!, code[i + 1]!);
  }

  /** Takes that back. */
  unset(code: Int32Array, from: number, to: number): void {
    const { row } = this.#next;
    const before = this.#read.row;
    for (let i = from; i < to; i += 2) row[code[i]! + 1] = before[code[i]! + 1]!;
    this.#lane = this.#kept.lane;
    this.#named = this.#kept.named;
  }

  /** Changes the next program part by a step. */
  apply({ sets, sends }: ClassStep, joined: (list: number, message: number) => number): void {
    for (let i = 0; i < sets.length; i += 2) this.#put(sets[i]!, sets[i + 1]!);
    for (let i = 0; i < sends.length; i += 2) {
      const at = sends[i]!;
      this.#widen(at);
      this.#put(at, joined(this.#next.row[at + 1]!, sends[i + 1]!));
    }
  }

  /** Takes the change by a step back. */
  takeBack({ sets, sends }: ClassStep): void {
    const { row } = this.#next;
    const before = this.#read.row;
    for (let i = 0; i < sets.length; i += 2) row[sets[i]! + 1] = before[sets[i]! + 1] ?? 0;
    for (let i = 0; i < sends.length; i += 2) row[sends[i]! + 1] = before[sends[i]! + 1] ?? 0;
    this.#lane = this.#kept.lane;
    this.#named = this.#kept.named;
  }

  /** Whether the next program part is another than the one that was read. */
  isUnchanged(): boolean {
    return this.#lane === this.#kept.lane && isSame(this.#read.program, this.#next.program);
  }

  /** The first message between two actors makes rows wider. */
  #widen(place: number): void {
    if (place + 1 < this.#next.row.length) return;
    const wider = scratch(1 + this.#parts.program.length);
    wider.row.set(this.#next.row);
    this.#next = wider;
  }

  /** The next program part, until the next change. */
  get next(): ArrayLike<number> {
    return this.#next.program;
  }

  /** The same under other names, until the next is asked for. */
  nextUnder(at: number): ArrayLike<number> {
    if (at < 0 || this.#named === 0) return this.next;
    const { names } = this.classes;
    return names!.isInPlace ? this.#renamed(at, this.#next, this.#first).program : names!.program(at, this.next);
  }

  /**
   * Adds a class over the next program part, under the least names.
   * @returns the state if it is new, else -1
   */
  add({ view, at }: Standing, from: number): number {
    const { space } = this;
    if (this.#next.row.length !== space.columns || (this.#named > 0 && !this.classes.names!.isInPlace)) {
      const { count } = space;
      const state = this.insert(view, this.nextUnder(at), from);
      return state < count ? -1 : state;
    }
    this.transitions++;
    this.#digest = this.#lane;
    const start = this.#named > 0 && at >= 0 ? this.#renamed(at, this.#next, this.#first) : this.#next;
    const row = this.#least(view, start, this.#named);
    space.reserve(1);
    const state = space.add(row, this.#digest);
    if (state >= 0) space.parent[state] = from;
    return state;
  }

  /** Adds a state if it is new. @returns its number */
  insert(view: ClassView, program: ArrayLike<number>, from: number): number {
    const { space } = this;
    const row = this.#leastOf(view, program);
    if (space.count === 0) {
      space.first(Array.from(row), this.#digest, 1);
      return 0;
    }
    this.transitions++;
    space.reserve(1);
    const state = space.add(row, this.#digest);
    if (state < 0) return space.find(row, this.#digest);
    space.parent[state] = from;
    return state;
  }

  /** The state of a class and a program part; -1 where it is not known. */
  find(view: ClassView, program: ArrayLike<number>): number {
    return this.space.find(this.#leastOf(view, program), this.#digest);
  }

  /** The row of a class and a program part, under the least names. */
  #leastOf(view: ClassView, program: ArrayLike<number>): Int32Array {
    const { names } = this.classes;
    const isGiven = this.#give(program);
    if (names === null || names.isInPlace || isGiven === 0) return this.#least(view, this.#given, isGiven);
    let least = { at: -1, name: this.classes.nameOf(view, -1), program };
    for (const at of names.images.keys()) {
      const image = { at, name: this.classes.nameOf(view, at), program: names.program(at, program) };
      if (isBefore(image, least)) least = image;
    }
    this.#give(least.program);
    return this.#under(least.name, this.#given.row);
  }

  /** Puts a program part in a row of its own. @returns how many places of it a renaming changes */
  #give(program: ArrayLike<number>): number {
    const { names } = this.classes;
    this.#parts.fit();
    const columns = 1 + this.#parts.program.length;
    this.space.fitColumns(columns);
    if (this.#given.row.length !== columns) this.#given = scratch(columns);
    const { row } = this.#given;
    let named = 0;
    this.#digest = 0;
    for (let place = 0; place + 1 < columns; place++) {
      const value = program[place] ?? 0;
      row[place + 1] = value;
      this.#digest = (this.#digest + mixed(place + 1, value)) | 0;
      if (value > this.#largest) this.#fitValue(value);
      if (names !== null && !names.isFixed(place, value)) named++;
    }
    return named;
  }

  /** The least of a row and what renamings make of it; `named` is how many places they change. */
  #least(view: ClassView, from: Scratch, named: number): Int32Array {
    if (named === 0) return this.#under(this.classes.leastOf(view), from.row);
    const least = this.#leastNaming(view, from.row);
    const { row } = least < 0 ? from : this.#renamed(least, from, this.#second);
    return this.#under(this.classes.nameOf(view, least), row);
  }

  /** Completes a row and its digest by the name of its class. */
  #under(name: number, row: Int32Array): Int32Array {
    row[0] = name;
    if (name > this.#largest) this.#fitValue(name);
    this.#digest = (this.#digest + mixed(0, name)) | 0;
    return row;
  }

  /** A row under other names, in a row that is kept for it. */
  #renamed(at: number, from: Scratch, kept: Scratch): Scratch {
    const into = kept.row.length === from.row.length ? kept : scratch(from.row.length);
    if (kept === this.#first) this.#first = into;
    else this.#second = into;
    const names = this.classes.names!;
    into.row.set(from.row);
    for (const place of names.places) {
      const before = from.row[place + 1]!;
      const value = names.value(at, place, before);
      if (value === before) continue;
      into.row[place + 1] = value;
      if (value > this.#largest) this.#fitValue(value);
      this.#digest = (this.#digest + mixed(place + 1, value) - mixed(place + 1, before)) | 0;
    }
    return into;
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
    for (const place of names.places) {
      const value = row[place + 1]!;
      const one = names.value(at, place, value);
      const two = other < 0 ? value : names.value(other, place, value);
      if (one !== two) return one < two;
    }
    return false;
  }
}

interface Renamed {
  readonly at: number;
  readonly name: number;
  readonly program: ArrayLike<number>;
}

function isBefore(one: Renamed, other: Renamed): boolean {
  if (one.name !== other.name) return one.name < other.name;
  for (let i = 0; i < Math.max(one.program.length, other.program.length); i++) {
    const [a, b] = [one.program[i] ?? 0, other.program[i] ?? 0];
    if (a !== b) return a < b;
  }
  return false;
}
