/**
 * Configurations in which a CPU is in the middle of a switch, and can do nothing but go on with it:
 * they run on to the next in which there is a choice. That is done only where the step of the CPU
 * and every other step of the scheduler can be taken in both orders with one result, which is tried
 * here; for steps of programs checks.ts tries it afterwards.
 */
import { isApartFrom, type Move, SchedulerGraph, type Visible } from './graph.ts';
import { type Parts, TASK } from './parts.ts';
import { isSame } from './same.ts';
import type { ClassSteps } from './steps.ts';

/** A configuration that is run on from, and the step. */
export interface Passing {
  readonly id: number;
  readonly move: Move;
  readonly to: number;
}

/** A CPU that goes on switching comes to an end. */
const ONWARD_MAX = 1 << 10;

export interface RunningOptions {
  /** Whether configurations in which a CPU is in the middle of a switch run on. */
  readonly runsOn: boolean;
  /** Whether something in a configuration has to be looked at by itself. */
  readonly isSeen: (configuration: readonly number[]) => boolean;
}

export class RunningGraph extends SchedulerGraph {
  readonly #options: RunningOptions;
  /**
   * By configuration: what it runs on to, and the step by which it does; null where it does not.
   */
  readonly #onward: number[] = [];
  readonly #midway: (Passing | null)[] = [];
  readonly #into = new Map<number, readonly Passing[]>();

  constructor(parts: Parts, steps: ClassSteps, options: RunningOptions) {
    super(parts, steps);
    this.#options = options;
  }

  /** The same, if it was asked before. */
  protected knownOnward(id: number): number | undefined {
    return this.#onward[id];
  }

  /** The configuration that one runs on to, itself if it does not. */
  onward(id: number): number {
    const known = this.#onward[id];
    if (known !== undefined) return known;
    let at = id;
    const passed: Passing[] = [];
    for (let next = this.runOn(at); this.#options.runsOn && next !== null; next = this.runOn(at)) {
      passed.push(next);
      at = next.to;
      // It goes round: then nothing says where it would end.
      if (passed.length > ONWARD_MAX) at = id;
      if (at === id) break;
    }
    this.#onward[id] = at;
    if (at !== id) this.#into.set(at, [...(this.#into.get(at) ?? []), ...passed]);
    return at;
  }

  /** What was run on from to a configuration. */
  passingsInto(id: number): readonly Passing[] {
    return this.#into.get(id) ?? [];
  }

  /** The step by which a configuration runs on; null where it does not. */
  runOn(id: number): Passing | null {
    const known = this.#midway[id];
    if (known !== undefined) return known;
    const passing = this.#midwayIn(id);
    this.#midway[id] = passing;
    return passing;
  }

  #midwayIn(id: number): Passing | null {
    const part = this.partOf(id);
    if (this.#options.isSeen(part)) return null;
    const visible = this.visibleIn(id);
    for (const [at, move] of this.movesOf(id).entries()) {
      if (!this.#isSole(move, part, visible)) continue;
      const passing = { id, move, to: this.targetOf(id, at) };
      if (this.#commutes(passing)) return passing;
    }
    return null;
  }

  /** Whether a step moves a processor on that can do nothing else. */
  #isSole({ column, event, step }: Move, part: readonly number[], visible: readonly Visible[]): boolean {
    if (column >= this.world.actors || step.touches.some((each) => this.parts.roles[each] === TASK && this.parts.offersSome(each)))
      return false;
    const { exec, other } = this.world.offers.of(this.world.kindOf(column)!, part[this.parts.inConfiguration[column]!]!);
    return exec.length === 1 && exec[0] === event && other.length === 0 && !visible.some((one) => one.column === column);
  }

  /**
   * Whether a step and each other step of the scheduler can be taken in both orders, with one
   * result.
   */
  #commutes({ id, move, to }: Passing): boolean {
    const visible = this.visibleIn(id);
    const after = this.visibleIn(to);
    for (const { column, alternative } of visible) {
      const place = this.parts.inConfiguration[column]!;
      const event = this.world.alternatives(column, this.at(id, place))[alternative]!;
      const value = this.at(to, place);
      const there = this.world.alternatives(column, value).indexOf(event);
      if (there < 0 || !after.some((other) => other.column === column && other.alternative === there)) return false;
    }
    const part = this.partOf(id);
    const witness = this.witnessOf(id);
    for (const other of this.movesOf(id)) {
      if (other === move || isApartFrom(move.step, other.step)) continue;
      const otherPart = this.steps.applied(part, other.step.effect);
      const one = this.#partAfter(otherPart, witness, move);
      const two = this.#partAfter(this.partOf(to), witness, other);
      if (one === null || two === null || !isSame(one, two) || !this.#isSole(move, otherPart, visible)) return false;
    }
    return true;
  }

  /**
   * What a step of the scheduler makes of a configuration in which it can be taken; null if it is
   * none there.
   */
  #partAfter(part: readonly number[], witness: readonly number[], { column, event }: Move): readonly number[] | null {
    const row = this.parts.join(part, witness);
    const alternative = this.world.alternatives(column, row[column]!).indexOf(event);
    if (alternative < 0) return null;
    const step = this.steps.of(row, column, alternative);
    return this.isMove(step, witness) ? this.steps.applied(part, step.effect) : null;
  }

  /** Configurations that one is run on through before the one it runs on to, itself first. */
  passedFrom(id: number): number[] {
    const passed: number[] = [];
    const end = this.onward(id);
    for (let at = id; at !== end; at = this.runOn(at)!.to) passed.push(at);
    return passed;
  }
}
