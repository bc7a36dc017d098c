/**
 * The longest wait over all schedules: how many steps others can take between the refusal of what a
 * thread asked for and its grant, while no thread is preempted. Waiters that spin or ask again do
 * not make it longer, and neither do rounds that only an unfair schedule can repeat. It has no
 * bound where a fair schedule can go on without an end of it, and lasts forever where nothing can
 * end it.
 */
import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import { hasHalted } from '../../end.ts';
import { waitsIn } from '../../host/waits.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { Search, Searched } from '../request.ts';
import { RUN_ENDS } from '../space/state-space.ts';
import { Successors } from '../space/successors.ts';
import { Components } from './components.ts';
import { NO_CUT } from './fairness.ts';
import { firstShut, longestPaths, OFFER, type WeightedGraph } from './weighted-graph.ts';

export interface LongestWait {
  /** Null: no thread ever waits. */
  readonly thread: string | null;
  /** Steps of others; null where they have no bound. */
  readonly steps: number | null;
  /** A thread may wait forever: from there on no step, and no offer, ends the wait. */
  readonly forEver: boolean;
  /**
   * Choices by label from the start up to where the wait is longest from, and through it as far as
   * it has a bound.
   */
  readonly witness: readonly string[] | null;
  /** In every run that ends some thread waits. */
  readonly inAll: boolean;
}

/**
 * The result; where `stopped` is set, the caller stopped the search and the wait is a lower bound.
 */
export interface WaitReport {
  readonly wait: LongestWait;
  readonly stopped: boolean;
}

const NONE = -1;

export class WaitSearch {
  readonly #searched: Searched;
  readonly #successors: Successors;
  readonly #waits: (slot: number, local: number) => boolean;
  /** Slots of threads that may wait. */
  readonly #slots: readonly number[];
  #stopped = false;

  constructor(searched: Searched, { host }: Pick<ResolvedScenario, 'host'>) {
    this.#searched = searched;
    const { world, space, expanded } = searched;
    this.#successors = new Successors(world, space, expanded, true);
    this.#waits = waitsIn(world.store, host);
    this.#slots = world.store.kindOfSlot.flatMap(({ name }, slot) => (name === 'hostThread' ? [slot] : []));
  }

