/** Who stands in a slot first, and who may stand in it alone. */

/** Parts of one mechanism, with its name. */
interface OwnedBy<P> {
  readonly owner: string;
  readonly parts: P;
}

/**
 * Two mechanisms claim one slot, and nothing says which comes first; or one key. Or none claims a
 * key that is needed.
 * @public
 */
export class SlotError extends Error {
  override readonly name = 'SlotError';
}

/**
 * What stands in one sequence slot, first to last.
 * @throws SlotError if two have no order of their own
 */
export function inOrder<C extends { readonly order?: number }, P>(
  slot: string,
  owned: readonly OwnedBy<P>[],
  of: (parts: P, owner: string) => C | undefined,
): readonly C[] {
  const held = owned.flatMap(({ owner, parts }) => {
    const content = of(parts, owner);
    return content === undefined ? [] : [{ owner, content }];
  });
  const sorted = [...held].sort((a, b) => (a.content.order ?? 0) - (b.content.order ?? 0));
  for (const [index, { owner, content }] of sorted.entries()) {
    const next = sorted[index + 1];
    if (next && (content.order === undefined || next.content.order === undefined || content.order === next.content.order))
      throw new SlotError(`${owner} and ${next.owner} both claim the slot ${slot}; expected an order of its own from each: { order, … }`);
  }
  return sorted.map(({ content }) => content);
}

/**
 * Handlers of one keyed slot; `marked` is given each with its key and its owner.
 * @throws SlotError if two claim one key
 */
export function byKey(
  slot: string,
  owned: readonly OwnedBy<object>[],
  marked: (handler: unknown, key: string, owner: string) => unknown = (handler) => handler,
): Readonly<Record<string, unknown>> {
  const found = new Map<string, { readonly owner: string; readonly handler: unknown }>();
  for (const { owner, parts } of owned) {
    for (const [key, handler] of Object.entries((parts as Readonly<Record<string, object | undefined>>)[slot] ?? {})) {
      const other = found.get(key);
      if (other)
        throw new SlotError(`${other.owner} and ${owner} both claim ${key} in the slot ${slot}; expected one of them to handle it`);
      found.set(key, { owner, handler });
    }
  }
  return Object.fromEntries([...found].map(([key, { handler, owner }]) => [key, marked(handler, key, owner)]));
}
