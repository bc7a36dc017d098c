/** What was never taken, as people read it: counted, and by path. */
import type { Hole, Item, What } from './chart.ts';
import { holesIn, type Ledger } from './ledger.ts';

const NAMES: Readonly<Record<What, readonly [one: string, many: string]>> = {
  'micro-step': ['micro-step', 'micro-steps'],
  branch: ['branch', 'branches'],
  operation: ['operation', 'operations'],
  offer: ['offer', 'offers'],
};

/** `7 micro-steps, 1 branch`. */
export function countsText(holes: readonly Hole[]): string {
  const parts = Object.entries(NAMES).flatMap(([what, [one, many]]) => {
    const count = holes.filter((hole) => hole.what === what).length;
    return count === 0 ? [] : [`${count} ${count === 1 ? one : many}`];
  });
  return parts.join(', ');
}

export interface HoleGroup {
  /** A path, or the actor whose program it is. */
  readonly place: string;
  readonly holes: readonly Item[];
}

/** Above the groups of these items: the widest path of which no micro-step ever ran. */
function widest(name: string, ran: readonly string[]): string {
  const parts = name.split('.');
  for (let length = 1; length < parts.length; length++) {
    const path = parts.slice(0, length).join('.');
    if (!ran.some((other) => other.startsWith(`${path}.`))) return path;
  }
  return parts.slice(0, -1).join('.') || name;
}

/** By path, those with most holes first. */
export function grouped(holes: readonly Item[], { items, taken }: Pick<Ledger, 'items' | 'taken'>): HoleGroup[] {
  const ran = [...items.values()].filter(({ what, key }) => what === 'micro-step' && taken.has(key)).map(({ name }) => name);
  const groups = new Map<string, Item[]>();
  for (const hole of holes) {
    const place = hole.what === 'micro-step' ? widest(hole.name, ran) : hole.group;
    groups.set(place, [...(groups.get(place) ?? []), hole]);
  }
  return [...groups].map(([place, found]) => ({ place, holes: found })).sort((a, b) => b.holes.length - a.holes.length);
}

/** What several searches, each of another variant, left out together. */
export function together(ledgers: readonly Pick<Ledger, 'items' | 'taken'>[]): {
  items: Map<string, Item>;
  taken: Set<string>;
  holes: Item[];
} {
  const items = new Map(ledgers.flatMap((ledger) => [...ledger.items]));
  const taken = new Set(ledgers.flatMap((ledger) => [...ledger.taken]));
  return { items, taken, holes: holesIn(items, taken) };
}
