/** Where paths stand: each by its name, with the places at which machines walk it. */
import { under } from '../../actors/path/compile.ts';
import { patched } from '../../actors/path/patch.ts';
import { type ShownGraph, type ShownItem, type ShownPath, type Walk, walksOf } from '../../actors/path/walks.ts';
import type { Topology } from '../store.ts';

/** One place at which a path stands. */
export interface Site {
  /** The kind of the actors that walk it. */
  readonly kind: string;
  readonly walk: Walk;
  /** The name of the path under those that call it. */
  readonly prefix: string;
  /** As its patches leave it. */
  readonly path: ShownPath;
  readonly graph: ShownGraph;
  /** Whether a program of the scenario, or a machine by itself, may come there. */
  readonly isUsed: boolean;
}

function sitesBelow(path: ShownPath, callers: string, rest: Omit<Site, 'prefix' | 'path'>): Site[] {
  const prefix = under(callers, path.name);
  const inItems = (items: readonly ShownItem[]): Site[] =>
    items.flatMap((item) => {
      if (item.kind === 'loop') return inItems(item.body);
      if (item.kind === 'when') return item.cases.flatMap(([, body]) => inItems(body));
      return item.kind === 'call' ? sitesBelow(patched(item.path, rest.walk.patches), prefix, rest) : [];
    });
  return [{ ...rest, prefix, path }, ...inItems(path.items)];
}

/** All places of one walk; those that only a program of another scenario comes to stand last. */
function sitesOf(kind: string, walk: Walk): Site[] {
  const used = sitesBelow(patched(walk.path, walk.patches), '', { kind, walk, graph: walk.graph, isUsed: true });
  if (walk.whole === null) return used;
  const known = new Set(used.map(({ prefix }) => prefix));
  const all = sitesBelow(patched(walk.whole.path, walk.patches), '', { kind, walk, graph: walk.whole.graph, isUsed: false });
  return [...used, ...all.filter(({ prefix }) => !known.has(prefix))];
}

/** Places by the name of the path, in the order in which machines come to them. */
export function pathsIn({ machines }: Pick<Topology, 'machines'>): ReadonlyMap<string, readonly Site[]> {
  const found = new Map<string, Site[]>();
  for (const [kind, machine] of Object.entries(machines))
    for (const walk of walksOf(machine))
      for (const site of sitesOf(kind, walk)) found.set(site.path.name, [...(found.get(site.path.name) ?? []), site]);
  return found;
}
