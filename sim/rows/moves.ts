/** What the processors of a big host can do next, one step at a time, without a memory of steps. */
import type { WorldStep } from './world-step.ts';

/** Steps of one processor that are tried in a row. */
const STRETCH = 64;
/** Rounds in which all go on together. */
const ROUNDS = 16;

export class Moves {
  readonly #world: WorldStep;
  /** The processor whose step was progress the last time: it is asked first. */
  #likely = 0;

  constructor(world: WorldStep) {
    this.#world = world;
  }

  /**
   * Whether stepping some processor in a state of these actors is progress, whatever is in flight.
   */
  someProgresses(locals: ArrayLike<number>): boolean {
    const { actors } = this.#world;
    for (let i = 0; i < actors; i++) {
      const slot = (this.#likely + i) % actors;
      if (!this.#isProgress(locals, slot)) continue;
      this.#likely = slot;
      return true;
    }
    return false;
  }

  #isProgress(row: ArrayLike<number>, slot: number): boolean {
    const world = this.#world;
    return world.offers.of(world.kindOf(slot)!, row[slot]!).exec.some((event) => world.run(row, slot, event).stepClass === 'progress');
  }

  /**
   * Whether one of a few likely ways on meets progress: all go on together, or one processor goes
   * on alone, at once or after something was done to it, such as a preemption.
   */
  lead(row: readonly number[]): boolean {
    const world = this.#world;
    if (this.#goOnTogether(row)) return true;
    for (let slot = 0; slot < world.actors; slot++) {
      const { exec, otherCount, otherAt } = offersAt(world, row, slot);
      if (exec.length === 0) continue;
      if (this.#goesOn(row, slot)) return true;
      for (let index = 0; index < otherCount; index++)
        if (this.#goesOn(world.after(row, world.run(row, slot, otherAt(index))), slot)) return true;
    }
    return false;
  }

  /**
   * In each round each processor steps once and each queue loses its first message. A CPU that
   * waits for an interrupt in flight to be taken elsewhere gets on in no other of these ways.
   */
  #goOnTogether(from: readonly number[]): boolean {
    const world = this.#world;
    let row = from;
    for (let round = 0; round < ROUNDS; round++) {
      let changed = false;
      for (let column = 0; column < row.length; column++) {
        const event = column < world.actors ? offersAt(world, row, column).exec[0] : world.alternatives(column, row[column]!)[0];
        if (event === undefined) continue;
        const trace = world.run(row, column, event);
        if (trace.stepClass === 'progress') return true;
        if (!trace.changed) continue;
        changed = true;
        row = world.after(row, trace);
      }
      if (!changed) return false;
    }
    return false;
  }

  #goesOn(from: readonly number[], slot: number): boolean {
    const world = this.#world;
    let row = from;
    for (let step = 0; step < STRETCH; step++) {
      const [event] = offersAt(world, row, slot).exec;
      if (event === undefined) return false;
      const trace = world.run(row, slot, event);
      if (trace.stepClass === 'progress') return true;
      if (!trace.changed) return false;
      row = world.after(row, trace);
    }
    return false;
  }
}

function offersAt(world: WorldStep, row: ArrayLike<number>, slot: number) {
  const offers = world.offers.of(world.kindOf(slot)!, row[slot]!);
  return { exec: offers.exec, otherCount: offers.otherCount, otherAt: (index: number) => offers.otherAt(index) };
}
