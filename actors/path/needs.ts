/**
 * Whose actors the steps of an item speak to: a mark for who expands a path, so that a step of
 * something that takes no part in a run is found before it runs. It means nothing to a walk.
 */
import { PathError } from './path.ts';

/** Actors of one kind that something brings. */
interface Needed {
  readonly kind: string;
}

const NEEDS = Symbol('needs');

interface Marked {
  readonly [NEEDS]?: readonly Needed[];
}

/** The same item, marked. Copies of it keep the mark. */
export const needing = <I extends object>(item: I, needs: readonly Needed[]): I => ({ ...item, [NEEDS]: needs });

/** What an item is a step of, in words; null where it says nothing of that. */
export function stepOf(item: object): string | null {
  const [need] = (item as Marked)[NEEDS] ?? [];
  const { name, path } = item as { readonly name?: string; readonly path?: { readonly name: string } };
  return need === undefined ? null : `${name ?? path?.name} of ${need.kind}`;
}

/** @throws PathError if the item needs what does not take part */
export function refuseLacking(item: object, uses: ReadonlySet<object>, place: string): void {
  const kinds = new Set([...(uses as ReadonlySet<Needed>)].map(({ kind }) => kind));
  const lacks = (item as Marked)[NEEDS]?.find(({ kind }) => !kinds.has(kind));
  if (lacks === undefined) return;
  throw new PathError(
    `${place} is a step of ${lacks.kind}, which takes no part in the run; expected it in \`uses\` of a mechanism, and no option of that at \`off\``,
  );
}
