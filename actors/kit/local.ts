/**
 * Locals by name: what a step of a primitive has read, where the path that reads it is written.
 *
 * The functions of `fn.ts` find them and list them in their path, so that they die with it.
 */
import { type Made, readingTest, withLocals } from '../path/locals.ts';
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

/** The line that calls what calls this. It says no more than whether two are made in one place. */
const callerOf = (): string | undefined => new Error().stack?.split('\n')[3];

/** A local of this name. @public */
export function local<V>(name: string): Local<V> {
  const made: Made = { name, madeAt: callerOf() };
  const of = (locals: object): V | undefined => (locals as Readonly<Record<string, V | undefined>>)[name];
  const self: Local<V> = {
    name,
    of,
    is: (value) => readingTest((_walker: object, locals: object) => of(locals) === value, made),
    isNot: (value) => readingTest((_walker: object, locals: object) => of(locals) !== value, made),
    set: (value) =>
      withLocals(
        { kind: 'note', leaves: [name], local: (walker, locals) => ({ [name]: given(value, walker, locals) }) },
        isLocal(value) ? [madeOf(value)] : [],
        [made],
      ),
    read: (as, value) =>
      withLocals(
        looking({
          kind: 'step',
          name: as,
          leaves: [name],
          local: (walker, locals) => ({ [name]: value(walker, locals) }) as Partial<typeof locals>,
        }),
        [],
        [made],
      ),
  };
  MADE.set(self, made);
  return self;
}

/** Where locals are written. */
const MADE = new WeakMap<object, Made>();
/** A local as what looks at paths knows it. */
export const madeOf = (one: { readonly name: string }): Made => MADE.get(one) ?? { name: one.name };

/** A value, what gives it for the walker, or the local that has it. @public */
export type Given<V, T, L> = V | Local<V> | ((walker: T, locals: L) => V);

const isLocal = <V>(value: unknown): value is Local<V> => typeof value === 'object' && value !== null && 'of' in value;

/** The value for this walker. */
export function given<V, T, L>(value: Given<V, T, L>, walker: T, locals: L): V {
  if (typeof value === 'function') return (value as (walker: T, locals: L) => V)(walker, locals);
  return isLocal(value as V | Local<V>) ? (value as Local<V>).of(locals as object)! : (value as V);
}
