/**
 * A class: configurations of the scheduler that one program part is expanded in together. A step is
 * looked up for all of them at once: they are parted by each column that it reads, and by no other.
 */

import type { ComponentGraph } from './component-graph.ts';
import { type Parts, PROGRAM } from './parts.ts';
import type { ClassStep } from './steps.ts';

/** Members with the same value in a column, as the number of a subset. */
export interface Parting {
  readonly values: readonly number[];
  readonly subsets: readonly number[];
}

/** An alternative that is visible in some members that have one value in its column. */
export interface Entry {
  readonly column: number;
  readonly alternative: number;
  readonly value: number;
  readonly subset: number;
}

/** A configuration, and the renaming that has made it of another one; -1 for none. */
export interface Named {
  readonly id: number;
  readonly at: number;
}

/** A class, and the renaming of the program part over which it stands; -1 for none. */
export interface Standing {
  readonly view: ClassView;
  readonly at: number;
}

/** Where a step leads from the members of a subset. */
export interface Target {
  /** Configurations right after the step, under the least names. */
  readonly entered: readonly Named[];
  /** Classes that stand for all of them. */
  readonly classes: readonly Standing[];
}

/** Sinks that are told apart by bits. */
const SINKS_MAX = 30;

export class ClassView {
  readonly id: number;
  readonly members: readonly number[];
  /**
   * Components that no step of the scheduler leaves, as bits; null where members of components are
   * left out, or there are too many.
   */
  readonly allSinks: number | null;
  readonly #sinks: readonly number[];
  /** By subset. */
  readonly #sinksIn: number[] = [];
  #idle: readonly number[] | null = null;
  /** By column. */
  readonly #viewsIn: Set<number>[] = [];
  /** The component that the others are reached from; null where some are left out. */
  readonly component: number | null;
  /** Its name, and what it is called under other names, by renaming; and the least of all. */
  ownName: number | undefined;
  readonly images: number[] = [];
  least: number | undefined;
  /** The scheduler's own steps in it were taken. */
  isTaken = false;
  /** By column of a task and its program: whether it offers anything in some member. */
  readonly offers: boolean[][] = [];
  /** Whether properties see all members alike over any program part; undefined where not asked. */
  isUniform: boolean | undefined;
  /** By column of a task and its program: whether properties see it alike in all members. */
  alike: boolean[][] = [];
  /** Whether something in a member is evidence by itself; undefined where it was not asked. */
  isEvident: boolean | undefined;
  /** Members, by subset; all of them are subset 0. */
  readonly subsets: (readonly number[])[];
  readonly #graph: ComponentGraph;
  readonly #parts: Parts;
  readonly #ids = new Map<string, number>();
  /** By column and subset. */
  readonly #partings: Parting[][] = [];
  /** By subset and effect. */
  readonly #targets: Map<number, Target>[] = [];
  #entries: readonly Entry[] | null = null;

  constructor({ id, members, component }: Pick<ClassView, 'id' | 'members' | 'component'>, graph: ComponentGraph, parts: Parts) {
    this.id = id;
    this.members = members;
    this.component = component;
    this.subsets = [members];
    this.#graph = graph;
    this.#parts = parts;
    this.#ids.set(members.join(), 0);
    const components = new Set(members.map((id) => graph.componentOf(id)));
    const reach = new Set([...components].flatMap((component) => graph.reachOf(component).flatMap((each) => each.members)));
    this.#sinks = [...components].filter(({ out }) => out.length === 0).map((component) => component.id);
    this.allSinks = reach.size > members.length || this.#sinks.length > SINKS_MAX ? null : (1 << this.#sinks.length) - 1;
  }

  partOf(id: number): readonly number[] {
    return this.#graph.partOf(id);
  }

  /** The components of `allSinks` that members of a subset belong to, as bits. */
  sinksIn(subset: number): number {
    this.#sinksIn[subset] ??= this.subsets[subset]!.reduce((bits, id) => {
      const sink = this.#sinks.indexOf(this.#graph.componentOf(id).id);
      return sink < 0 ? bits : bits | (1 << sink);
    }, 0);
    return this.#sinksIn[subset];
  }

  /** Members in which nothing that schedules can do anything. */
  get idle(): readonly number[] {
    this.#idle ??= this.members.filter((id) => this.#graph.isIdle(id));
    return this.#idle;
  }

  /** What is seen of a task in the members. */
  viewsIn(column: number): ReadonlySet<number> {
    const place = this.#parts.inConfiguration[column]!;
    this.#viewsIn[column] ??= new Set(this.members.map((id) => this.#graph.at(id, place)));
    return this.#viewsIn[column];
  }

  /** Alternatives of the scheduler's columns that are no steps of the scheduler alone. */
  get entries(): readonly Entry[] {
    this.#entries ??= this.#entriesOf();
    return this.#entries;
  }

  #entriesOf(): Entry[] {
    const found = new Map<string, { column: number; alternative: number; value: number; members: number[] }>();
    for (const id of this.members)
      for (const { column, alternative } of this.#graph.visibleIn(id)) {
        const value = this.#graph.at(id, this.#parts.inConfiguration[column]!);
        const key = `${column} ${value} ${alternative}`;
        const entry = found.get(key);
        if (entry) entry.members.push(id);
        else found.set(key, { column, alternative, value, members: [id] });
      }
    return [...found.values()].map(({ members, ...entry }) => ({ ...entry, subset: this.#subset(members) }));
  }

  #subset(members: readonly number[]): number {
    const key = members.join();
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#ids.set(key, this.subsets.length);
    return this.subsets.push(members) - 1;
  }

  /** The members of a subset by their value in a column that is not the program's. */
  parted(subset: number, column: number): Parting {
    this.#partings[column] ??= [];
    const bySubset = this.#partings[column]!;
    const known = bySubset[subset];
    if (known !== undefined) return known;
    if (this.#parts.roles[column] === PROGRAM) throw new Error('a class does not part by program');
    const place = this.#parts.inConfiguration[column]!;
    const byValue = new Map<number, number[]>();
    for (const id of this.subsets[subset]!) {
      const value = this.#graph.at(id, place);
      const same = byValue.get(value);
      if (same) same.push(id);
      else byValue.set(value, [id]);
    }
    const parting = { values: [...byValue.keys()], subsets: [...byValue.values()].map((members) => this.#subset(members)) };
    bySubset[subset] = parting;
    return parting;
  }

  /** Where a step leads from the members of a subset, if that was worked out. */
  targetOf(subset: number, { effect }: ClassStep): Target | undefined {
    return this.#targets[subset]?.get(effect.id);
  }

  /** Keeps where a step leads. */
  setTarget(subset: number, { effect }: ClassStep, target: Target): void {
    this.#targets[subset] ??= new Map();
    this.#targets[subset]!.set(effect.id, target);
  }
}
