/**
 * Components of the scheduler's graph: configurations that reach each other by its own steps, and
 * so do the same over any program part.
 */
import { SchedulerGraph } from './graph.ts';

/** Configurations that reach each other by steps of the scheduler. */
export interface Component {
  readonly id: number;
  readonly members: readonly number[];
  /** Other components that a step leads to. */
  readonly out: readonly number[];
}

export class ComponentGraph extends SchedulerGraph {
  readonly components: Component[] = [];
  readonly #componentOf: number[] = [];
  readonly #index: number[] = [];
  readonly #low: number[] = [];
  #counter = 0;
  readonly #reach: (readonly Component[])[] = [];

  /** Whether the component of a configuration is known. */
  isConnected(id: number): boolean {
    return this.#componentOf[id] !== undefined;
  }

  /** The component of a configuration. */
  componentOf(id: number): Component {
    if (this.#componentOf[id] === undefined) this.#connect(id);
    return this.components[this.#componentOf[id]!]!;
  }

  /**
   * Tarjan's algorithm, without recursion: components get their numbers after those they lead to.
   */
  #connect(root: number): void {
    const open: number[] = [];
    try {
      this.#search(root, open);
    } catch (error) {
      // What is not closed is gone through again.
      for (const id of open) delete this.#index[id];
      throw error;
    }
  }

  #search(root: number, open: number[]): void {
    const path: { readonly id: number; readonly targets: readonly number[]; next: number }[] = [];
    const enter = (id: number): void => {
      this.#index[id] = this.#low[id] = ++this.#counter;
      open.push(id);
      path.push({ id, targets: this.targetsOf(id), next: 0 });
    };
    enter(root);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const { id, targets } = top;
      if (top.next < targets.length) {
        const to = targets[top.next++]!;
        if (this.#index[to] === undefined) enter(to);
        else if (this.#componentOf[to] === undefined) this.#low[id] = Math.min(this.#low[id]!, this.#index[to]!);
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above) this.#low[above.id] = Math.min(this.#low[above.id]!, this.#low[id]!);
      if (this.#low[id] === this.#index[id]) this.#close(id, open);
    }
  }

  #close(root: number, open: number[]): void {
    const members: number[] = [];
    const component = this.components.length;
    for (let id = -1; id !== root; ) {
      id = open.pop()!;
      this.#componentOf[id] = component;
      members.push(id);
    }
    members.sort((one, other) => one - other);
    const out = new Set(members.flatMap((id) => this.targetsOf(id).map((to) => this.#componentOf[to]!)));
    out.delete(component);
    this.components.push({ id: component, members, out: [...out] });
  }

  /** Components that a configuration reaches by steps of the scheduler, its own first. */
  reachOf(component: Component): readonly Component[] {
    const known = this.#reach[component.id];
    if (known !== undefined) return known;
    const reach = [component];
    const seen = new Set(reach);
    for (const each of reach)
      for (const id of each.out) {
        const next = this.components[id]!;
        if (seen.has(next)) continue;
        seen.add(next);
        reach.push(next);
      }
    this.#reach[component.id] = reach;
    return reach;
  }
}
