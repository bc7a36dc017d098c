/**
 * Weak fairness of a component of states: a CPU that can always be stepped is stepped, and a message that is always in flight is delivered. It is
 * enough to look at whole components: what is always possible in one and never done in it is so in each part of it.
 */
import type { Successors } from './successors.ts';

/** Whether each CPU is stepped in the component or cannot be somewhere in it, and each message is delivered. */
export function isFair(successors: Successors, members: readonly number[]): boolean {
  const inside = new Set(members);
  const taken = new Set<number>();
  let always: Set<number> | null = null;
  for (const state of members) {
    const { columns, targets } = successors;
    successors.expand(state);
    const here = new Set(columns);
    const before: ReadonlySet<number> = always ?? here;
    always = new Set([...before].filter((column) => here.has(column)));
    for (const [i, column] of columns.entries()) if (inside.has(targets[i]!)) taken.add(column);
    if (members.length > 1 && [...always].every((column) => taken.has(column))) break;
  }
  return [...(always ?? [])].every((column) => taken.has(column));
}
