/**
 * What smaller cycles of a component can look like. A property that judges cycles may have evidence
 * against one that leaves steps out where it has none against all of the component.
 */
import type { CpuInCycle } from '../../property.ts';

/** What one step is of a CPU: whether it moves it, whether it waits. */
export type Move = Pick<CpuInCycle, 'id' | 'moves' | 'waits'>;

/** Lists of CPUs that are asked about, of one component. */
const LISTS_MAX = 1 << 12;

const joined = (one: Move, other: Move): Move => ({ id: one.id, moves: one.moves || other.moves, waits: one.waits || other.waits });
const isSame = (one: Move, other: Move): boolean => one.moves === other.moves && one.waits === other.waits;

/** What some of these steps of one CPU can be together. */
function joinsOf(moves: readonly Move[]): readonly Move[] {
  const joins: Move[] = [];
  for (const move of moves)
    for (const join of [move, ...joins.map((one) => joined(one, move))]) if (!joins.some((one) => isSame(one, join))) joins.push(join);
  return joins;
}

/**
 * Every list of CPUs that a cycle of some of these steps can have; null where there are too many.
 * `whole`: the list of all of them, by id.
 */
export function listsWithin(moves: readonly Move[], whole: readonly CpuInCycle[]): readonly (readonly CpuInCycle[])[] | null {
  let lists: (readonly CpuInCycle[])[] = [[]];
  for (const cpu of whole) {
    const ways = joinsOf(moves.filter(({ id }) => id === cpu.id)).map((join) => ({ ...cpu, ...join }));
    lists = [...lists, ...lists.flatMap((list) => ways.map((way) => [...list, way]))];
    if (lists.length > LISTS_MAX) return null;
  }
  return lists;
}

/** Whether a step may stand in a cycle of this list; `move`: null for a delivery. */
export const fitsIn = (list: readonly CpuInCycle[], move: Move | null): boolean =>
  move === null || list.some(({ id, moves, waits }) => id === move.id && (moves || !move.moves) && (waits || !move.waits));

/** What a cycle has to have so that its list is this one: for each, whether a step is it. */
export const coverOf = (list: readonly CpuInCycle[]): ((move: Move | null) => boolean)[] =>
  list.flatMap(({ id, moves, waits }) => [
    (move) => move?.id === id,
    ...(moves ? [(move: Move | null) => move?.id === id && move.moves] : []),
    ...(waits ? [(move: Move | null) => move?.id === id && move.waits] : []),
  ]);
