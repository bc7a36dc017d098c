/**
 * Locals by name: what a step of a primitive has read, where the path that reads it is written.
 *
 * The functions of `fn.ts` find them and list them in their path, so that they die with it.
 */
import type { Note } from '../path/path.ts';

/** A local of a path. @public */
export interface Local<V> {
  readonly name: string;
  /** What it holds; undefined until a step has left something in it. */
  readonly of: (locals: object) => V | undefined;
  /** A test for `when`: it holds this value. */
  readonly is: (value: V) => (walker: object, locals: object) => boolean;
  /** A note: it holds this value from here. */
  readonly set: (value: V | ((walker: object, locals: object) => V)) => Note<object, object>;
}

/** A local of this name. @public */
export function local<V>(name: string): Local<V> {
  const of = (locals: object): V | undefined => (locals as Readonly<Record<string, V | undefined>>)[name];
  return {
    name,
    of,
    is: (value) => (_walker, locals) => of(locals) === value,
    set: (value) => ({
      kind: 'note',
      leaves: [name],
      local: (walker, locals) => ({ [name]: typeof value === 'function' ? (value as (w: object, l: object) => V)(walker, locals) : value }),
    }),
  };
}

/** A value, or what gives it for the walker. @public */
export type Given<V, T, L> = V | ((walker: T, locals: L) => V);

/** The value for this walker. */
export const given = <V, T, L>(value: Given<V, T, L>, walker: T, locals: L): V =>
  typeof value === 'function' ? (value as (walker: T, locals: L) => V)(walker, locals) : value;
