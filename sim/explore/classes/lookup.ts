/**
 * The steps out of a state of a search over classes, looked up in the memory of whole steps for all
 * members of the class at once.
 */
import type { WorldStep } from '../../rows/world-step.ts';
import type { ComponentGraph } from './component-graph.ts';
import { type Parts, PROGRAM, SCHEDULES, TASK } from './parts.ts';
import type { Group } from './plan.ts';
import type { ClassStep, ClassSteps } from './steps.ts';
import { Taken } from './taken.ts';
import type { ClassView, Entry } from './view.ts';

export class Lookup {
  readonly #graph: ComponentGraph;
  readonly #parts: Parts;
  readonly #steps: ClassSteps;
  readonly #world: WorldStep;
  /** What is looked up, and what was found of it. */
  #view!: ClassView;
  #program: ArrayLike<number> = [];
  #taken = new Taken();
  /** By class. */
  #groups: (readonly Group[])[] = [];
  /** By column and value: whether the program part offers nothing there. */
  readonly #quiet: boolean[][] = [];
  /** Places of the program part that were read, in reading order. */
  readonly read: number[] = [];
  /** Links into the tree, and the subsets that come by them. */
  readonly #open: number[] = [];

  constructor(graph: ComponentGraph, parts: Parts, steps: ClassSteps) {
    this.#graph = graph;
    this.#parts = parts;
    this.#steps = steps;
    this.#world = parts.world;
  }

  /** All steps out of a state but those of the scheduler alone. */
  takenIn(view: ClassView, program: ArrayLike<number>, taken = new Taken()): Taken {
    this.#begin(view, program, taken);
    this.#walkEntries(view.entries);
    this.#walkProgram();
    return taken;
  }

  /** Those that begin with what the program part offers. */
  offeredIn(view: ClassView, program: ArrayLike<number>, taken: Taken): Taken {
    this.#begin(view, program, taken);
    this.#walkProgram();
    return taken;
  }

  /**
   * Those of some entries, and in `read` the places of the program part that they read, in reading
   * order.
   */
  takenBy(entries: readonly Entry[], view: ClassView, program: ArrayLike<number>): Taken {
    const taken = new Taken();
    this.#begin(view, program, taken);
    this.read.length = 0;
    this.#walkEntries(entries);
    return taken;
  }

  /** The entries of a class by the column that their steps read after their own. */
  groupsOf(view: ClassView, program: ArrayLike<number>): readonly Group[] {
    const known = this.#groups[view.id];
    if (known !== undefined) return known;
    this.takenBy(view.entries, view, program);
    const { prog } = this.#steps.trie;
    const groups = new Map<number, Entry[]>();
    for (const entry of view.entries) {
      const node = prog[this.#steps.root(entry.column, entry.value) + 1 + entry.alternative]!;
      const first = prog[node]!;
      const group = groups.get(first < 0 ? -1 : first);
      if (group) group.push(entry);
      else groups.set(first < 0 ? -1 : first, [entry]);
    }
    const made = [...groups.values()].map((entries) => ({ entries, root: 0 }));
    this.#groups[view.id] = made;
    return made;
  }

  /** Nothing is remembered of groups any more. */
  forget(): void {
    this.#groups = [];
  }

  #begin(view: ClassView, program: ArrayLike<number>, taken: Taken): void {
    taken.cut(0);
    this.#view = view;
    this.#program = program;
    this.#taken = taken;
  }

