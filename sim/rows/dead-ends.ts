/**
 * Deadlock: whatever happens from a state on, no step is progress, and the actors never all come to
 * rest. The answer depends on the state alone. A run, a search and a sample ask here and get the
 * same answer, which looks ahead as far as the first way out.
 */
import type { Deadlocked } from '../../events/journal.ts';
import { Changers, deadlockText, waitsIn } from '../deadlock.ts';
import { DEADLOCK, hasHalted } from '../end.ts';
import { ModelError } from '../engine/port.ts';
import { isAtRest } from '../store.ts';
import { Moves } from './moves.ts';
import { PERHAPS_NO_PROGRESS, PROGRESS_IF_SENT } from './step-trie.ts';
import { Walk } from './walk.ts';
import type { StepTrace, WorldStep } from './world-step.ts';

/** States that one answer looks at; beyond them it is not given, and the state counts as alive. */
const CLOSURE_MAX = 50_000;
/** The same for all columns of these states, which are wide on a big host. */
const CELLS_MAX = 1 << 24;
/** States that are looked at before the likely ways on are tried; among many actors, none. */
const LIKELY_AT = 256;
const MANY_ACTORS = 64;
/** Steps that one answer about many actors looks at; beyond them it is not given either. */
const LOOKS_MAX = 1 << 16;
/**
 * Actors up to which whole steps are remembered: the memory has room for each local state of a kind
 * at each actor of it.
 */
const WALKED_MAX = 512;
/** Answers that are kept. */
const KNOWN_MAX = 1 << 20;

interface Node {
  readonly row: readonly number[];
  readonly key: string;
  readonly parent: Node | null;
}

/** States that are met from one on. */
interface Following {
  readonly node: Node;
  readonly seen: Map<string, Node>;
  readonly all: boolean;
}

export class DeadEnds {
  readonly world: WorldStep;
  /** Questions that were given up: more states follow than are looked at. */
  undecided = 0;
  /** Null where there are too many actors. */
  readonly #walk: Walk | null;
  readonly #moves: Moves;
  /** Steps that the present answer has looked at. */
  #looks = 0;
  /** Whether a state is dead, as far as it is known. */
  readonly #known = new Map<string, boolean>();
  readonly #rests: boolean[][] = [];

  constructor(world: WorldStep) {
    this.world = world;
    this.#walk = world.actors > WALKED_MAX ? null : new Walk(world, () => false);
    this.#moves = new Moves(world);
  }

