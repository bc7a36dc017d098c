/**
 * Locals that are values of their own: which of them items and tests read and leave, as marks, and
 * what is wrong with these before anything runs. The marks mean nothing to a walk.
 *
 * A test that is a function of the author's own says nothing of what it reads.
 */
import { didYouMean } from '../../events/nearest.ts';
import { type PathPatches, patched } from './patch.ts';
import { type Item, type Path, PathError } from './path.ts';
import { caseAt, itemAt } from './shape.ts';

type AnyEvent = { readonly type: string };

/** A local, and where it is written: two that are made in one place are one. */
export interface Made {
  readonly name: string;
  readonly madeAt?: string | undefined;
}

const READS = Symbol('reads');
const LEAVES = Symbol('leaves');

interface Marked {
  readonly [READS]?: readonly Made[];
  readonly [LEAVES]?: readonly Made[];
}

/** The same test, marked. */
export const readingTest = <F extends (...args: never[]) => unknown>(test: F, local: Made): F =>
  Object.assign(test, { [READS]: [local] } satisfies Marked);

/** The same item, marked. Copies of it keep the marks. */
export const withLocals = <I extends object>(item: I, reads: readonly Made[], leaves: readonly Made[]): I => {
  const { [READS]: read = [], [LEAVES]: left = [] } = item as Marked;
  return { ...item, [READS]: [...read, ...reads], [LEAVES]: [...left, ...leaves] };
};

/** A path on the way to an item: its locals, and what has been left in them so far. */
interface Frame {
  readonly place: string;
  readonly locals: readonly string[];
  readonly left: Map<string, Made>;
}

/** More names than these are not listed. */
const NAMES_MAX = 12;

/**
 * Looks through a path and all that it calls.
 * @param keeps locals that outlive it
 * @throws PathError where a local is stored or passed that no path around lists, so that nothing
 * can be in it; where one is tested whose name is a slip; where two locals of one name are left
 */
export function checkLocals<T, L, E extends AnyEvent>(path: Path<T, L, E>, patches: PathPatches, keeps: readonly string[]): void {
  new Reader<T, L, E>(patches, keeps).ofPath(path, []);
}

class Reader<T, L, E extends AnyEvent> {
  readonly #patches: PathPatches;
  readonly #keeps: readonly string[];
  /** The path with which each local dies. */
  readonly #dies = new Map<string, string>();

  constructor(patches: PathPatches, keeps: readonly string[]) {
    this.#patches = patches;
    this.#keeps = keeps;
  }

  ofPath({ name, items, locals }: Path<T, L, E>, around: readonly Frame[]): void {
    const place = [...around.slice(-1).map((frame) => frame.place), name].join('.');
    for (const local of locals) {
      this.#refuseLost(local, place, around);
      this.#dies.set(local, place);
    }
    this.#ofItems(items, place, [...around, { place, locals, left: new Map() }]);
  }

  #ofItems(items: readonly Item<T, L, E>[], place: string, frames: readonly Frame[]): void {
    for (const [i, item] of items.entries()) {
      const at = itemAt(place, items, i);
      this.#refuseUnset(item, at, frames);
      this.#refuseTwice(item, at, frames);
      if (item.kind === 'call') this.ofPath(patched(item.path, this.#patches), frames);
      else if (item.kind === 'loop') this.#ofItems(item.body, at, frames);
      else if (item.kind === 'when')
        for (const [n, [test, body]] of item.cases.entries()) {
          this.#refuseUnset(test, caseAt(at, n), frames, true);
          this.#ofItems(body, caseAt(at, n), frames);
        }
    }
  }

  /** @param isTest it may be there in another variant: only a slip in its name is told */
  #refuseUnset(reader: object, at: string, frames: readonly Frame[], isTest = false): void {
    const known = [...frames.flatMap(({ locals }) => locals), ...this.#keeps];
    const unset = (reader as Marked)[READS]?.find(({ name }) => !known.includes(name));
    if (unset === undefined) return;
    const { name } = unset;
    const dies = this.#dies.get(name);
    const left = [...new Set(frames.flatMap((frame) => [...frame.left.keys()]))].slice(-NAMES_MAX);
    if (isTest && (dies !== undefined || didYouMean(name, left) === '')) return;
    throw new PathError(
      dies === undefined
        ? `${at} reads the local ${JSON.stringify(name)}, in which nothing is left; expected a step or a set() that leaves something${left.length > 0 ? `, or one of ${left.join(', ')}` : ''}${didYouMean(name, known)}`
        : `${at} reads the local ${JSON.stringify(name)}, which dies with ${dies}; expected it in \`leaves\` of that, or read in there`,
    );
  }

  /** What a caller has left dies where a path that it calls has a local of the same name. */
  #refuseLost(name: string, place: string, around: readonly Frame[]): void {
    if (!around.some(({ left }) => left.has(name))) return;
    throw new PathError(
      `${place} has a local of its own that is called ${JSON.stringify(name)}, and what its caller has left in that dies with it; expected another name for the local of the caller`,
    );
  }

  #refuseTwice(item: object, at: string, frames: readonly Frame[]): void {
    for (const one of (item as Marked)[LEAVES] ?? []) {
      const other = frames.map(({ left }) => left.get(one.name)).find((left) => left !== undefined && left.madeAt !== one.madeAt);
      if (other !== undefined)
        throw new PathError(
          `${at}: two locals are called ${JSON.stringify(one.name)}, and what is left in one is left in both: a local is its name; expected another name for one of them`,
        );
      frames.findLast(({ locals }) => locals.includes(one.name))?.left.set(one.name, one);
    }
  }
}
