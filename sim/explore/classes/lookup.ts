/**
 * The steps out of a state of a search over classes, looked up in the memory of whole steps for all
 * members of the class at once.
 */
import type { WorldStep } from '../../rows/world-step.ts';
import type { ComponentGraph } from './component-graph.ts';
import { type Parts, PROGRAM, TASK } from './parts.ts';
import type { ClassStep, ClassSteps } from './steps.ts';
import type { ClassView } from './view.ts';

/** A step, and the members of a class in which it is the same. */
export interface Taken {
  readonly step: ClassStep;
  readonly subset: number;
}

/** An alternative over a program part, and what is found of it. */
interface Asked {
  readonly view: ClassView;
  readonly program: readonly number[];
  readonly column: number;
  readonly alternative: number;
  readonly taken: Taken[];
}

export class Lookup {
  readonly #graph: ComponentGraph;
  readonly #parts: Parts;
  readonly #steps: ClassSteps;
  readonly #world: WorldStep;

  constructor(graph: ComponentGraph, parts: Parts, steps: ClassSteps) {
    this.#graph = graph;
    this.#parts = parts;
    this.#steps = steps;
    this.#world = parts.world;
  }

  /** All steps out of a state but those of the scheduler alone. */
  takenIn(view: ClassView, program: readonly number[]): Taken[] {
    const taken: Taken[] = [];
    for (const { column, alternative, value, subset } of view.entries)
      this.#walk({ view, program, column, alternative, taken }, value, subset);
    for (let column = 0; column < this.#world.columns; column++) {
      const role = this.#parts.roles[column]!;
      const own = program[this.#parts.inProgram[column]!] ?? 0;
      if (role === PROGRAM && !this.#isDone(column, own)) this.#walkAll({ view, program, column, taken }, own, 0);
      if (role !== TASK || !this.#parts.offersSome(column)) continue;
      const { values, subsets } = view.parted(0, column);
      for (const [i, seen] of values.entries())
        this.#walkAll({ view, program, column, taken }, this.#parts.halvesOf(column).join(own, seen), subsets[i]!);
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

  #walkAll(asked: Omit<Asked, 'alternative'>, value: number, subset: number): void {
    const { length } = this.#world.alternatives(asked.column, value);
    for (let alternative = 0; alternative < length; alternative++) this.#walk({ ...asked, alternative }, value, subset);
  }

  /** Looks one alternative up for all members of a subset, which have this value in its column. */
  #walk(asked: Asked, value: number, subset: number): void {
    const { column, alternative, taken } = asked;
    const { length } = taken;
    for (;;) {
      taken.length = length;
      this.#steps.fit();
      const missing = this.#walkFrom(asked, this.#steps.root(column, value) + 1 + alternative, subset);
      if (missing < 0) return;
      this.#steps.learn(this.#rowOf(asked, missing), column, alternative);
    }
  }

  /** @returns a subset for which the step is not known; -1 if it is for all */
  #walkFrom(asked: Asked, first: number, all: number): number {
    const { view, program, taken } = asked;
    const { prog, room } = this.#steps.trie;
    const { roles, inProgram } = this.#parts;
    const open: number[] = [first, all];
    while (open.length > 0) {
      const subset = open.pop()!;
      let link = open.pop()!;
      for (;;) {
        const node = prog[link]!;
        if (node === 0) return subset;
        const read = prog[node]!;
        if (read < 0) {
          taken.push({ step: this.#stepAt(asked, node, subset), subset });
          break;
        }
        const role = roles[read]!;
        const own = program[inProgram[read]!] ?? 0;
        if (role === PROGRAM) {
          link = node + 1 + own;
          continue;
        }
        const { values, subsets } = view.parted(subset, read);
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
  #stepAt(asked: Asked, leaf: number, subset: number): ClassStep {
    const known = this.#steps.known(leaf);
    if (known?.isTaken) return known;
    const { column, alternative } = asked;
    const row = this.#rowOf(asked, subset);
    const step = known ?? this.#steps.at(leaf, row, column, alternative);
    this.#world.run(row, column, this.#world.alternatives(column, row[column]!)[alternative]!);
    step.isTaken = true;
    return step;
  }

  #rowOf({ view, program }: Asked, subset: number): number[] {
    return this.#parts.join(this.#graph.partOf(view.subsets[subset]![0]!), program);
  }
}
