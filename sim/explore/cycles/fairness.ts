/**
 * Which components of states a fair schedule can stay in. Fair: what is owed and always possible is
 * done at some time (weak fairness of each owed offer and of each queue). And a processor is not
 * interrupted each time it would move: in a state where another offer that it owes is taken again
 * and again, it also moves again and again.
 */
import type { Successors } from '../space/successors.ts';

/**
 * States with their columns: what comes in place of a move there does so finitely often, and is no
 * edge.
 */
export type Cut = ReadonlySet<number>;
export const NO_CUT: Cut = new Set();

/** States, and the owed steps among them that can be taken forever. */
export interface Part {
  readonly members: readonly number[];
  readonly cut: Cut;
}

/** Whether step `i` of those last expanded can be taken again and again. */
export const isEdge = ({ places, interposed }: Successors, i: number, cut: Cut): boolean => !(interposed[i]! && cut.has(places[i]!));

/**
 * Whether a fair schedule can stay in a component. For weak fairness it is enough to look at all of
 * it: what is always possible in one and never done in it is so in each part of it. `cut`: it
 * cannot unless more is cut, which may take the component apart.
 */
export function judgeFairness(successors: Successors, { members, cut }: Part): { readonly isFair: boolean; readonly cut: Cut | null } {
  const inside = new Set(members);
  const taken = new Set<number>();
  const moved = new Set<number>();
  const interposed = new Set<number>();
  let always: readonly number[] | null = null;
  for (const state of members) {
    const { units, places, targets } = successors;
    successors.expand(state);
    always = always === null ? [...units] : always.length === 0 ? always : always.filter((unit) => units.includes(unit));
    for (let i = 0; i < targets.length; i++) {
      if (!inside.has(targets[i]!) || !isEdge(successors, i, cut)) continue;
      taken.add(units[i]!);
      (successors.interposed[i]! ? interposed : moved).add(places[i]!);
    }
  }
  const unmoved = [...interposed].filter((place) => !moved.has(place));
  if (unmoved.length > 0) return { isFair: false, cut: new Set([...cut, ...unmoved]) };
  return { isFair: (always ?? []).every((unit) => taken.has(unit)), cut: null };
}
