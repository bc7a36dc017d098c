/** What functions of a race give, looked at where they are called. */
import { noItems } from '../../actors/kit/fn.ts';
import { MechanismError } from './mechanism.ts';

/**
 * What a function of the race has given, which has to have something in it: an operation without
 * items would pass in silence.
 * @throws MechanismError if it is no list, or an empty one
 */
export function itemsOf<Item>(who: string, items: readonly Item[]): readonly Item[] {
  if (!Array.isArray(items)) throw new MechanismError(`${who}: ${noItems(items)}`);
  if (items.length === 0)
    throw new MechanismError(`${who}: found an empty list; expected at least one item: with none it does nothing, and takes no time`);
  return items;
}

/** The same function, with its place in what it throws. */
export const placed =
  <A extends readonly unknown[], R>(who: string, does: (...args: A) => R): ((...args: A) => R) =>
  (...args) => {
    try {
      return does(...args);
    } catch (error) {
      if (error instanceof RangeError && error.message.includes('call stack'))
        throw new MechanismError(`${who}: its items nest too deep, or a function that makes them calls itself`, { cause: error });
      if (error instanceof Error && !error.message.startsWith('race ')) error.message = `${who}: ${error.message}`;
      throw error;
    }
  };
