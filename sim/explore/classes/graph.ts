/**
 * The scheduler's own graph: its configurations, and the steps by which it goes from one to another
 * while no program moves. The graph is the same for all program parts, so that each configuration
 * is asked about once, over the program part that it was first met with. That it is the same is
 * checked afterwards: see checks.ts.
 */
import { ModelError } from '../../engine/port.ts';
import { NEUTRAL } from '../../rows/step-trie.ts';
import type { WorldStep } from '../../rows/world-step.ts';
import { rowKey } from '../reduce/row-key.ts';
import { ClassError } from './class-error.ts';
import { type Parts, TASK } from './parts.ts';
import { Pause } from './pause.ts';
import type { ClassStep, ClassSteps } from './steps.ts';

/** A step of the scheduler, the same in all configurations in which it reads the same. */
export interface Move {
  readonly column: number;
  readonly alternative: number;
  readonly event: number;
  readonly step: ClassStep;
  /** What tasks were given in it, as numbers of `given`. */
  readonly given: readonly number[];
}

/** An alternative of a configuration that is no step of the scheduler alone. */
export interface Visible {
  readonly column: number;
  readonly alternative: number;
}

/** What a task was given in a step of the scheduler, and what it did with it. */
export interface Given {
  readonly column: number;
  readonly view: number;
  readonly event: number;
  readonly next: number;
  readonly sent: readonly number[];
}

interface Configuration {
  readonly part: readonly number[];
  /** A program part that it was met with. */
  readonly witness: ArrayLike<number>;
  moves: readonly Move[] | null;
  /** Where they lead; null where that was not asked. */
  targets: readonly number[] | null;
  visible: readonly Visible[];
  /** Nothing that schedules can do anything. */
  isIdle: boolean;
}

/**
 * Numbers that configurations and their moves are kept in, at most: half a gigabyte. Sixty CPUs
 * have more configurations than anything could count.
 */
const NUMBERS_MAX = 1 << 26;

export class SchedulerGraph {
  /** Alternatives that may be looked at before a pause. */
  allowance = Number.POSITIVE_INFINITY;
  #numbers = 0;
  readonly #numbersMax: number;
  readonly given: Given[] = [];
  readonly #all: Configuration[] = [];
  readonly #ids = new Map<string, number>();
  readonly #keys: string[] = [];
  readonly #givenIds = new Map<string, number>();
  protected readonly world: WorldStep;
  protected readonly parts: Parts;
  protected readonly steps: ClassSteps;
  readonly #moves = new Map<ClassStep, Move>();
  /** By column and alternative. */
  readonly #visible: Visible[][] = [];

  constructor(parts: Parts, steps: ClassSteps, numbersMax = NUMBERS_MAX) {
    this.#numbersMax = numbersMax;
    this.world = parts.world;
    this.parts = parts;
    this.steps = steps;
  }

  get size(): number {
    return this.#all.length;
  }

  /** The number of a configuration, met with this program part. */
  put(part: readonly number[], witness: ArrayLike<number>): number {
    const key = rowKey(part, 0);
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    const id = this.#all.length;
    this.#ids.set(key, id);
    this.#keys.push(key);
    this.#all.push({ part, witness: Int32Array.from(witness), moves: null, targets: null, visible: [], isIdle: true });
    return id;
  }

  /** Different for different configurations. */
  keyOf(id: number): string {
    return this.#keys[id]!;
  }

  partOf(id: number): readonly number[] {
    return this.#all[id]!.part;
  }

  witnessOf(id: number): ArrayLike<number> {
    return this.#all[id]!.witness;
  }

  /** The value of a place; 0 where the configuration ends before it. */
  at(id: number, place: number): number {
    return this.#all[id]!.part[place] ?? 0;
  }

  movesOf(id: number): readonly Move[] {
    return this.#expanded(id).moves!;
  }

  /** Where the scheduler leads from a configuration in one step. */
  targetsOf(id: number): readonly number[] {
    const configuration = this.#expanded(id);
    const { moves, witness } = configuration;
    configuration.targets ??= [...new Set(moves!.map(({ step }) => this.after(id, step, witness)))].filter((to) => to !== id);
    return configuration.targets;
  }

  visibleIn(id: number): readonly Visible[] {
    return this.#expanded(id).visible;
  }

  /** Whether nothing that schedules can do anything. */
  isIdle(id: number): boolean {
    return this.#expanded(id).isIdle;
  }

