/**
 * The classes of a search, each once: all that the scheduler leads to from a component of its
 * graph, or some members where a run ends in others; and what they are under other names of CPUs.
 */
import type { ComponentGraph } from './component-graph.ts';
import type { Names } from './names.ts';
import type { Parts } from './parts.ts';
import { ClassView } from './view.ts';

export class Classes {
  readonly views: ClassView[] = [];
  /** Null where CPUs are not renamed. */
  names: Names | null;
  readonly #graph: ComponentGraph;
  readonly #parts: Parts;
  readonly #viewOf = new Map<string, number>();
  readonly #viewOfComponent: number[] = [];

  constructor(graph: ComponentGraph, parts: Parts, names: Names | null) {
    this.#graph = graph;
    this.#parts = parts;
    this.names = names;
  }

  /** The least number of classes that stand for configurations. */
  standFor(configurations: readonly number[]): number[] {
    const components = [...new Set(configurations.map((id) => this.#graph.componentOf(this.#graph.onward(id))))];
    const inside = (one: { readonly id: number }) =>
      components.some((other) => other !== one && this.#graph.reachOf(other).some(({ id }) => id === one.id));
    return components.filter((component) => !inside(component)).map(({ id }) => this.ofComponent(id));
  }

  /** All that the scheduler leads to from a component. */
  ofComponent(component: number): number {
    const known = this.#viewOfComponent[component];
    if (known !== undefined) return known;
    const reach = this.#graph.reachOf(this.#graph.components[component]!);
    const view = this.ofMembers(reach.flatMap(({ members }) => members));
    view.component = component;
    this.#viewOfComponent[component] = view.id;
    return view.id;
  }

  /** All that the scheduler leads to from a configuration that does not run on. */
  ofConfiguration(id: number): ClassView {
    return this.views[this.ofComponent(this.#graph.componentOf(id).id)]!;
  }

  /** These members alone. */
  ofMembers(members: readonly number[]): ClassView {
    const key = members.join();
    const known = this.#viewOf.get(key);
    if (known !== undefined) return this.views[known]!;
    const view = new ClassView(this.views.length, members, this.#graph, this.#parts);
    this.views.push(view);
    this.#viewOf.set(key, view.id);
    return view;
  }

  /** What a renaming makes of a class. */
  image(at: number, view: ClassView): ClassView {
    view.images[at] ??= this.#viewRenamed(at, view).id;
    return this.views[view.images[at]!]!;
  }

  #viewRenamed(at: number, view: ClassView): ClassView {
    const renamed = (id: number): number => {
      const { configuration, program } = this.#parts.split(
        this.names!.row(at, this.#parts.join(this.#graph.partOf(id), this.#graph.witnessOf(id))),
      );
      return this.#graph.put(configuration, program);
    };
    if (view.component === null) return this.ofMembers(view.members.map(renamed).sort((one, other) => one - other));
    const [first] = this.#graph.components[view.component]!.members;
    return this.ofConfiguration(this.#graph.onward(renamed(first!)));
  }

  /** The least class among those that differ by names alone. */
  leastOf(view: ClassView): number {
    view.least ??= Math.min(view.id, ...this.names!.images.map((_, at) => this.image(at, view).id));
    return view.least;
  }
}
