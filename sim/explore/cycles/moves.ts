/** What the steps of a cycle are of the CPUs in it. */
import type { CpuInCycle } from '../../property.ts';
import { queuedIn } from '../../store.ts';
import type { Searched } from '../request.ts';
import type { Move } from './sub-cycles.ts';
import type { CycleStep } from './turn.ts';

export class CpuMoves {
  readonly #searched: Pick<Searched, 'world' | 'space'>;

  constructor(searched: Pick<Searched, 'world' | 'space'>) {
    this.#searched = searched;
  }

  /**
   * What a step of a CPU does to itself; null for a delivery, and for what the scheduler does of
   * its own.
   */
  of({ state, column, alternative }: CycleStep): CpuInCycle | null {
    const { world, space } = this.#searched;
    if (column >= world.actors) return null;
    const row = new Int32Array(space.columns);
    space.read(state, row);
    const event = world.alternatives(column, row[column]!)[alternative]!;
    const trace = world.run(row, column, event);
    if (trace.stepped.length === 0 && world.kindOfStep(row, column, event) === 'offer') return null;
    const queued = queuedIn(world.kindOf(column)!, row[column]!);
    return { id: world.store.ids[column]!, moves: trace.changed, waits: (trace.yields || !trace.changed) && !trace.computes, queued };
  }

  /** The CPUs of a cycle of these steps, by id. */
  cpusOf(steps: readonly CycleStep[]): CpuInCycle[] {
    const cpus = new Map<string, CpuInCycle>();
    for (const step of steps) {
      const move = this.of(step);
      if (!move) continue;
      const known = cpus.get(move.id);
      cpus.set(move.id, known ? { ...known, moves: known.moves || move.moves, waits: known.waits || move.waits } : move);
    }
    return [...cpus.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  /** The different moves among some steps. */
  differentOf(steps: readonly CycleStep[]): readonly Move[] {
    const moves = new Map<string, Move>();
    for (const step of steps) {
      const move = this.of(step);
      if (move) moves.set(`${move.id} ${move.moves} ${move.waits}`, move);
    }
    return [...moves.values()];
  }
}
