/**
 * The conditions under which one class stands for all its configurations, looked at over what a
 * search has met, after it. None of them is believed.
 *
 * - *Congruence*: what a task does with what the scheduler gives it hangs on nothing but what the
 *   context switch keeps of it, whatever its program. Each reaction that a step of the scheduler
 *   stands on is asked again over every program that the task was met with in the class.
 */
import { RUN_ENDS } from '../space/state-space.ts';
import { ClassError } from './class-error.ts';
import type { ClassSearch } from './search.ts';
import type { ClassView } from './view.ts';

/** States looked at between two turns of the caller. */
const TURN_STATES = 1 << 12;

/** Programs that tasks were met with, by class and column. */
function* programsMet(search: ClassSearch): Generator<void, Map<ClassView, Set<number>[]>> {
  const { space, parts } = search;
  const met = new Map<ClassView, Set<number>[]>();
  const tasks = parts.tasks;
  for (let state = 0; state < space.count; state++) {
    // Where a run ends, nothing follows.
    if (space.ends[state] === RUN_ENDS) continue;
    const at = space.at(state);
    const view = search.openViewOf(state);
    let byColumn = met.get(view);
    if (byColumn === undefined) {
      byColumn = tasks.map(() => new Set());
      met.set(view, byColumn);
    }
    for (const [i, column] of tasks.entries()) byColumn[i]!.add(space.rows[at + 1 + parts.inProgram[column]!]!);
    if (state % TURN_STATES === TURN_STATES - 1) yield;
  }
  return met;
}

/**
 * Holds each reaction of a task to the scheduler against all others with the same view.
 * @throws ClassError at the first that differs
 */
export function* checkCongruence(search: ClassSearch): Generator<void, void> {
  const { graph, parts } = search;
  const met = yield* programsMet(search);
  const checked = new Set<string>();
  for (const [view, byColumn] of met) {
    const moves = view.members.flatMap((member) => graph.movesOf(member));
    const given = new Set(moves.flatMap((move) => move.given));
    for (const number of given) {
      const { column } = graph.given[number]!;
      for (const program of byColumn[parts.tasks.indexOf(column)]!) {
        const key = `${number} ${program}`;
        if (checked.has(key)) continue;
        checked.add(key);
        checkOne(search, number, program);
      }
    }
    yield;
  }
}

function checkOne({ graph, parts, world }: ClassSearch, number: number, program: number): void {
  const { column, view, event, next, sent } = graph.given[number]!;
  const { store, engine } = world;
  const halves = parts.halvesOf(column);
  const local = halves.join(program, view);
  const reaction = engine.deliver(column, local, event);
  const same =
    parts.programOf(column, reaction.next) === program &&
    parts.viewOf(column, reaction.next) === next &&
    reaction.sent.length === sent.length &&
    reaction.sent.every((value, i) => value === sent[i]);
  if (same) return;
  const where = JSON.stringify(store.kindOfSlot[column]!.locals.values[local]!.value);
  throw new ClassError(
    `what ${store.ids[column]!} does with ${store.events.texts[event]!} hangs on its program: in ${where} it is not what it was elsewhere, so that no configuration of the scheduler can stand for others; search with --reduce none`,
  );
}