  /**
   * Whether a state is a deadlock. A step that breaks a rule is a way out: that is told where it is
   * taken.
   */
  isDead(row: readonly number[]): boolean {
    return unlessBroken(() => this.world.engine.lookAhead(() => this.#isDead(row)), false);
  }

  #isDead(row: readonly number[]): boolean {
    const key = keyOf(row, this.world.actors);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    if (this.#known.size > KNOWN_MAX) this.#known.clear();
    const seen = new Map<string, Node>([[key, { row, key, parent: null }]]);
    this.#looks = 0;
    let tried = false;
    for (const node of seen.values()) {
      if (!tried && (seen.size > LIKELY_AT || this.world.actors > MANY_ACTORS)) {
        tried = true;
        if (this.#moves.lead(row)) {
          this.#known.set(key, false);
          return false;
        }
      }
      if (this.#hasWayOut(node, seen)) {
        for (let at: Node | null = node; at; at = at.parent) this.#known.set(at.key, false);
        return false;
      }
      if (seen.size <= Math.min(CLOSURE_MAX, CELLS_MAX / row.length) && this.#looks <= LOOKS_MAX) continue;
      // Whatever was met on the way is not asked for again.
      for (const each of seen.keys()) this.#known.set(each, false);
      this.undecided++;
      return false;
    }
    for (const each of seen.keys()) this.#known.set(each, true);
    return true;
  }

  /** The same answer as `isDead`, sooner where some processor makes progress. */
  isDeadIfNoneProgresses(row: readonly number[]): boolean {
    return !this.someProgresses(row) && this.isDead(row);
  }

  /** All states that follow from a dead one, itself first. */
  closureOf(row: readonly number[]): readonly (readonly number[])[] {
    const key = keyOf(row, this.world.actors);
    const seen = new Map<string, Node>([[key, { row, key, parent: null }]]);
    this.world.engine.lookAhead(() => {
      for (const node of seen.values()) this.#follow(node, seen, true);
    });
    return [...seen.values()].map((node) => node.row);
  }

  /**
   * Whether stepping some processor in a state of these actors is progress: then the state is
   * alive, whatever is in flight.
   */
  someProgresses(locals: readonly number[]): boolean {
    return unlessBroken(
      () => this.world.engine.lookAhead(() => this.#walk?.someProgresses(locals) ?? this.#moves.someProgresses(locals)),
      true,
    );
  }

  /**
   * Whether one processor that goes on alone, perhaps after it is preempted, gets out of a state:
   * the state is alive. Asked first, it saves the search of all that may follow, as where each CPU
   * of a big host is about to pick a thread.
   */
  isLed(row: readonly number[]): boolean {
    return unlessBroken(() => this.world.engine.lookAhead(() => this.#moves.lead(row)), true);
  }

  /** Who waits for whom in a dead state. */
  waitsIn(row: readonly number[], changers: Changers): Deadlocked[] {
    const { world } = this;
    const asked = new Map<number, Set<number>>();
    for (const each of this.closureOf(row))
      for (const [column, value] of each.entries())
        for (const event of world.alternatives(column, value))
          this.#ask(
            world.engine.lookAhead(() => world.run(each, column, event)),
            asked,
          );
    return waitsIn(world.store, row.slice(0, world.actors), asked, changers);
  }

  /**
   * Notes whom a step asks; an answer, and what an actor tells the one that steps it, are no
   * questions.
   */
  #ask({ asks }: StepTrace, asked: Map<number, Set<number>>): void {
    const { kindOfSlot } = this.world.store;
    const answering = new Set<number>();
    for (let i = 0; i < asks.length; i += 2) {
      const [from, to] = [asks[i]!, asks[i + 1]!];
      if (kindOfSlot[from]!.schedules || kindOfSlot[to]!.schedules || answering.has(from)) continue;
      answering.add(to);
      asked.set(from, (asked.get(from) ?? new Set()).add(to));
    }
  }

  /**
   * Whether the wait ends in this state, or progress leads out of it; else what follows is added to
   * `seen`.
   */
  #hasWayOut(node: Node, seen: Map<string, Node>): boolean {
    return this.isOver(node.row) || this.#follow(node, seen);
  }

  /**
   * Adds what follows to `seen`.
   * @returns whether it met progress, or a state that is known to be alive
   */
  #follow(node: Node, seen: Map<string, Node>, all = false): boolean {
    return this.#walk === null ? this.#followFar(node, seen, all) : this.#walkOn(this.#walk, node, seen, all);
  }

  /** The same without a memory of steps. */
  #followFar(node: Node, seen: Map<string, Node>, all: boolean): boolean {
    const { world } = this;
    for (const [column, value] of node.row.entries()) {
      for (const event of world.alternatives(column, value)) {
        if (!all && ++this.#looks > LOOKS_MAX) return false;
        const trace = world.run(node.row, column, event);
        if (trace.stepClass === 'progress' && !all) return true;
        if (this.#reaches(world.after(node.row, trace), trace.stepClass === 'progress-if-sent', { node, seen, all })) return true;
      }
    }
    return false;
  }

  #walkOn(walk: Walk, node: Node, seen: Map<string, Node>, all: boolean): boolean {
    walk.place(node.row);
    const { count } = walk;
    for (let index = 0; index < count; index++) {
      if (index > 0) walk.place(node.row);
      const flags = walk.take(index);
      if ((flags & PERHAPS_NO_PROGRESS) === 0 && !all) return true;
      if (this.#reaches(walk.row, (flags & PROGRESS_IF_SENT) !== 0, { node, seen, all })) return true;
    }
    return false;
  }

  /** Notes a state that follows. @returns whether it is progress, or known to be alive */
  #reaches(row: readonly number[], ifSent: boolean, { node, seen, all }: Following): boolean {
    const key = keyOf(row, this.world.actors);
    if (key === node.key) return false;
    if (!all && ((ifSent && this.#sends(node.row, row)) || this.#known.get(key) === false)) return true;
    if (!seen.has(key) && (all || this.#known.get(key) === undefined)) seen.set(key, { row, key, parent: node });
    return false;
  }

  /** Whether queues differ between two states. */
  #sends(before: readonly number[], after: readonly number[]): boolean {
    for (let column = this.world.actors; column < after.length; column++) if (after[column] !== (before[column] ?? 0)) return true;
    return false;
  }

  /**
   * Whether all actors may stay where they are. Something that has halted rests as well, and its
   * machine gets nowhere: that is no way out.
   */
  isOver(row: ArrayLike<number>): boolean {
    for (let slot = 0; slot < this.world.actors; slot++) if (!this.rests(slot, row[slot]!)) return false;
    return !hasHalted(this.world.store, row);
  }

  /** Whether an actor in this local state may stay there. */
  rests(slot: number, local: number): boolean {
    const kind = this.world.kindOf(slot)!;
    this.#rests[kind.index] ??= [];
    const known = this.#rests[kind.index]!;
    known[local] ??= isAtRest(kind, local);
    return known[local];
  }
}

/**
 * What a look ahead answers where a step breaks a rule of the model, or where a machine throws:
 * that is told where the step is taken. A look ahead goes past states in which a property broke,
 * where no run comes and machines may find what they do not know.
 */
function unlessBroken(answer: () => boolean, broken: boolean): boolean {
  try {
    return answer();
  } catch (error) {
    const isOfModel = error instanceof ModelError || (error instanceof Error && error.constructor === Error);
    if (isOfModel) return broken;
    throw error;
  }
}

/** What is told of the deadlock that a schedule leads to. */
export function deadlockAfter(
  ends: DeadEnds,
  labels: readonly string[],
): { readonly message: string; readonly waits: readonly Deadlocked[] } {
  const { world } = ends;
  const changers = new Changers();
  let row: readonly number[] = world.initial;
  for (const label of labels) {
    const trace = stepCalled(world, row, label);
    for (let i = 0; i < trace.changes.length; i += 2) changers.note(trace.changes[i + 1]!, trace.changes[i]!);
    row = world.after(row, trace);
  }
  const waits = ends.waitsIn(row, changers);
  return { message: deadlockText(waits), waits };
}

/** A violation, with what is told of it where it is a deadlock. */
export const withWaits = <V extends { readonly property: string; readonly labels: readonly string[] }>(ends: DeadEnds, violation: V): V =>
  violation.property === DEADLOCK ? { ...violation, ...deadlockAfter(ends, violation.labels) } : violation;

function stepCalled(world: WorldStep, row: readonly number[], label: string): StepTrace {
  for (const [column, value] of row.entries())
    for (const event of world.alternatives(column, value))
      if (world.label(column, value, event) === label) return world.run(row, column, event);
  throw new Error(`no alternative is called ${label}`);
}

/** Columns that are empty may stand at the end or not. */
function keyOf(row: readonly number[], actors: number): string {
  let { length } = row;
  while (length > actors && row[length - 1] === 0) length--;
  return row.slice(0, length).join();
}
