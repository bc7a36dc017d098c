/**
 * Paths out of primitives: a kernel function as a list of items, with the locals that its steps
 * leave, and names that do not repeat; and changes of paths that are there.
 */

import { shownValue } from '../path/fits.ts';
import { replaceStep } from '../path/patch.ts';
import { type Grade, type Item, type Path, PathError, type Source } from '../path/path.ts';

type AnyEvent = { readonly type: string };

/** What else a function of the kit says. @public */
export interface FnRest<T, L, E extends AnyEvent> {
  /** Locals that outlive it: its caller reads them. */
  readonly leaves?: readonly string[];
  /** Locals that steps of the module's own set. */
  readonly locals?: readonly string[];
  readonly requires?: 'N';
  /** How well its steps are known; `memory` unless given. */
  readonly grade?: Grade;
  /** What stands before the items. */
  readonly before?: readonly Item<T, L, E>[];
}

/** The items inside an item: those of a loop, and of each case of a branch. */
function inside<T, L, E extends AnyEvent>(item: Item<T, L, E>): readonly (readonly Item<T, L, E>[])[] {
  if (item.kind === 'loop') return [item.body];
  return item.kind === 'when' ? item.cases.map(([, body]) => body) : [];
}

/** Locals that items leave, those of the paths that they call included. */
function leftBy<T, L, E extends AnyEvent>(items: readonly Item<T, L, E>[]): readonly string[] {
  return items.flatMap((item) => {
    if (item.kind === 'step' || item.kind === 'note') return item.leaves ?? [];
    return item.kind === 'call' ? (item.path.leaves ?? []) : inside(item).flatMap(leftBy);
  });
}

/** Gives each step and each call a name of its own: the second `load_x` is `load_x_2`. */
class Names {
  readonly #taken = new Set<string>();

  constructor(taken: readonly string[] = []) {
    for (const name of taken) this.#taken.add(name);
  }

  own<T, L, E extends AnyEvent>(items: readonly Item<T, L, E>[]): readonly Item<T, L, E>[] {
    return items.map((item): Item<T, L, E> => {
      switch (item.kind) {
        case 'step':
        case 'stop':
          return { ...item, name: this.#free(item.name) };
        case 'call':
          return { ...item, path: { ...item.path, name: this.#free(item.path.name) } };
        case 'loop':
          return { ...item, body: this.own(item.body) };
        case 'when':
          return { ...item, cases: item.cases.map(([test, body]) => [test, this.own(body)] as const) };
        default:
          return item;
      }
    });
  }

  #free(name: string): string {
    let free = name;
    for (let count = 2; this.#taken.has(free); count++) free = `${name}_${count}`;
    this.#taken.add(free);
    return free;
  }
}

/** The names that stand in a path. */
function namesIn<T, L, E extends AnyEvent>(items: readonly Item<T, L, E>[]): readonly string[] {
  return items.flatMap((item) => {
    if (item.kind === 'step' || item.kind === 'stop') return [item.name];
    return item.kind === 'call' ? [item.path.name] : inside(item).flatMap(namesIn);
  });
}

const sourceOf = (source: string | Source, grade: Grade = 'memory'): Source => (typeof source === 'string' ? { source, grade } : source);

/** What is said of something in the place of a list of items. */
export function noItems(value: unknown): string {
  const expected = 'expected a list of items, as [step(…), call(…)]';
  if (value instanceof Promise) return `found a promise; ${expected}, from a function that is not async`;
  return value === undefined ? `found nothing; ${expected}, that the function returns` : `found ${shownValue(value)}; ${expected}`;
}

/**
 * A kernel function. Locals that its steps leave die when it returns, but those of `leaves`; a name
 * that stands there twice gets a number.
 *
 * @param source document, section or kernel function, version
 * @public
 */
export function fn<T, L, E extends AnyEvent>(
  name: string,
  source: string | Source,
  items: readonly Item<T, L, E>[],
  { leaves = [], locals = [], requires, grade, before = [] }: FnRest<T, L, E> = {},
): Path<T, L, E> {
  if (!Array.isArray(items)) throw new PathError(`${name}: ${noItems(items)}`);
  const all = [...before, ...items];
  const own = [...new Set([...leftBy(all), ...locals])].filter((one) => !leaves.includes(one));
  return {
    ...sourceOf(source, grade),
    name,
    items: new Names().own(all),
    locals: own as (keyof L & string)[],
    ...(leaves.length > 0 && { leaves }),
    ...(requires && { requires }),
  };
}

/** The path with items in the place of one, and the locals that they leave. */
function changed<T, L, E extends AnyEvent>(
  path: Path<T, L, E>,
  items: readonly Item<T, L, E>[],
  place: (added: readonly Item<T, L, E>[]) => Path<T, L, E>,
): Path<T, L, E> {
  const made = place(new Names(namesIn(path.items)).own(items));
  return { ...made, locals: [...new Set([...path.locals, ...(leftBy(items) as (keyof L & string)[])])] };
}

/**
 * Items before the step, or the call, of that name.
 * @throws PatchError if the path has none
 * @public
 */
export const before = <T, L, E extends AnyEvent>(path: Path<T, L, E>, name: string, ...items: readonly Item<T, L, E>[]): Path<T, L, E> =>
  changed(path, items, (added) => replaceStep(path, name, (one) => [...added, one]));
/** Items behind it. @throws PatchError if the path has none @public */
export const after = <T, L, E extends AnyEvent>(path: Path<T, L, E>, name: string, ...items: readonly Item<T, L, E>[]): Path<T, L, E> =>
  changed(path, items, (added) => replaceStep(path, name, (one) => [one, ...added]));
/** Items in its place. @throws PatchError if the path has none @public */
export const instead = <T, L, E extends AnyEvent>(path: Path<T, L, E>, name: string, ...items: readonly Item<T, L, E>[]): Path<T, L, E> =>
  changed(path, items, (added) => replaceStep(path, name, () => added));
/** Items before all others. @public */
export const atStart = <T, L, E extends AnyEvent>(path: Path<T, L, E>, ...items: readonly Item<T, L, E>[]): Path<T, L, E> =>
  changed(path, items, (added) => ({ ...path, items: [...added, ...path.items] }));
/** Items behind all others. @public */
export const atEnd = <T, L, E extends AnyEvent>(path: Path<T, L, E>, ...items: readonly Item<T, L, E>[]): Path<T, L, E> =>
  changed(path, items, (added) => ({ ...path, items: [...path.items, ...added] }));

/** The items with others in the place of one, wherever it stands. */
const replaced = <T, L, E extends AnyEvent>(
  items: readonly Item<T, L, E>[],
  one: Item<T, L, E>,
  others: readonly Item<T, L, E>[],
): readonly Item<T, L, E>[] =>
  items.flatMap((item): readonly Item<T, L, E>[] => {
    if (item === one) return others;
    if (item.kind === 'loop') return [{ ...item, body: replaced(item.body, one, others) }];
    if (item.kind === 'when') return [{ ...item, cases: item.cases.map(([test, body]) => [test, replaced(body, one, others)] as const) }];
    return [item];
  });

/** Items around all of it: `inner` stands for what it was. @public */
export function around<T, L, E extends AnyEvent>(
  path: Path<T, L, E>,
  items: (inner: Item<T, L, E>) => readonly Item<T, L, E>[],
): Path<T, L, E> {
  const inner: Item<T, L, E> = { kind: 'note', local: () => ({}) };
  return changed(path, items(inner), (added) => ({ ...path, items: replaced(added, inner, path.items) }));
}
