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
  /** Components that the scheduler does not leave and in which some step is progress, as bits. */
  readonly progressing: number;
}

/** A leaf, and where its changes begin in the code. */
export interface Planned extends Leaf {
  readonly begin: number;
}

/** Alternatives of a class whose steps begin with the same task. */
export interface Group {
  readonly entries: readonly Entry[];
  root: number;
}

/** An outcome that sends: its change is in its step. */
export const IN_STEP = -1;

/**
 * All leaves, as integers. A link is 0 for what is not known, the place of a node, or -1 less the
 * number of a leaf. Node: `[place of the program part, links, link by value]`. Changes of a leaf,
 * by outcome: `[length, (place, value) x length / 2]`, or IN_STEP.
 */
export class Plans {
  code = new Int32Array(1 << 12);
  #used = 1;
  readonly #leaves: Planned[] = [];

  /** The leaf for a program part; null where it is not known yet. */
  leafOf({ root }: Group, program: ArrayLike<number>): Planned | null {
    const { code } = this;
    let at = root;
    while (at > 0) {
      const value = program[code[at]!] ?? 0;
      at = value < code[at + 1]! ? code[at + 2 + value]! : 0;
    }
    return at === 0 ? null : this.#leaves[-1 - at]!;
  }

  /** Hangs a leaf below the places that were read for it, in reading order. */
  hang(group: Group, places: readonly number[], program: ArrayLike<number>, leaf: Leaf): Planned {
    let slot = -1;
    const follow = (): number => (slot < 0 ? group.root : this.code[slot]!);
    const link = (to: number): number => {
      if (slot < 0) group.root = to;
      else this.code[slot] = to;
      return to;
    };
    for (const place of places) {
      const value = program[place] ?? 0;
      let node = follow();
      if (node < 0 || (node > 0 && this.code[node] !== place)) throw new Error('steps of one group read in two orders');
      if (node === 0 || value >= this.code[node + 1]!) node = link(this.#node(place, value, node));
      slot = node + 2 + value;
    }
    const planned = { ...leaf, begin: this.#changes(leaf) };
    link(-this.#leaves.push(planned));
    return planned;
  }

  /** A node with a link for a value, and with those of the one that it takes the place of. */
  #node(place: number, value: number, old: number): number {
    const links = Math.max(4, 2 * value);
    const node = this.#take(2 + links);
    this.code[node] = place;
    this.code[node + 1] = links;
    if (old > 0) this.code.copyWithin(node + 2, old + 2, old + 2 + this.code[old + 1]!);
    return node;
  }

  #changes({ outcomes }: Leaf): number {
    const changes = outcomes.flatMap(({ step: { sets, sends } }) => (sends.length > 0 ? [IN_STEP] : [sets.length, ...sets]));
    const begin = this.#take(changes.length);
    this.code.set(changes, begin);
    return begin;
  }

  #take(integers: number): number {
    const at = this.#used;
    this.#used += integers;
    if (this.#used > this.code.length) {
      const wider = new Int32Array(2 * this.#used);
      wider.set(this.code);
      this.code = wider;
    }
    return at;
  }
}

/** Steps that do the same are one; `targetOf` says where one leads. */
export function leafFrom(view: ClassView, { steps, subsets }: Taken, targetOf: (step: ClassStep, subset: number) => Target): Leaf {
  const outcomes = new Map<string, Outcome>();
  let progressing = 0;
  let unchanged = 0;
  for (const [i, step] of steps.entries()) {
    const subset = subsets[i]!;
    if ((step.flags & PERHAPS_NO_PROGRESS) === 0) progressing |= view.sinksIn(subset);
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
  return { outcomes: [...outcomes.values()], unchanged, progressing };
}

/** The same classes, entered by either. */
function both({ entered, classes }: { readonly entered: readonly Named[]; readonly classes: readonly Standing[] }, other: Target): Target {
  const all = new Map([...entered, ...other.entered].map((named) => [`${named.id} ${named.at}`, named]));
  return { entered: [...all.values()], classes };
}
