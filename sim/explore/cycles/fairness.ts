/**
 * Which components of states a fair schedule can stay in. Fair: what is owed and always possible is
 * done at some time (weak fairness of each owed offer and of each queue); what is owed strongly is
 * done if it is possible again and again. And a processor is not interrupted each time it would
 * move: in a state where another offer that it owes is taken again and again, it also moves again
 * and again.
 */
import type { Successors } from '../space/successors.ts';

/** What is left out of a component. */
export interface Cut {
  /**
   * States with their columns: what comes in place of a move there does so finitely often, and is
   * no edge.
   */
  readonly places: ReadonlySet<number>;
  /** Which other steps are edges, by state with column and by alternative; absent: all. */
  readonly allows?: (place: number, alternative: number) => boolean;
}
export const NO_CUT: Cut = { places: new Set() };

/** States, and the owed steps among them that can be taken forever. */
export interface Part {
  readonly members: readonly number[];
  readonly cut: Cut;
}

/** Whether step `i` of those last expanded can be taken again and again. */
export const isEdge = ({ places, interposed, alternatives }: Successors, i: number, { places: cut, allows }: Cut): boolean =>
  !(interposed[i]! && cut.has(places[i]!)) && (allows === undefined || allows(places[i]!, alternatives[i]!));

/** What a look at a component has found. */
export interface Judged {
  readonly isFair: boolean;
  /**
   * What is left of it where a fair schedule cannot stay in all of it, but perhaps in a part;
   * its components are looked for again. Null where no part is fair either.
   */
  readonly rest: Part | null;
}

const FAIR: Judged = { isFair: true, rest: null };

/**
 * Whether a fair schedule can stay in a component. For weak fairness it is enough to look at all of
 * it: what is always possible in one and never done in it is so in each part of it. What is owed
 * strongly, possible in some state of it and never done in it, keeps a fair schedule out of that
 * state from some time on (Streett's condition): what is left without such states may be fair.
 */
export function judgeFairness(successors: Successors, { members, cut }: Part): Judged {
  const inside = new Set(members);
  const taken = new Set<number>();
  const moved = new Set<number>();
  const interposed = new Set<number>();
  /** By what is owed strongly: the states in which it is possible. */
  const possible = new Map<number, number[]>();
  let always: readonly number[] | null = null;
  for (const state of members) {
    const { units, places, targets, strong } = successors;
    successors.expand(state);
    always = always === null ? [...units] : always.length === 0 ? always : always.filter((unit) => units.includes(unit));
    for (let i = 0; i < targets.length; i++) {
      if (strong[i]!) possible.set(units[i]!, [...(possible.get(units[i]!) ?? []), state]);
      if (!inside.has(targets[i]!) || !isEdge(successors, i, cut)) continue;
      taken.add(units[i]!);
      (successors.interposed[i]! ? interposed : moved).add(places[i]!);
    }
  }
  const unmoved = [...interposed].filter((place) => !moved.has(place));
  if (unmoved.length > 0) return { isFair: false, rest: { members, cut: { ...cut, places: new Set([...cut.places, ...unmoved]) } } };
  if ((always ?? []).some((unit) => !taken.has(unit))) return { isFair: false, rest: null };
  const left = new Set([...possible].flatMap(([unit, states]) => (taken.has(unit) ? [] : states)));
  return left.size === 0 ? FAIR : { isFair: false, rest: { members: members.filter((state) => !left.has(state)), cut } };
}
