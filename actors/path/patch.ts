/**
 * Changes to paths that another file defines: a proposed fix, a variant of a mechanism, or a mutant
 * that a test must notice.
 *
 * A patch names a path and says what stands in its place. It is applied wherever the path is
 * called, before anything is expanded, so that contexts flow through what it puts there and are
 * checked as always.
 */
import type { Item, Path } from './path.ts';

type AnyEvent = { readonly type: string };

/**
 * From a path to what is walked instead. `env` is what the paths of the walker are made from;
 * `hostPatch` and `guestPatch` give it a type.
 * @public
 */
export type PathPatch = <T, L, E extends AnyEvent>(path: Path<T, L, E>, env?: unknown) => Path<T, L, E>;

/** Patches by the name of the path that they change. @public */
export type PathPatches = Readonly<Record<string, readonly PathPatch[]>>;

/** A patch does not fit the path that it names. */
class PatchError extends Error {
  override readonly name = 'PatchError';
}

/**
 * The names of the paths that items call, and of those that these call in turn, as their patches
 * leave them.
 */
export function pathNamesIn<T, L, E extends AnyEvent>(
  items: readonly Item<T, L, E>[],
  patches: PathPatches,
  names = new Set<string>(),
): Set<string> {
  for (const item of items) {
    if (item.kind === 'loop') pathNamesIn(item.body, patches, names);
    else if (item.kind === 'when') for (const [, body] of item.cases) pathNamesIn(body, patches, names);
    else if (item.kind === 'call' && !names.has(item.path.name)) {
      names.add(item.path.name);
      pathNamesIn(patched(item.path, patches).items, patches, names);
    }
  }
  return names;
}

/** All patches of several sets; those of later sets see what earlier ones made. @public */
export function joinPatches(...sets: readonly PathPatches[]): PathPatches {
  const joined: Record<string, PathPatch[]> = {};
  for (const set of sets) {
    for (const [name, patches] of Object.entries(set)) {
      joined[name] = [...(Object.hasOwn(joined, name) ? joined[name]! : []), ...patches];
    }
  }
  return joined;
}

/** The same patches, which get what `env` gives. */
export const withEnv = (patches: PathPatches, env: () => unknown): PathPatches =>
  Object.fromEntries(
    Object.entries(patches).map(([name, list]) => [
      name,
      list.map(
        (patch): PathPatch =>
          (path) =>
            patch(path, env()),
      ),
    ]),
  );

/** The path as its patches leave it. */
export const patched = <T, L, E extends AnyEvent>(path: Path<T, L, E>, patches: PathPatches): Path<T, L, E> =>
  (Object.hasOwn(patches, path.name) ? patches[path.name]! : []).reduce((current, patch) => patch(current), path);

const nameOf = <T, L, E extends AnyEvent>(item: Item<T, L, E>): string | null => {
  if (item.kind === 'step' || item.kind === 'stop') return item.name;
  return item.kind === 'call' ? item.path.name : null;
};

/** What `replaceStep` can find. */
const stepNames = <T, L, E extends AnyEvent>(items: readonly Item<T, L, E>[]): readonly string[] =>
  items.flatMap((item) => {
    if (item.kind === 'loop') return stepNames(item.body);
    if (item.kind === 'when') return item.cases.flatMap(([, body]) => stepNames(body));
    return nameOf(item) ?? [];
  });

/**
 * Whether the path has a step, or a call, of that name; looked for where `replaceStep` looks.
 * @public
 */
export const hasStep = <T, L, E extends AnyEvent>({ items }: Pick<Path<T, L, E>, 'items'>, name: string): boolean =>
  stepNames(items).includes(name);

/**
 * Puts other items in the place of a step, or of a call, of that name; inside loops and branches
 * too, but not inside paths that are called.
 * @throws PatchError if the path has no such item
 * @public
 */
export function replaceStep<T, L, E extends AnyEvent>(
  path: Path<T, L, E>,
  name: string,
  replacement: (item: Item<T, L, E>) => readonly Item<T, L, E>[],
): Path<T, L, E> {
  let found = false;
  const walk = (items: readonly Item<T, L, E>[]): readonly Item<T, L, E>[] =>
    items.flatMap((item): readonly Item<T, L, E>[] => {
      if (nameOf(item) === name) {
        found = true;
        return replacement(item);
      }
      if (item.kind === 'loop') return [{ ...item, body: walk(item.body) }];
      if (item.kind === 'when') return [{ ...item, cases: item.cases.map(([test, body]) => [test, walk(body)] as const) }];
      return [item];
    });
  const items = walk(path.items);
  if (!found) throw new PatchError(`${path.name} has no step ${name}; it has ${stepNames(path.items).join(', ')}`);
  return { ...path, items };
}

/** Leaves steps out. @throws PatchError if the path lacks one of them @public */
export const withoutSteps =
  (...names: readonly string[]): PathPatch =>
  (path) =>
    names.reduce((current, name) => replaceStep(current, name, () => []), path);

/** Changes places of two steps that follow each other. @throws PatchError if they do not @public */
export const swapSteps =
  (first: string, second: string): PathPatch =>
  <T, L, E extends AnyEvent>(path: Path<T, L, E>): Path<T, L, E> => {
    let found = false;
    const walk = (items: readonly Item<T, L, E>[]): readonly Item<T, L, E>[] => {
      const at = items.findIndex((item, i) => nameOf(item) === first && items[i + 1] !== undefined && nameOf(items[i + 1]!) === second);
      if (at >= 0) {
        found = true;
        return [...items.slice(0, at), items[at + 1]!, items[at]!, ...items.slice(at + 2)];
      }
      return items.map((item) => {
        if (item.kind === 'loop') return { ...item, body: walk(item.body) };
        if (item.kind === 'when') return { ...item, cases: item.cases.map(([test, body]) => [test, walk(body)] as const) };
        return item;
      });
    };
    const items = walk(path.items);
    if (!found) throw new PatchError(`${path.name} has no step ${first} followed by ${second}; it has ${stepNames(path.items).join(', ')}`);
    return { ...path, items };
  };