  *run(): Search<WaitReport> {
    let longest: LongestWait = { thread: null, steps: 0, forEver: false, witness: null, inAll: false };
    for (const slot of this.#slots) {
      if (this.#stopped) break;
      const found = yield* this.#longestOf(slot);
      if (found !== null && isLonger(found, longest)) longest = { ...longest, ...found };
    }
    const inAll = longest.thread !== null && !this.#stopped && (yield* this.#isInAll());
    return { wait: { ...longest, inAll: inAll && !this.#stopped }, stopped: this.#stopped };
  }

  #localOf(state: number, slot: number): number {
    const { space } = this.#searched;
    return space.rows[state * space.columns + slot]!;
  }

  /** Whether the processor in a column runs a thread that waits itself. */
  #isWaiters(state: number, column: number): boolean {
    const { store, actors } = this.#searched.world;
    if (column >= actors) return false;
    const snapshot = store.kindOfSlot[column]!.locals.values[this.#localOf(state, column)]!;
    const { current } = snapshot.context as Partial<PcpuContext>;
    const slot = current ? store.slotOf.get(current) : undefined;
    return slot !== undefined && this.#waits(slot, this.#localOf(state, slot));
  }

  *#longestOf(slot: number): Search<Found | null> {
    const { space, world } = this.#searched;
    const members: number[] = [];
    for (let state = 0; state < space.count; state++) if (this.#waits(slot, this.#localOf(state, slot))) members.push(state);
    if (members.length === 0) return null;
    const thread = world.store.ids[slot]!;
    const graph = yield* this.#graphOf(members);
    if (graph === null) return null;
    const shut = firstShut(graph);
    if (shut >= 0) return { thread, steps: null, forEver: true, witness: this.#searched.labelsTo(members[shut]!) };
    const round = this.#firstFair(members);
    if (round >= 0) return { thread, steps: null, forEver: false, witness: this.#searched.labelsTo(round) };
    const { longest, next } = longestPaths(graph);
    let start = 0;
    for (let node = 1; node < members.length; node++) if (longest[node]! > longest[start]!) start = node;
    const witness = this.#searched.labelsTo(members[start]!);
    return {
      thread,
      steps: longest[start]!,
      forEver: false,
      witness: [...witness, ...next(start).map((edge) => this.#labelOf(members, graph, edge))],
    };
  }

  /**
   * The first state of a fair cycle in which the wait goes on, though an offer may end it; -1 if
   * there is none.
   */
  #firstFair(members: readonly number[]): number {
    let first = Number.POSITIVE_INFINITY;
    for (const part of new Components(this.#successors).fairWithin(members, NO_CUT))
      for (const state of part.members) first = Math.min(first, state);
    return first === Number.POSITIVE_INFINITY ? NONE : first;
  }

  /**
   * The graph between states in which a thread waits: steps of processors and deliveries, and
   * offers, which no actor has to make and which weigh nothing.
   */
  *#graphOf(members: readonly number[]): Search<WeightedGraph | null> {
    const { space, expanded } = this.#searched;
    const node = new Int32Array(space.count).fill(NONE);
    members.forEach((state, i) => {
      node[state] = i;
    });
    const [starts, targets, weights, from, leaves]: number[][] = [[0], [], [], [], []];
    const { columns, alternatives, row } = this.#successors;
    for (const [i, state] of members.entries()) {
      // Nothing ends a wait in a deadlock. A machine that has halted, and what the search did not
      // come to, are no wait.
      const isEnd = space.ends[state] === RUN_ENDS;
      let isLeft = state >= expanded || (isEnd && this.#isHalted(state));
      const count = isEnd ? 0 : this.#successors.expand(state, true);
      for (let edge = 0; edge < count; edge++) {
        const target = this.#successors.targets[edge]!;
        if (target === state) continue;
        if (target < 0 || node[target] === NONE) {
          isLeft = true;
          continue;
        }
        const column = columns[edge]!;
        const isMove = alternatives[edge]! < this.#successors.moves(column, row[column]!);
        targets!.push(node[target]!);
        from!.push(i);
        weights!.push(!isMove ? OFFER : this.#isWaiters(state, column) ? 0 : 1);
      }
      if (isLeft) leaves!.push(i);
      starts!.push(targets!.length);
      if (i % TURN_STATES === TURN_STATES - 1) yield* this.#turn(members.length - i);
      if (this.#stopped) return null;
    }
    return { starts: starts!, targets: targets!, weights: weights!, from: from!, leaves: leaves! };
  }

  #isHalted(state: number): boolean {
    const { space, world } = this.#searched;
    return hasHalted(world.store, space.rows.subarray(state * space.columns, (state + 1) * space.columns));
  }

  #labelOf(members: readonly number[], { from, targets }: WeightedGraph, edge: number): string {
    const state = members[from[edge]!]!;
    const target = members[targets[edge]!]!;
    const { columns, alternatives, targets: reached, row } = this.#successors;
    const count = this.#successors.expand(state);
    const { world } = this.#searched;
    for (let i = 0; i < count; i++) {
      if (reached[i] !== target) continue;
      const column = columns[i]!;
      return world.label(column, row[column]!, world.alternatives(column, row[column]!)[alternatives[i]!]!);
    }
    throw new Error('a step that was found is gone');
  }

  /**
   * Whether no run ends without a wait: from the start, the states in which no thread waits lead to
   * no end.
   */
  *#isInAll(): Search<boolean> {
    const { space, ended } = this.#searched;
    const isFree = (state: number) => !this.#slots.some((slot) => this.#waits(slot, this.#localOf(state, slot)));
    if (!isFree(0)) return true;
    const seen = new Uint8Array(space.count);
    seen[0] = 1;
    const queue = [0];
    const ends = new Set(ended);
    for (let at = 0; at < queue.length; at++) {
      const state = queue[at]!;
      if (ends.has(state)) return false;
      const count = this.#successors.expand(state, true);
      for (let i = 0; i < count; i++) {
        const target = this.#successors.targets[i]!;
        if (target < 0 || seen[target] === 1 || !isFree(target)) continue;
        seen[target] = 1;
        queue.push(target);
      }
      if (at % TURN_STATES === TURN_STATES - 1) yield* this.#turn(queue.length - at);
      if (this.#stopped) return false;
    }
    return ended.length > 0;
  }

  *#turn(frontier: number): Search<void> {
    if (yield { states: this.#searched.space.count, frontier, transitions: 0, bytes: 0 }) this.#stopped = true;
  }
}

/** States between two turns of the caller, which may stop the search. */
const TURN_STATES = 1 << 15;

type Found = Omit<LongestWait, 'inAll'>;

/** A wait forever is longer than one without a bound, and that is longer than any number. */
const isLonger = (one: Found, other: Found): boolean => lengthOf(one) > lengthOf(other);
const lengthOf = ({ thread, steps, forEver }: Found): number =>
  thread === null ? -1 : forEver ? Number.POSITIVE_INFINITY : (steps ?? Number.MAX_SAFE_INTEGER);
