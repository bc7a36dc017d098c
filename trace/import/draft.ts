/** An attempt to bring the simulated host to what one line of a recording asks for. */
import type { ChoiceKind, ImportChoice } from './choices.ts';
import { type Query, reach, type Step, type Way } from './reach.ts';
import type { Move, Row, World } from './world.ts';

/** The model cannot do what is asked. */
export class Cannot extends Error {
  override readonly name = 'Cannot';
}

type Allowed = Query['allowed'];

/** Kinds of moves, to be allowed together. */
export const moves = {
  exec:
    (cpu: string): Allowed =>
    ({ type, actor }) =>
      type === 'exec' && actor === cpu,
  offer:
    (type: string, actor: string): Allowed =>
    (move) =>
      !move.isDelivery && move.type === type && move.actor === actor,
  /** Messages to any but pCPUs, which take interrupts. */
  deliver: ({ isDelivery, actor }: Move): boolean => isDelivery && !actor.startsWith('pcpu:'),
  interruptOn:
    (cpu: string): Allowed =>
    ({ isDelivery, actor }) =>
      isDelivery && actor === cpu,
  labelled:
    (...labels: readonly string[]): Allowed =>
    ({ label }) =>
      labels.includes(label),
};
export const either =
  (...all: readonly Allowed[]): Allowed =>
  (move, row) =>
    all.some((one) => one(move, row));

export class Draft {
  readonly world: World;
  row: Row;
  readonly steps: Step[] = [];
  readonly choices: ImportChoice[] = [];
  readonly #line: number;

  constructor(world: World, row: Row, line: number) {
    this.world = world;
    this.row = row;
    this.#line = line;
  }

  choose(kind: ChoiceKind, what: string): void {
    this.choices.push({ kind, line: this.#line, what });
  }

  /**
   * Goes to the goal with as few kinds of moves as it takes: `kinds` are tried one after the other,
   * each together with those before it.
   * @returns the number of kinds that it took, from 1; 0 if it cannot
   */
  go(goal: (row: Row) => boolean, refused: (row: Row) => boolean, kinds: readonly Allowed[]): number {
    for (let count = 1; count <= kinds.length; count++) {
      const way = reach(this.world, this.row, { goal, refused, allowed: either(...kinds.slice(0, count)) });
      if (way === null) continue;
      this.#follow(way);
      return count;
    }
    return 0;
  }

  #follow({ row, steps }: Way): void {
    this.row = row;
    this.steps.push(...steps);
  }
}
