/**
 * Which slot an item fills, and who has put it there: a mark for those who show a path. It means
 * nothing to a walk.
 */
import type { Item } from './path.ts';

/** A named slot, of several keys also the key, and the mechanism that fills it. */
export interface Filling {
  readonly slot: string;
  readonly owner: string;
}

const FILLS = Symbol('fills');

interface Marked {
  readonly [FILLS]?: Filling;
}

/**
 * The same items, marked; a slot that stands inside another one keeps its own mark. Copies of items
 * keep it too.
 */
export const filling = <T, L, E extends { readonly type: string }>(items: readonly Item<T, L, E>[], mark: Filling): Item<T, L, E>[] =>
  items.map((item) => ({ [FILLS]: mark, ...item }));

export const fillingOf = (item: object): Filling | null => (item as Marked)[FILLS] ?? null;
