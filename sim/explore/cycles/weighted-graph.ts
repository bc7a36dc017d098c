/**
 * Longest paths in a graph whose edges weigh 0 or 1, and nodes that no edge leads out from:
 * strongly connected components first (Tarjan 1972), then from the ends backwards.
 */

/** The edges of node `n` are `starts[n]` up to `starts[n + 1]`. */
export interface WeightedGraph {
  readonly starts: readonly number[];
  readonly from: readonly number[];
  readonly targets: readonly number[];
  /** 0, 1, or `OFFER`. */
  readonly weights: readonly number[];
  /** Nodes that something else leads out from. */
  readonly leaves: readonly number[];
}

/** An edge that no path takes, but that may lead out. */
export const OFFER = -1;

/**
 * The first node from which no edges lead to one that something leads out from; -1 if there is
 * none.
 */
export function firstShut({ starts, targets, from, leaves }: WeightedGraph): number {
  const count = starts.length - 1;
  const into = new Int32Array(count + 1);
  for (const target of targets) into[target + 1]!++;
  for (let node = 0; node < count; node++) into[node + 1]! += into[node]!;
  const at = into.slice();
  const sources = new Int32Array(targets.length);
  for (const [edge, target] of targets.entries()) sources[at[target]!++] = from[edge]!;
  const isOpen = new Uint8Array(count);
  const queue = [...leaves];
  for (const node of leaves) isOpen[node] = 1;
  for (let done = 0; done < queue.length; done++) {
    const node = queue[done]!;
    for (let edge = into[node]!; edge < into[node + 1]!; edge++) {
      const source = sources[edge]!;
      if (isOpen[source] === 1) continue;
      isOpen[source] = 1;
      queue.push(source);
    }
  }
  return isOpen.indexOf(0);
}

export interface LongestPaths {
  /** By node: the most that a way from there can weigh; an edge within a cycle weighs nothing. */
  readonly longest: Float64Array;
  /** The edges of such a way. */
  readonly next: (node: number) => number[];
}

/**
 * Components in the order in which Tarjan closes them: an edge leads into the same one, or an
 * earlier one.
 */
function componentsOf({ starts, targets, weights }: WeightedGraph): { readonly component: Int32Array; readonly order: readonly number[] } {
  const count = starts.length - 1;
  const component = new Int32Array(count).fill(-1);
  const index = new Int32Array(count);
  const low = new Int32Array(count);
  const at = Int32Array.from(starts);
  const open: number[] = [];
  const order: number[] = [];
  let visited = 0;
  let closed = 0;
  const enter = (node: number, path: number[]) => {
    index[node] = low[node] = ++visited;
    open.push(node);
    path.push(node);
  };
  for (let root = 0; root < count; root++) {
    const path: number[] = [];
    if (index[root] === 0) enter(root, path);
    while (path.length > 0) {
      const node = path.at(-1)!;
      if (at[node]! < starts[node + 1]!) {
        const edge = at[node]!++;
        const target = targets[edge]!;
        if (weights[edge] === OFFER) continue;
        if (index[target] === 0) enter(target, path);
        else if (component[target] === -1) low[node] = Math.min(low[node]!, index[target]!);
        continue;
      }
      path.pop();
      const above = path.at(-1);
      if (above !== undefined) low[above] = Math.min(low[above]!, low[node]!);
      if (low[node] !== index[node]) continue;
      for (let member = -1; member !== node; ) {
        member = open.pop()!;
        component[member] = closed;
        order.push(member);
      }
      closed++;
    }
  }
  return { component, order };
}

export function longestPaths(graph: WeightedGraph): LongestPaths {
  const { starts, targets, weights } = graph;
  const { component, order } = componentsOf(graph);
  const best = new Float64Array(component.length);
  // In this order all that a component leads to is known before it.
  for (const node of order) {
    for (let edge = starts[node]!; edge < starts[node + 1]!; edge++) {
      if (weights[edge] === OFFER) continue;
      const other = component[targets[edge]!]!;
      const reach = other === component[node] ? 0 : weights[edge]! + best[other]!;
      if (reach > best[component[node]!]!) best[component[node]!] = reach;
    }
  }
  const longest = Float64Array.from(component, (each) => best[each]!);
  return { longest, next: (node) => wayFrom(graph, component, best, node) };
}

/** Through each component by the fewest edges to one that leads on. */
function wayFrom({ starts, targets, weights, from }: WeightedGraph, component: Int32Array, best: Float64Array, start: number): number[] {
  const way: number[] = [];
  let node = start;
  while (best[component[node]!]! > 0) {
    const by = new Map<number, number>([[node, -1]]);
    let exit = -1;
    for (const reached of by.keys()) {
      for (let edge = starts[reached]!; edge < starts[reached + 1]! && exit < 0; edge++) {
        const target = targets[edge]!;
        if (weights[edge] === OFFER) continue;
        if (component[target] !== component[node]) {
          if (weights[edge]! + best[component[target]!]! === best[component[node]!]) exit = edge;
        } else if (!by.has(target)) by.set(target, edge);
      }
      if (exit >= 0) break;
    }
    if (exit < 0) break;
    const through: number[] = [exit];
    for (let edge = by.get(from[exit]!)!; edge >= 0; edge = by.get(from[edge]!)!) through.push(edge);
    way.push(...through.reverse());
    node = targets[exit]!;
  }
  return way;
}
