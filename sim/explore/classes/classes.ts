/**
 * The classes of a search, each once: all that the scheduler leads to from a component of its
 * graph, or some members where a run ends in others; and what they are under other names of CPUs.
 */
import type { Component, ComponentGraph } from './component-graph.ts';
import type { Names } from './names.ts';
import type { Parts } from './parts.ts';
import { isSame } from './same.ts';
import type { ClassStep } from './steps.ts';
import { ClassView, type Named, type Standing, type Target } from './view.ts';

/** Configurations looked through for the first state under other names. */
const FIRST_REACH_MAX = 20_000;

/** A step in some members of a class, and the program part that it leads to. */
interface Step {
  readonly step: ClassStep;
  readonly subset: number;
  readonly program: ArrayLike<number>;
}

export class Classes {
  readonly views: ClassView[] = [];
  /** Null where CPUs are not renamed. */
  names: Names | null;
  readonly #graph: ComponentGraph;
  readonly #parts: Parts;
  readonly #viewOf = new Map<string, ClassView>();
  readonly #viewOfComponent: ClassView[] = [];
  readonly #names = new Map<string, number>();
  /** By name. */
  readonly #viewNamed: ClassView[] = [];
  readonly #named: Named[] = [];
  /** By renaming and configuration. */
  readonly #images: number[][] = [];

  constructor(graph: ComponentGraph, parts: Parts, names: Names | null) {
    this.#graph = graph;
    this.#parts = parts;
    this.names = names;
  }

  /**
   * Whether the scheduler leads from the first state to the same under all other names: then the
   * states that can be reached are the same with other names.
   */
  isAnyName(first: number, program: ArrayLike<number>): boolean {
    const names = this.names!;
    if (!names.images.every((_, at) => isSame(names.program(at, program), program))) return false;
    const left = new Set(
      names.images.map((_, at) => {
        const { configuration } = this.#parts.split(names.row(at, this.#parts.join(this.#graph.partOf(first), program)));
        return this.#graph.put(configuration, program);
      }),
    );
    const reached = new Set([first]);
    for (const id of reached) {
      left.delete(id);
      if (left.size === 0 || reached.size > FIRST_REACH_MAX) break;
      for (const to of this.#graph.targetsOf(id)) reached.add(to);
    }
    return left.size === 0;
  }

  /**
   * A configuration, or the same under the least names, and the renaming that leads to it; -1 for
   * none.
   */
  named(id: number): Named {
    const known = this.#named[id];
    if (known !== undefined) return known;
    let least: Named = { id, at: -1 };
    // What was looked into already needs no other name.
    if (this.names !== null && !this.#graph.isConnected(id)) {
      let key = this.#graph.keyOf(id);
      for (const at of this.names.images.keys()) {
        const image = this.#image(at, id);
        if (this.#graph.keyOf(image) >= key) continue;
        least = { id: image, at };
        key = this.#graph.keyOf(image);
      }
    }
    this.#named[id] = least;
    return least;
  }

  /** What a renaming makes of a configuration. */
  #image(at: number, id: number): number {
    this.#images[at] ??= [];
    const known = this.#images[at]!;
    if (known[id] === undefined) {
      const row = this.names!.row(at, this.#parts.join(this.#graph.partOf(id), this.#graph.witnessOf(id)));
      const { configuration, program } = this.#parts.split(row);
      known[id] = this.#graph.put(configuration, program);
    }
    return known[id];
  }

  /** Where a step leads to this program part; worked out once for each subset and effect. */
  target(view: ClassView, { step, subset, program }: Step): Target {
    const ids = new Set(view.subsets[subset]!.map((id) => this.#graph.after(id, step, program)));
    const entered = new Map([...ids].map((id) => this.named(id)).map((named) => [`${named.id} ${named.at}`, named]));
    const target = { entered: [...entered.values()], classes: this.#standFor([...entered.values()]) };
    view.setTarget(subset, step, target);
    return target;
  }

  /** The fewest classes that stand for configurations, each with a renaming of what led there. */
  #standFor(entered: readonly Named[]): Standing[] {
    const roots = new Map<string, { readonly component: Component; readonly at: number }>();
    for (const { id, at } of entered) {
      const component = this.#graph.componentOf(id);
      roots.set(`${component.id} ${at}`, { component, at });
    }
    const all = [...roots.values()];
    const isInside = (one: (typeof all)[number]) =>
      all.some((other) => other !== one && other.at === one.at && this.#graph.reachOf(other.component).includes(one.component));
    return all.filter((one) => !isInside(one)).map(({ component, at }) => ({ view: this.#ofComponent(component.id), at }));
  }

  /** All that the scheduler leads to from a component. */
  #ofComponent(id: number): ClassView {
    const known = this.#viewOfComponent[id];
    if (known !== undefined) return known;
    const component = this.#graph.components[id]!;
    const reach = this.#graph.reachOf(component);
    const view = this.#add(
      reach.flatMap(({ members }) => members),
      id,
    );
    this.#viewOfComponent[id] = view;
    return view;
  }

  /** All that the scheduler leads to from a configuration. */
  ofConfiguration(id: number): ClassView {
    return this.#ofComponent(this.#graph.componentOf(id).id);
  }

  /** These members alone. */
  ofMembers(members: readonly number[]): ClassView {
    const key = members.join();
    const known = this.#viewOf.get(key);
    if (known !== undefined) return known;
    const view = this.#add(members, null);
    this.#viewOf.set(key, view);
    return view;
  }

  #add(members: readonly number[], component: number | null): ClassView {
    const view = new ClassView({ id: this.views.length, members, component }, this.#graph, this.#parts);
    this.views.push(view);
    return view;
  }

  /**
   * The class that a renaming makes of one, as a number. The class itself need not be there: it is
   * named by the least of the configurations in which all the others are reached, or by all of its
   * own.
   */
  nameOf(view: ClassView, at: number): number {
    const names = at < 0 ? view.ownName : view.images[at];
    if (names !== undefined) return names;
    const firsts = view.component === null ? view.members : this.#graph.components[view.component]!.members;
    const ids = firsts.map((id) => (at < 0 ? id : this.#image(at, id)));
    const key = view.component === null ? `-${ids.sort((one, other) => one - other).join()}` : `+${Math.min(...ids)}`;
    let name = this.#names.get(key);
    if (name === undefined) {
      name = this.#names.size;
      this.#names.set(key, name);
    }
    if (at < 0) {
      view.ownName = name;
      this.#viewNamed[name] ??= view;
    } else view.images[at] = name;
    return name;
  }

  /** The class with this name, which is one that was there. */
  viewNamed(name: number): ClassView {
    return this.#viewNamed[name]!;
  }

  /** The least name of a class; its own is the least where its names were not heard before. */
  leastOf(view: ClassView): number {
    if (view.least === undefined) {
      const own = this.nameOf(view, -1);
      view.least = Math.min(own, ...(this.names?.images ?? []).map((_, at) => this.nameOf(view, at)));
    }
    return view.least;
  }
}
