/**
 * The steps out of a state of a search over classes, looked up in the memory of whole steps for all
 * members of the class at once.
 */
import type { WorldStep } from '../../rows/world-step.ts';
import type { ComponentGraph } from './component-graph.ts';
import { type Parts, PROGRAM, TASK } from './parts.ts';
import type { ClassStep, ClassSteps } from './steps.ts';
import type { ClassView } from './view.ts';

/** Steps, each with the members of a class in which it is the same. */
export class Taken {
  readonly steps: ClassStep[] = [];
  readonly subsets: number[] = [];

  /** Leaves out what was added after the first ones. */
  cut(length: number): void {
    this.steps.length = length;
    this.subsets.length = length;
  }

  add(step: ClassStep, subset: number): void {
    this.steps.push(step);
    this.subsets.push(subset);
  }
}

export class Lookup {
  readonly #graph: ComponentGraph;
  readonly #parts: Parts;
  readonly #steps: ClassSteps;
  readonly #world: WorldStep;
  /** What is looked up, and what was found of it. */
  #view!: ClassView;
  #program: readonly number[] = [];
  #taken = new Taken();
  /** Links into the tree, and the subsets that come by them. */
  readonly #open: number[] = [];

  constructor(graph: ComponentGraph, parts: Parts, steps: ClassSteps) {
    this.#graph = graph;
    this.#parts = parts;
    this.#steps = steps;
    this.#world = parts.world;
  }

  /** All steps out of a state but those of the scheduler alone. */
  takenIn(view: ClassView, program: readonly number[], taken = new Taken()): Taken {
    taken.cut(0);
    this.#view = view;
    this.#program = program;
    this.#taken = taken;
    for (const { column, alternative, value, subset } of view.entries) this.#walk(column, alternative, value, subset);
    for (let column = 0; column < this.#world.columns; column++) {
      const role = this.#parts.roles[column]!;
      const own = program[this.#parts.inProgram[column]!] ?? 0;
      if (role === PROGRAM && !this.#isDone(column, own)) this.#walkAll(column, own, 0);
      if (role !== TASK || !this.#parts.offersSome(column)) continue;
      const { values, subsets } = view.parted(0, column);
      for (const [i, seen] of values.entries()) this.#walkAll(column, this.#parts.halvesOf(column).join(own, seen), subsets[i]!);
    }
    return taken;
  }

  /** Whether the tree knows that nothing can be done in a column. */
  #isDone(column: number, value: number): boolean {
    const { trie } = this.#steps;
    if (column >= trie.base.length || value >= trie.room[column]!) return false;
    const at = trie.root[trie.base[column]! + value]!;
    return at !== 0 && trie.prog[at] === 0;
  }

  #walkAll(column: number, value: number, subset: number): void {
    const { length } = this.#world.alternatives(column, value);
    for (let alternative = 0; alternative < length; alternative++) this.#walk(column, alternative, value, subset);
  }

  /** Looks one alternative up for all members of a subset, which have this value in its column. */
  #walk(column: number, alternative: number, value: number, subset: number): void {
    const { length } = this.#taken.steps;
    for (;;) {
      this.#steps.fit();
      const missing = this.#walkFrom(column, alternative, this.#steps.root(column, value) + 1 + alternative, subset);
      if (missing < 0) return;
      this.#taken.cut(length);
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
