/**
 * The way to a state of a search over classes, as choices that a run can take. A class says which
 * program part comes next; between two of them the scheduler's own steps are looked for, breadth
 * first, until the step of the program that is wanted can be taken.
 */
import { UNCHANGED } from '../../rows/step-trie.ts';
import { isSame } from './same.ts';
import type { ClassSearch } from './search.ts';
import type { ClassView } from './view.ts';

/** A state that a run is in, and how it came there. */
interface Stop {
  readonly row: readonly number[];
  readonly before: Stop | null;
  readonly label: string;
}

/**
 * Labels of choices that lead from the start of the search through the classes of a state to a row
 * for which `isGoal` holds.
 */
export function labelsThrough(search: ClassSearch, state: number, isGoal: (row: readonly number[]) => boolean): string[] {
  const trail: number[] = [];
  for (let at = state; at >= 0; at = search.space.parent[at]!) trail.push(at);
  trail.reverse();
  let stop: Stop = { row: search.world.initial, before: null, label: '' };
  for (const next of trail.slice(1)) stop = stepInto(search, stop, next);
  return labelsOf(among(search, stop, isGoal));
}

function labelsOf(stop: Stop): string[] {
  const labels: string[] = [];
  for (let at = stop; at.before !== null; at = at.before) labels.push(at.label);
  return labels.reverse();
}

/** A run that has gone on into the class of the next state. */
function stepInto(search: ClassSearch, from: Stop, next: number): Stop {
  // Where a run ends in some members of a class, the scheduler alone leads there.
  const isBeside = search.viewOf(next).component === null;
  for (const { stop, isOwn } of following(search, from)) if ((isBeside || !isOwn) && isIn(search, stop.row, next)) return stop;
  throw new Error('no step leads to the next class');
}

/** A state of the same class for which something holds. */
function among(search: ClassSearch, from: Stop, isGoal: (row: readonly number[]) => boolean): Stop {
  if (isGoal(from.row)) return from;
  for (const { stop } of following(search, from)) if (isGoal(stop.row)) return stop;
  throw new Error('no step leads to the state that was found');
}

/** Every step out of states that the scheduler alone leads to, nearest first. */
function* following(
  { world, parts, steps, graph, verdicts }: ClassSearch,
  from: Stop,
): Generator<{ readonly stop: Stop; readonly isOwn: boolean }> {
  const seen = new Set([parts.keyOf(from.row)]);
  const queue = [from];
  for (const before of queue) {
    const { row } = before;
    const { program, configuration } = parts.split(row);
    const visible = graph.visibleIn(graph.put(configuration, program));
    for (let column = 0; column < row.length; column++)
      for (const [alternative, event] of world.alternatives(column, row[column]!).entries()) {
        const step = steps.of(row, column, alternative);
        if ((step.flags & UNCHANGED) !== 0) continue;
        const after = world.after(row, world.run(row, column, event));
        const stop = { row: after, before, label: world.label(column, row[column]!, event) };
        const isOwn = graph.isMove(step, program) && !visible.some((one) => one.column === column && one.alternative === alternative);
        yield { stop, isOwn };
        const key = parts.keyOf(after);
        if (!isOwn || seen.has(key) || verdicts.breaks(after.slice(0, world.actors))) continue;
        seen.add(key);
        queue.push(stop);
      }
  }
}

/** Whether a row is one that a state stands for. */
function isIn(search: ClassSearch, row: readonly number[], state: number): boolean {
  const { parts, graph, names, rows } = search;
  const { configuration, program } = parts.split(row);
  const id = graph.put(configuration, program);
  const view = search.viewOf(state);
  const own = rows.programOf(state);
  const isThere = (member: number, part: readonly number[]): boolean => isSame(part, own) && leadsThrough(search, member, view);
  if (isThere(id, program)) return true;
  return (
    names?.images.some((_, at) => {
      const image = names.program(at, program);
      const there = parts.split(names.row(at, row)).configuration;
      return isThere(graph.put(there, image), image);
    }) === true
  );
}

/** Whether all of a class is reached from a configuration. */
function leadsThrough({ graph }: ClassSearch, id: number, { component, members }: ClassView): boolean {
  if (component !== null) return graph.componentOf(id).id === component;
  const reached = new Set(members.includes(id) ? [id] : []);
  for (const each of reached) for (const to of graph.targetsOf(each)) if (members.includes(to)) reached.add(to);
  return reached.size === members.length;
}
