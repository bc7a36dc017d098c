/**
 * Locals by name: what a step of a primitive has read, where the path that reads it is written.
 *
 * The functions of `fn.ts` find them and list them in their path, so that they die with it.
 */
import { looking } from '../path/looks.ts';
import type { Note, Step } from '../path/path.ts';

/** A local of a path. @public */
export interface Local<V> {
  readonly name: string;
  /** What it holds; undefined until a step has left something in it. */
  readonly of: (locals: object) => V | undefined;
  /** A test for `when`: it holds this value. */
  readonly is: (value: V) => (walker: object, locals: object) => boolean;
  /** The other way round. */
  readonly isNot: (value: V) => (walker: object, locals: object) => boolean;
  /** A note: it holds this value from here. */
  readonly set: (value: Given<V, object, object>) => Note<object, object>;
  /** A step of this name, which finds it in what the walker knows: `vcpu->cpu`, its own CPU. */
  readonly read: <T extends object, L extends object>(as: string, value: (walker: T, locals: L) => V) => Step<T, L, never>;
}

/** A local of this name. @public */
export function local<V>(name: string): Local<V> {
  const of = (locals: object): V | undefined => (locals as Readonly<Record<string, V | undefined>>)[name];
  return {
    name,
    of,
    is: (value) => (_walker, locals) => of(locals) === value,
    isNot: (value) => (_walker, locals) => of(locals) !== value,
    set: (value) => ({
      kind: 'note',
      leaves: [name],
      local: (walker, locals) => ({ [name]: given(value, walker, locals) }),
    }),
    read: (as, value) =>
      looking({
        kind: 'step',
        name: as,
        leaves: [name],
        local: (walker, locals) => ({ [name]: value(walker, locals) }) as Partial<typeof locals>,
      }),
  };
}

/** A value, what gives it for the walker, or the local that has it. @public */
export type Given<V, T, L> = V | Local<V> | ((walker: T, locals: L) => V);

const isLocal = <V>(value: V | Local<V>): value is Local<V> => typeof value === 'object' && value !== null && 'of' in value;

/** The value for this walker. */
export function given<V, T, L>(value: Given<V, T, L>, walker: T, locals: L): V {
  if (typeof value === 'function') return (value as (walker: T, locals: L) => V)(walker, locals);
  return isLocal(value as V | Local<V>) ? (value as Local<V>).of(locals as object)! : (value as V);
}