  #walkEntries(entries: readonly Entry[]): void {
    for (const { column, alternative, value, subset } of entries) this.#walk(column, alternative, value, subset);
  }

  #walkProgram(): void {
    const columns = this.#parts.program;
    for (let place = 0; place < columns.length; place++) {
      const column = columns[place]!;
      const own = this.#program[place] ?? 0;
      if (this.#isQuiet(column, own)) continue;
      if (this.#parts.roles[column] === PROGRAM) {
        this.#walkAll(column, own, 0);
        continue;
      }
      const { values, subsets } = this.#view.parted(0, column);
      for (const [i, seen] of values.entries()) this.#walkAll(column, this.#parts.halvesOf(column).join(own, seen), subsets[i]!);
    }
  }

  /** Whether nothing can be done in a column by what the program part says of it. */
  #isQuiet(column: number, own: number): boolean {
    if (this.#parts.roles[column] === TASK) return !this.#offersSome(column, own);
    const known = this.#quiet[column]?.[own];
    if (known !== undefined) return known;
    this.#quiet[column] ??= [];
    const isQuiet = this.#world.alternatives(column, own).length === 0;
    this.#quiet[column]![own] = isQuiet;
    return isQuiet;
  }

  /** Whether a task with this program offers anything in some member. */
  #offersSome(column: number, program: number): boolean {
    this.#view.offers[column] ??= [];
    const known = this.#view.offers[column]!;
    known[program] ??= this.#view.parted(0, column).values.some((seen) => {
      const local = this.#parts.halvesOf(column).join(program, seen);
      return this.#world.alternatives(column, local).length > 0;
    });
    return known[program];
  }

  #walkAll(column: number, value: number, subset: number): void {
    const { length } = this.#world.alternatives(column, value);
    for (let alternative = 0; alternative < length; alternative++) this.#walk(column, alternative, value, subset);
  }

  /** Looks one alternative up for all members of a subset, which have this value in its column. */
  #walk(column: number, alternative: number, value: number, subset: number): void {
    const { length } = this.#taken.steps;
    const read = this.read.length;
    for (;;) {
      this.#steps.fit();
      const missing = this.#walkFrom(column, alternative, this.#steps.root(column, value) + 1 + alternative, subset);
      if (missing < 0) return;
      this.#taken.cut(length);
      this.read.length = read;
      this.#steps.learn(this.#rowOf(missing), column, alternative);
    }
  }

  /** @returns a subset for which the step is not known; -1 if it is for all */
  #walkFrom(column: number, alternative: number, first: number, all: number): number {
    const { prog, room } = this.#steps.trie;
    const { roles, inProgram } = this.#parts;
    const open = this.#open;
    open.length = 0;
    open.push(first, all);
    while (open.length > 0) {
      const subset = open.pop()!;
      let link = open.pop()!;
      for (;;) {
        const node = prog[link]!;
        if (node === 0) return subset;
        const read = prog[node]!;
        if (read < 0) {
          const known = this.#steps.known(node);
          this.#taken.add(known?.isTaken ? known : this.#stepAt(column, alternative, node, subset), subset);
          break;
        }
        const role = roles[read]!;
        if (role !== SCHEDULES && !this.read.includes(inProgram[read]!)) this.read.push(inProgram[read]!);
        const own = this.#program[inProgram[read]!] ?? 0;
        if (role === PROGRAM) {
          link = node + 1 + own;
          continue;
        }
        const { values, subsets } = this.#view.parted(subset, read);
        for (let i = 0; i < values.length; i++) {
          const value = role === TASK ? this.#parts.halvesOf(read).join(own, values[i]!) : values[i]!;
          // It has come up just now: the tree has no room for it yet.
          if (value >= room[read]!) return subsets[i]!;
          open.push(node + 1 + value, subsets[i]!);
        }
        break;
      }
    }
    return -1;
  }

  /** The step of a leaf. What was perhaps only looked at is taken now. */
  #stepAt(column: number, alternative: number, leaf: number, subset: number): ClassStep {
    const row = this.#rowOf(subset);
    const step = this.#steps.at(leaf, row, column, alternative);
    this.#world.run(row, column, this.#world.alternatives(column, row[column]!)[alternative]!);
    step.isTaken = true;
    return step;
  }

  #rowOf(subset: number): number[] {
    return this.#parts.join(this.#graph.partOf(this.#view.subsets[subset]![0]!), this.#program);
  }
}