  /** What a step that leads to this program part makes of a configuration. */
  after(id: number, { effect }: ClassStep, program: ArrayLike<number>): number {
    if (effect.sets.length === 0 && effect.sends.length === 0) return id;
    return this.put(this.steps.applied(this.#all[id]!.part, effect), program);
  }

  #expanded(id: number): Configuration {
    const configuration = this.#all[id]!;
    if (configuration.moves !== null) return configuration;
    if (this.allowance < 0) throw new Pause('the graph of the scheduler grows');
    // Perhaps no run comes here: what is met counts once it is taken.
    this.world.engine.lookAhead(() => this.#expand(configuration));
    const alternatives = configuration.moves!.length + configuration.visible.length;
    this.allowance -= 1 + alternatives;
    this.#numbers += configuration.part.length + alternatives;
    if (this.#numbers > this.#numbersMax)
      throw new ClassError(
        `${this.size} configurations of the scheduler were met, and there are more: too many to stand in classes; expected fewer CPUs or threads, --reduce none, or a sample of schedules (explore --strategy)`,
      );
    return configuration;
  }

  #expand(configuration: Configuration): void {
    const { part, witness } = configuration;
    const row = this.parts.join(part, witness);
    const moves: Move[] = [];
    const visible: Visible[] = [];
    for (const column of this.parts.configuration) {
      // What a task offers depends on its program as well.
      if (this.parts.roles[column] === TASK) continue;
      const value = row[column] ?? 0;
      for (const [alternative, event] of this.world.alternatives(column, value).entries()) {
        configuration.isIdle = false;
        const step = this.#stepOf(row, column, alternative);
        if (step === null || !this.isMove(step, witness)) {
          visible.push(this.#visibleAt(column, alternative));
          continue;
        }
        moves.push(this.#moveOf(step, row, { column, alternative, event }));
      }
    }
    configuration.moves = moves;
    configuration.visible = visible;
  }

  /** Null where it breaks a rule of the model: that is told where a run comes there. */
  #stepOf(row: readonly number[], column: number, alternative: number): ClassStep | null {
    try {
      return this.steps.of(row, column, alternative);
    } catch (error) {
      if (error instanceof ModelError || (error instanceof Error && error.constructor === Error)) return null;
      throw error;
    }
  }

  /** Whether a step over this program part is the scheduler's alone. */
  isMove(step: ClassStep, program: ArrayLike<number>): boolean {
    if ((step.flags & NEUTRAL) === 0 || !step.isApart || step.sends.length > 0) return false;
    for (let i = 0; i < step.sets.length; i += 2) if (program[step.sets[i]!] !== step.sets[i + 1]) return false;
    return true;
  }

  /** No move was taken so far. */
  untake(): void {
    for (const step of this.#moves.keys()) step.isTaken = false;
  }

  /** Takes the moves of a configuration that a run comes to, with this program part. */
  take(id: number, program: ArrayLike<number>): void {
    const { moves, part } = this.#expanded(id);
    let row: readonly number[] | null = null;
    for (const { step, column, event } of moves!) {
      if (step.isTaken) continue;
      row ??= this.parts.join(part, program);
      this.world.run(row, column, event);
      step.isTaken = true;
    }
  }

  #visibleAt(column: number, alternative: number): Visible {
    this.#visible[column] ??= [];
    const known = this.#visible[column]!;
    known[alternative] ??= { column, alternative };
    return known[alternative];
  }

  #moveOf(step: ClassStep, row: readonly number[], move: Pick<Move, 'column' | 'alternative' | 'event'>): Move {
    const known = this.#moves.get(step);
    if (known !== undefined) return known;
    const made = { ...move, step, given: this.#givenIn(row, move.column, move.event) };
    this.#moves.set(step, made);
    return made;
  }

  /** What tasks were given in a step, by asking them again. */
  #givenIn(row: readonly number[], column: number, event: number): readonly number[] {
    const parts = this.parts;
    const { given } = this.world.run(row, column, event);
    const locals = new Map<number, number>();
    const ids: number[] = [];
    for (let i = 0; i < given.length; i += 2) {
      const slot = given[i]!;
      if (parts.roles[slot] !== TASK) continue;
      const local = locals.get(slot) ?? row[slot]!;
      const { next, sent } = this.world.engine.deliver(slot, local, given[i + 1]!);
      locals.set(slot, next);
      const view = parts.viewOf(slot, local);
      const key = `${slot} ${view} ${given[i + 1]!}`;
      let number = this.#givenIds.get(key);
      if (number === undefined) {
        number = this.given.push({ column: slot, view, event: given[i + 1]!, next: parts.viewOf(slot, next), sent }) - 1;
        this.#givenIds.set(key, number);
      }
      ids.push(number);
    }
    return ids;
  }
}
