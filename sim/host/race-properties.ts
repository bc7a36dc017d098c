/** Properties of one primitive at a time, in one line each: what its actors hold. */
import type { Grade } from '../../actors/path/path.ts';
import { alwaysEach, type Property, sometimes } from '../property.ts';

/** What a primitive is called, and what the context of its actors is. */
interface Kind<C> {
  readonly kind: string;
  /** Of the type alone. */
  readonly context?: C;
}
/** Evidence in the context of one actor; `instance` is the second half of its id. */
type Look<C> = (context: C, instance: string) => string | null | false | undefined;

const instanceOf = (id: string): string => id.slice(id.indexOf(':') + 1);

/**
 * Holds always, of each actor of the primitive: `look` gives evidence where it does not.
 * @param source what says so
 * @public
 */
export const holds = <C>({ kind }: Kind<C>, id: string, source: string, look: Look<C>, grade: Grade = 'decision'): Property =>
  alwaysEach<C>(id, { kind, source, grade, each: (actor) => look(actor.context, instanceOf(actor.id)) || null });

/**
 * Comes true in some run, of some actor of the primitive: a race that never happens proves nothing.
 * @param source what says so
 * @public
 */
export const happens = <C>({ kind }: Kind<C>, id: string, source: string, look: Look<C>, grade: Grade = 'decision'): Property =>
  sometimes(id, {
    kinds: [kind],
    source,
    grade,
    check: (world) => {
      for (const actor of world.actors<C>(kind)) {
        const evidence = look(actor.context, instanceOf(actor.id));
        if (evidence) return evidence;
      }
      return null;
    },
  });
