/**
 * The conditions under which one class stands for all its configurations, looked at over what a
 * search has met, after it. None of them is believed.
 *
 * - *Congruence*: what a task does with what the scheduler gives it hangs on nothing but what the
 *   context switch keeps of it, whatever its program. Each reaction that a step of the scheduler
 *   stands on is asked again over every program that the task was met with in the class.
 * - *Running on*: a step that runs on, and a step of a program, lead to one class in both orders.
 */
import { isApartFrom } from './graph.ts';
import { type Parts, SCHEDULES } from './parts.ts';
import type { Passing } from './running-graph.ts';
import type { ClassSearch } from './search.ts';
import type { ClassStep } from './steps.ts';
import type { ClassView } from './view.ts';

/** States looked at between two turns of the caller. */
const TURN_STATES = 1 << 12;

/** A condition does not hold: no class may stand for its configurations. */
export class ClassError extends Error {
  override readonly name = 'ClassError';
  /** It is of CPUs that run on in the middle of a switch: without that, classes may hold. */
  readonly isOfRunningOn: boolean;

  constructor(message: string, isOfRunningOn = false) {
    super(message);
    this.isOfRunningOn = isOfRunningOn;
  }
}

/** Programs that tasks were met with, by class and column. */
function* programsMet(search: ClassSearch): Generator<void, Map<number, Set<number>[]>> {
  const { space, parts } = search;
  const met = new Map<number, Set<number>[]>();
  const tasks = parts.tasks;
  for (let state = 0; state < space.count; state++) {
    const at = space.at(state);
    const id = space.rows[at]!;
    let byColumn = met.get(id);
    if (byColumn === undefined) {
      byColumn = tasks.map(() => new Set());
      met.set(id, byColumn);
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
  for (const [id, byColumn] of met) {
    const { members, passed } = search.classes.viewNamed(id);
    const moves = [...members, ...passed].flatMap((member) => graph.movesOf(member));
    const runOn = members.flatMap((member) => graph.passingsInto(member).map(({ move }) => move));
    const given = new Set([...moves, ...runOn].flatMap((move) => move.given));
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

/** A step of a program, and a configuration that was run on from before it. */
interface Orders {
  readonly passing: Passing;
  readonly step: ClassStep;
  readonly program: readonly number[];
}

/**
 * Holds each step of a program in a class against the same step taken before a CPU has run on.
 * @throws ClassError where the two orders part
 */
export function* checkRunningOn(search: ClassSearch): Generator<void, void> {
  const checked = new Set<string>();
  /** By class, steps that have to be looked at over each program part. */
  const open = new Map<number, Set<ClassStep>>();
  for (const view of search.classes.views) {
    for (const { step, subset, program } of view.met.values())
      for (const passing of passingsInto(search, view, subset, step))
        if (!checkOrders(search, { passing, step, program }, checked)) open.set(view.id, (open.get(view.id) ?? new Set()).add(step));
    yield;
  }
  for (let state = 0; open.size > 0 && state < search.space.count; state++) {
    if (state % TURN_STATES === TURN_STATES - 1) yield;
    const view = search.viewOf(state);
    const some = open.get(view.id);
    if (some === undefined || search.isOver(state)) continue;
    const program = search.rows.programOf(state);
    const { steps, subsets } = search.lookup.takenIn(view, program);
    for (const [i, step] of steps.entries())
      if (some.has(step))
        for (const passing of passingsInto(search, view, subsets[i]!, step)) checkOrders(search, { passing, step, program }, checked);
  }
}

/** Ways by which members of a subset were run on to, that touch what the step does. */
const passingsInto = ({ graph }: ClassSearch, view: ClassView, subset: number, step: ClassStep): readonly Passing[] =>
  view.subsets[subset]!.flatMap((id) =>
    // A CPU that runs on can do nothing else before.
    graph.passingsInto(id).filter(({ move }) => move.column !== step.reads[0] && !isApartFrom(move.step, step)),
  );

/** @returns whether the answer is the same for all program parts in which the step is this one */
function checkOrders(search: ClassSearch, { passing, step, program }: Orders, checked: Set<string>): boolean {
  const { graph, parts, steps, world } = search;
  const { id, move, to: next } = passing;
  const column = step.reads[0]!;
  const row = parts.join(graph.partOf(id), program);
  const later = parts.join(graph.partOf(next), program);
  let isAnswered = true;
  for (const [here, event] of world.alternatives(column, row[column] ?? 0).entries()) {
    const before = steps.of(row, column, here);
    if (isApartFrom(before, move.step)) continue;
    const there = world.alternatives(column, later[column] ?? 0).indexOf(event);
    const after = there < 0 ? null : steps.of(later, column, there);
    if (after !== null && !samePrograms(parts, before, after)) isAnswered = false;
    const key = after === null ? '' : `${id} ${before.effect.id} ${after.effect.id} ${before.own} ${after.own}`;
    if (after !== null && checked.has(key)) continue;
    checked.add(key);
    if (after !== null) {
      const one = steps.applied(program, before);
      const two = steps.applied(program, after);
      const from = graph.after(id, before, one);
      const to = graph.after(next, after, two);
      if (one.join() === two.join() && areOne(search, from, to, one)) continue;
    }
    const labels = [world.label(column, row[column]!, event), world.label(move.column, row[move.column]!, move.event)];
    throw new ClassError(
      `${labels.join(' and ')} do not lead to one class in both orders, so that no CPU can run on in the middle of a switch`,
      true,
    );
  }
  return isAnswered;
}

/**
 * Whether what follows from one configuration follows from another, or a run ends in both alike.
 */
function areOne(search: ClassSearch, from: number, to: number, program: readonly number[]): boolean {
  const { graph, verdicts } = search;
  const [broken, other] = [from, to].map((id) => verdicts.brokenIn(search.localsOf(id, program)).join());
  if (broken !== other) return false;
  return broken !== '' || graph.reachOf(graph.componentOf(graph.onward(to))).includes(graph.componentOf(graph.onward(from)));
}

/** Whether two steps read the same columns of the program part. */
function samePrograms({ roles }: Parts, one: ClassStep, other: ClassStep): boolean {
  const read = ({ reads }: ClassStep): readonly number[] => reads.filter((column) => roles[column] !== SCHEDULES);
  return read(one).join() === read(other).join();
}
