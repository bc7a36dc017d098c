/**
 * The oracle of deadlocks: the class of a step, the dead states and the end of a run, by the words
 * of docs/explore.md alone and over XState's own transitions.
 */
import type { AnyMachineSnapshot } from 'xstate';
import type { Naive, NaiveState, NaiveStep } from './naive.ts';

/** States that one answer looks at. */
const CLOSURE_MAX = 20_000;

export type NaiveEnd = 'deadlock' | 'halted' | 'done' | null;

export interface Ended {
  readonly state: NaiveState;
  readonly depth: number;
  readonly end: NaiveEnd;
  /** Some step out of it breaks a rule of models. */
  readonly breaks: boolean;
}

interface WaitsMeta {
  readonly waits?: readonly string[];
}

/** The loops that wait in which an actor stands. */
const loopsOf = (snapshot: AnyMachineSnapshot): readonly string[] =>
  Object.values(snapshot.getMeta() as Record<string, WaitsMeta | undefined>).flatMap((meta) => meta?.waits ?? []);

const flightOf = ({ queues }: NaiveState): string =>
  [...queues]
    .flatMap(([name, events]) => (events.length > 0 ? [`${name} ${events}`] : []))
    .sort()
    .join();

export class NaiveDead {
  readonly naive: Naive;
  readonly #dead = new Map<string, readonly NaiveState[] | null>();

  constructor(naive: Naive) {
    this.naive = naive;
  }

  /** How a run ends in a state in which no property breaks. */
  endIn(state: NaiveState): NaiveEnd {
    if (this.deadSetOf(state)) return hasHalted(state) ? 'halted' : 'deadlock';
    if (this.naive.steps(state).length > 0) return null;
    return hasHalted(state) ? 'halted' : 'done';
  }

  /** All that follows from a dead state, itself first; null for any other. */
  deadSetOf(state: NaiveState): readonly NaiveState[] | null {
    const key = this.naive.keyOf(state);
    let known = this.#dead.get(key);
    if (known === undefined) {
      known = this.#find(state, key);
      this.#dead.set(key, known);
    }
    return known;
  }

  #find(start: NaiveState, first: string): readonly NaiveState[] | null {
    const ignoresRest = hasHalted(start);
    const seen = new Map([[first, start]]);
    for (const state of seen.values()) {
      if (!ignoresRest && state.locals.every(({ snapshot }) => snapshot.hasTag('rest'))) return null;
      if (seen.size > CLOSURE_MAX) throw new Error('more states follow than are looked at');
      for (const step of this.naive.steps(state)) {
        if (step.breaks || this.#isProgress(state, step)) return null;
        const key = this.naive.keyOf(step.next);
        if (!seen.has(key)) seen.set(key, step.next);
      }
    }
    return [...seen.values()];
  }

  /** Whether a step is more than a wait, and more than the scheduler's own. */
  #isProgress(state: NaiveState, { next, changed, computes, joined, programs, passed }: NaiveStep): boolean {
    if (programs.length === 0) return false;
    if (computes) return true;
    if (!changed) return false;
    if (joined.length > 0 || flightOf(state) !== flightOf(next)) return true;
    return state.locals.some((before, slot) => {
      const after = next.locals[slot]!;
      if (before.text === after.text) return false;
      if (this.naive.schedules(slot)) return !passed.includes(slot);
      const loops = loopsOf(after.snapshot);
      return !programs.includes(slot) || !loopsOf(before.snapshot).some((loop) => loops.includes(loop));
    });
  }
}

/**
 * All states by digest, breadth first, each with how a run ends in it; what follows an end is left
 * out. Null if there are more than `most`.
 */
export function naiveEnds(
  naive: Naive,
  most: number,
  endIn: (state: NaiveState, digest: string) => NaiveEnd,
): ReadonlyMap<string, Ended> | null {
  const found = new Map<string, Ended>();
  const start = naive.start();
  const queue = [{ state: start, depth: 0 }];
  const met = new Set([naive.keyOf(start)]);
  for (const { state, depth } of queue) {
    const digest = naive.digestOf(state);
    const end = endIn(state, digest);
    const steps = end === null ? naive.steps(state) : [];
    found.set(digest, { state, depth, end, breaks: steps.some(({ breaks }) => breaks) });
    if (found.size > most) return null;
    for (const { next, breaks } of steps) {
      const key = naive.keyOf(next);
      if (breaks || met.has(key)) continue;
      met.add(key);
      queue.push({ state: next, depth: depth + 1 });
    }
  }
  return found;
}

const hasHalted = ({ locals }: NaiveState): boolean => locals.some(({ snapshot }) => snapshot.hasTag('halt'));
