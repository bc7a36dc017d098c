/**
 * Whether a run has come into a deadlock, as a search would find it. What follows a deadlock is
 * never progress, so that a run asks only where it has made none for some steps: then what may
 * follow is tried out beside the run, and the run goes back to the first dead state.
 */
import type { Deadlocked } from '../../events/journal.ts';
import type { Channel } from '../channels.ts';
import { MemoEngine } from '../engine/memo.ts';
import type { ActorEngine } from '../engine/port.ts';
import type { Mark } from '../recorder.ts';
import type { Sequencer } from '../sequencer.ts';
import { DeadEnds } from './dead-ends.ts';
import { WorldStep } from './world-step.ts';

/** What was learned about the states of an engine serves all runs on it. */
const KNOWN = new WeakMap<ActorEngine, DeadEnds>();
/** Steps without progress before a run asks. */
const PATIENCE = 64;

/** Local states and messages in flight. */
interface Place {
  readonly locals: readonly number[];
  readonly queues: readonly Channel[];
}

export class LookAhead {
  readonly #engine: ActorEngine;
  readonly #sequencer: Sequencer;
  /** The states before the last steps, none of which was progress, oldest first. */
  readonly #marks: Mark[] = [];
  #ends: DeadEnds | null = null;

  constructor(engine: ActorEngine, sequencer: Sequencer) {
    this.#engine = engine;
    this.#sequencer = sequencer;
  }

  /** To be called after each step that was no progress. */
  mark(): void {
    this.#marks.push(this.#sequencer.markBefore());
  }

  /** To be called after each step that was progress: no state before it was dead. */
  forget(): void {
    if (this.#marks.length > 0) this.#marks.length = 0;
  }

  /** Whether it has to be asked now where the run is dead. */
  get isDue(): boolean {
    return this.#marks.length > 0 && (this.#marks.length >= PATIENCE || this.#sequencer.isFull);
  }

  /** Goes back to the first dead state if the present one is dead. @returns whether it is */
  findDead(): boolean {
    const { locals, channels } = this.#sequencer;
    return this.#goBackFrom({ locals, queues: channels.ordered });
  }

  /** The same if the state before the last step is dead. */
  findDeadBefore(): boolean {
    const last = this.#marks.at(-1);
    return last !== undefined && this.#goBackFrom(placeOf(last));
  }

  /** Who waits for whom in the present state, which is a deadlock. */
  waits(): Deadlocked[] {
    const { locals, channels, changers } = this.#sequencer;
    return this.#deadEnds.waitsIn(this.#rowOf({ locals, queues: channels.ordered }), changers);
  }

  #goBackFrom(place: Place): boolean {
    const isDead = this.#isDead(place);
    const first = isDead ? this.#marks.find((mark) => this.#isDead(placeOf(mark))) : undefined;
    if (first) this.#sequencer.rewind(first);
    this.#marks.length = 0;
    return isDead;
  }

  #isDead(place: Place): boolean {
    const ends = this.#deadEnds;
    if (ends.someProgresses(place.locals)) return false;
    const row = this.#rowOf(place);
    return !ends.isLed(row) && ends.isDead(row);
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

  #rowOf({ locals, queues }: Place): number[] {
    const { world } = this.#deadEnds;
    const lists = queues.map(({ from, to, events }) => [world.channel(from, to), world.lists.put([...events])] as const);
    const row = Array.from({ length: world.columns }, (_, column) => locals[column] ?? 0);
    for (const [column, list] of lists) row[column] = list;
    return row;
  }
}

const placeOf = ({ locals, flight }: Mark): Place => ({ locals, queues: flight.ordered });
