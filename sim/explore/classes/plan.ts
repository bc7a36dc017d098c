/**
 * What all steps of one task come to in a class: wherever the task runs, and whatever else waits
 * there. The steps are looked up together, remembered by the columns of the program part that they
 * read, and those that do the same are one.
 */
import { MUST_CHANGE, PERHAPS_NO_PROGRESS, SENDS, UNCHANGED } from '../../rows/step-trie.ts';
import type { ClassStep } from './steps.ts';
import type { Taken } from './taken.ts';
import type { ClassView, Entry, Named, Standing, Target } from './view.ts';

/** A change of the program part, and what it leads to. */
export interface Outcome {
  readonly step: ClassStep;
  readonly subset: number;
  readonly target: Target;
}

/** What the steps of a group come to over the program parts that are the same to them. */
export interface Leaf {
  readonly outcomes: readonly Outcome[];
  /** Steps that change nothing. */
  readonly unchanged: number;
  /** Components in which some step is progress. */
  readonly progressing: readonly number[];
}

/** A column of the program part that is read next, and what follows by its value. */
interface Node {
  readonly place: number;
  readonly next: (Node | Leaf)[];
}

const isLeaf = (one: Node | Leaf): one is Leaf => 'outcomes' in one;

/** Alternatives of a class whose steps begin with the same task. */
export interface Group {
  readonly entries: readonly Entry[];
  root: Node | Leaf | null;
}

/** The leaf for a program part; null where it is not known yet. */
export function leafOf({ root }: Group, program: ArrayLike<number>): Leaf | null {
  let at: Node | Leaf | null | undefined = root;
  while (at && !isLeaf(at)) at = at.next[program[at.place] ?? 0];
  return at ?? null;
}

/** Hangs a leaf below the places that were read for it, in reading order. */
export function hang(group: Group, places: readonly number[], program: readonly number[], leaf: Leaf): void {
  let slot: { get: () => Node | Leaf | null; set: (one: Node | Leaf) => void } = {
    get: () => group.root,
    set: (one) => {
      group.root = one;
    },
  };
  for (const place of places) {
    let node = slot.get();
    if (node === null) {
      node = { place, next: [] };
      slot.set(node);
    }
    if (isLeaf(node) || node.place !== place) throw new Error('steps of one group read in two orders');
    const { next } = node;
    const value = program[place] ?? 0;
    slot = {
      get: () => next[value] ?? null,
      set: (one) => {
        next[value] = one;
      },
    };
  }
  slot.set(leaf);
}

/** Steps that do the same are one; `targetOf` says where one leads. */
export function leafFrom(view: ClassView, { steps, subsets }: Taken, targetOf: (step: ClassStep, subset: number) => Target): Leaf {
  const outcomes = new Map<string, Outcome>();
  const progressing = new Set<number>();
  let unchanged = 0;
  for (const [i, step] of steps.entries()) {
    const subset = subsets[i]!;
    if ((step.flags & PERHAPS_NO_PROGRESS) === 0) for (const component of view.componentsOf(subset)) progressing.add(component);
    if ((step.flags & UNCHANGED) !== 0) {
      unchanged++;
      continue;
    }
    const target = targetOf(step, subset);
    const alone = (step.flags & MUST_CHANGE) !== 0 && (step.flags & SENDS) !== 0 ? `${subset} ${step.effect.id} ` : '';
    const key = `${alone}${step.flags} ${step.own} ${target.classes.map(({ view: { id }, at }) => `${id} ${at}`).join()}`;
    const known = outcomes.get(key);
    outcomes.set(key, known ? { ...known, target: both(known.target, target) } : { step, subset, target });
  }
  return { outcomes: [...outcomes.values()], unchanged, progressing: [...progressing] };
}

/** The same classes, entered by either. */
function both({ entered, classes }: { readonly entered: readonly Named[]; readonly classes: readonly Standing[] }, other: Target): Target {
  const all = new Map([...entered, ...other.entered].map((named) => [`${named.id} ${named.at}`, named]));
  return { entered: [...all.values()], classes };
}
