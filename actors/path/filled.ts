/**
 * Which slot an item fills, who has put it there, and whether a module of the user's own has: marks
 * for those who show a path. They mean nothing to a walk.
 */
import type { Item } from './path.ts';

/** A named slot, of several keys also the key, and the mechanism that fills it. */
export interface Filling {
  readonly slot: string;
  readonly owner: string;
}

const FILLS = Symbol('fills');
const OWN = Symbol('own');

interface Marked {
  readonly [FILLS]?: Filling;
  readonly [OWN]?: true;
}

/**
 * The same items, marked; a slot that stands inside another one keeps its own mark. Copies of items
 * keep it too.
 */
export const filling = <T, L, E extends { readonly type: string }>(items: readonly Item<T, L, E>[], mark: Filling): Item<T, L, E>[] =>
  items.map((item) => ({ [FILLS]: mark, ...item }));

export const fillingOf = (item: object): Filling | null => (item as Marked)[FILLS] ?? null;

/** The items with a mark on each step and each call that is not among those of `before`. */
export function markedNew<T, L, E extends { readonly type: string }>(
  items: readonly Item<T, L, E>[],
  before: readonly Item<T, L, E>[],
): Item<T, L, E>[] {
  const known = new Set<object>(leaves(before));
  const own: Marked = { [OWN]: true };
  const marked = (list: readonly Item<T, L, E>[]): Item<T, L, E>[] =>
    list.map((item): Item<T, L, E> => {
      if (item.kind === 'loop') return { ...item, body: marked(item.body) };
      if (item.kind === 'when') return { ...item, cases: item.cases.map(([test, body]) => [test, marked(body)] as const) };
      return known.has(item) ? item : { ...own, ...item };
    });
  return marked(items);
}

/** All items but loops and branches. */
const leaves = <T, L, E extends { readonly type: string }>(items: readonly Item<T, L, E>[]): readonly Item<T, L, E>[] =>
  items.flatMap((item) => {
    if (item.kind === 'loop') return leaves(item.body);
    return item.kind === 'when' ? item.cases.flatMap(([, body]) => leaves(body)) : [item];
  });

export const isOwn = (item: object): boolean => (item as Marked)[OWN] === true;
