/**
 * Steps that look: they ask something and learn that all is as it was, as a load, a trylock or a
 * cmpxchg may. A mark for who expands a path; it means nothing to a walk.
 *
 * Such a step may change nothing, as one that says `idles`. It is no wait by itself: a loop waits
 * that has nothing but such steps and can be left, as `while (!READ_ONCE(x))` has.
 */
import type { Step } from './path.ts';

type AnyStep = Step<never, never, never>;

const LOOKS = Symbol('looks');

interface Marked {
  readonly [LOOKS]?: true;
}

/** The same step, marked. Copies of it keep the mark. */
export const looking = <S extends object>(step: S): S => ({ ...step, [LOOKS]: true });

/** A step that asks and is answered is marked; any other item is given back as it is. */
export function lookingIfAsks<I extends object>(item: I): I {
  const { kind, answers } = item as Partial<AnyStep>;
  return kind === 'step' && answers !== undefined ? looking(item) : item;
}

/** Whether the step looks, and may learn nothing. */
export const looks = (step: object): boolean => (step as Marked)[LOOKS] === true;
