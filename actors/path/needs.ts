/**
 * Whose actors the steps of an item speak to: a mark for who expands a path, so that a step of
 * something that takes no part in a run is found before it runs. It means nothing to a walk.
 */
import { PathError } from './path.ts';

/** Actors of one kind that something brings. */
interface Needed {
  readonly kind: string;
  readonly per?: string;
  readonly input?: (instance: string) => unknown;
}

/**
 * Whether actors of both begin alike: what makes such a thing may be called twice, and a mutant has
 * another machine.
 */
const isSame = (one: Needed, other: Needed): boolean =>
  one === other || (one.per === other.per && JSON.stringify(one.input?.('0')) === JSON.stringify(other.input?.('0')));

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
  const used = [...(uses as ReadonlySet<Needed>)];
  for (const need of (item as Marked)[NEEDS] ?? []) {
    const found = used.find(({ kind }) => kind === need.kind);
    if (found === undefined)
      throw new PathError(
        `${place} is a step of ${need.kind}, which takes no part in the run; expected it in \`uses\` of a mechanism, and no option of that at \`off\``,
      );
    if (!isSame(found, need))
      throw new PathError(
        `${place} is a step of ${need.kind}, but another ${need.kind} takes part in the run; expected the same one in \`uses\`, or another name for one of them`,
      );
  }
}
