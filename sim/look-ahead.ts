/** Whether the present state of a run is a deadlock, as a search would find it: what may follow is tried out beside the run, only if need be. */
import type { Deadlocked } from '../events/journal.ts';
import { MemoEngine } from './engine/memo.ts';
import type { ActorEngine } from './engine/port.ts';
import { DeadEnds } from './explore/dead-ends.ts';
import { WorldStep } from './explore/world-step.ts';
import type { Sequencer } from './sequencer.ts';

/** What was learned about the states of an engine serves all runs on it. */
const KNOWN = new WeakMap<ActorEngine, DeadEnds>();

export class LookAhead {
  readonly #engine: ActorEngine;
  readonly #sequencer: Sequencer;
  #ends: DeadEnds | null = null;

  constructor(engine: ActorEngine, sequencer: Sequencer) {
    this.#engine = engine;
    this.#sequencer = sequencer;
  }

  isDead(): boolean {
    const ends = this.#deadEnds;
    return !ends.moves(this.#sequencer.locals) && ends.isDead(this.#row);
  }

  /** Who waits for whom in the present state, which is a deadlock. */
  waits(): Deadlocked[] {
    return this.#deadEnds.waitsIn(this.#row, this.#sequencer.changers);
  }

  /** A live engine cannot go back: another one over the same numbers looks ahead for it. */
  get #deadEnds(): DeadEnds {
    this.#ends ??= KNOWN.get(this.#engine) ?? null;
    if (this.#ends === null) {
      const engine = this.#engine instanceof MemoEngine ? this.#engine : new MemoEngine(this.#engine.topology, this.#engine.store);
      this.#ends = new DeadEnds(new WorldStep(engine));
      KNOWN.set(this.#engine, this.#ends);
    }
    return this.#ends;
  }

  get #row(): number[] {
    const { world } = this.#deadEnds;
    const { locals, channels } = this.#sequencer;
    const queues = channels.ordered.map(({ from, to, events }) => [world.channel(from, to), world.lists.put([...events])] as const);
    const row = Array.from({ length: world.columns }, (_, column) => locals[column] ?? 0);
    for (const [column, list] of queues) row[column] = list;
    return row;
  }
}
