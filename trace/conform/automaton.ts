/**
 * A vCPU thread of the model as an automaton over sets of its states: what it may do unseen between
 * two lines of a recording, and what is left of the set when a line is seen. Sets are numbered, and
 * what follows one of them is remembered.
 */
import type { HostModel } from './host.ts';
import { Interning } from './interning.ts';
import type { Meaning, TraceMap } from './map.ts';
import type { Moves } from './moves.ts';
import { type Context, fits, keyOf, letsIn, type Seen, type Shown, type Sight } from './seen.ts';
import { isRunning, isSwitching, type State, States } from './states.ts';
import { isAt, levelOf, shownStep, Visible } from './visible.ts';

/** A set of states, by number. */
export type StateSet = number;

const EMPTY: StateSet = 0;

/** Every state of a thread, whatever recordings show of it. */
export function statesOf(model: HostModel, moves: Moves, sight: Sight): readonly State[] {
  return new States(model, moves, new Visible(null, sight), sight).reachable();
}

/** A host, a map and what one recording shows. */
export class Automaton {
  readonly #states: States;
  readonly #sets = new Interning<readonly number[]>();
  readonly #closures = new Map<StateSet, StateSet>();
  readonly #next = new Map<string, StateSet>();
  readonly #beginnings = new Map<string, StateSet>();
  readonly #reachable: readonly State[];
  #every: StateSet | undefined;

  /** @param reachable what `statesOf` says of the model */
  constructor(model: HostModel, moves: Moves, map: TraceMap, sight: Sight, reachable: readonly State[]) {
    this.#states = new States(model, moves, new Visible(map, sight), sight);
    this.#reachable = reachable;
    this.#set([]);
  }

  /** Every state that the thread can be in, whatever has been shown so far. */
  every(): StateSet {
    this.#every ??= this.#set(this.#states.asShown(this.#reachable));
    return this.#every;
  }

  isEmpty(set: StateSet): boolean {
    return set === EMPTY;
  }

  /** What may be after the line: empty if the model cannot do it. */
  next(set: StateSet, seen: Seen): StateSet {
    const key = `${set} ${keyOf(seen)}`;
    let next = this.#next.get(key);
    if (next === undefined) {
      next = this.#after(this.closure(set), seen);
      this.#next.set(key, next);
    }
    return next;
  }

  /** Micro-steps that may run next, and the letters of their contexts, in the states of a set. */
  possible(set: StateSet): { readonly letters: string; readonly steps: readonly string[] } {
    const letters = new Set<string>();
    const steps = new Set<string>();
    for (const id of this.#sets.values[set]!) {
      const state = this.#states.of(id);
      if (state.phase === 'dead' || state.phase === 'parked') continue;
      letters.add(this.#states.letterOf(state));
      steps.add(shownStep(this.#states.stepOf(state)));
    }
    return { letters: [...letters].sort().join(' '), steps: [...steps].sort() };
  }

  /** States in which KVM_RUN is about to begin. */
  beginning({ at }: Meaning): StateSet {
    const key = at.join(' ');
    let set = this.#beginnings.get(key);
    if (set === undefined) {
      const states = this.#sets.values[this.every()]!.map((id) => this.#states.of(id));
      const there = states.filter((state) => state.phase === 'runs' && at.some((place) => isAt(this.#states.stepOf(state), place)));
      set = this.#set(there.map((state) => this.#states.put({ ...state, shown: 0, gate: null, isOpen: false })));
      this.#beginnings.set(key, set);
    }
    return set;
  }

  /** All that may happen unseen. */
  closure(set: StateSet): StateSet {
    let closed = this.#closures.get(set);
    if (closed === undefined) {
      const reached = new Set(this.#sets.values[set]);
      const todo = [...reached];
      for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
        for (const next of this.#states.unseen(id)) {
          if (reached.has(next)) continue;
          reached.add(next);
          todo.push(next);
        }
      }
      closed = this.#set([...reached]);
      this.#closures.set(set, closed);
      this.#closures.set(closed, closed);
    }
    return closed;
  }

  #after(closed: StateSet, seen: Seen): StateSet {
    const ids = this.#sets.values[closed]!;
    switch (seen.type) {
      case 'shown':
        return this.#set([...ids.flatMap((id) => this.#shown(id, seen)), ...(seen.isSure ? [] : ids)]);
      case 'returned':
        return this.#set(ids.filter((id) => !this.#isWithin(id, seen.meaning)));
      case 'interrupted':
        return this.#set(ids.filter((id) => this.#isInterruptible(id, seen.context)));
      default:
        return this.#set(ids.flatMap((id) => this.#states.left(id, seen.type, seen.isLeftOut)));
    }
  }

  /** What is left of a state when a line shows where the thread is. */
  #shown(id: number, { meaning, isEntry, context, exits }: Shown): readonly number[] {
    const before = this.#states.of(id);
    if (!isRunning(before)) return [];
    // An exit is told once.
    const state = exits === null ? before : { ...before, exit: null };
    if (meaning.entered !== null && meaning.entered !== state.entered) return [];
    if (exits !== null && (before.exit === null || !exits.includes(before.exit))) return [];
    if (context !== null && !fits(this.#states.letterOf(state), context)) return [];
    const { gate } = state;
    if (gate !== null && meaning.after.some((place) => isAt(gate, place)))
      return isEntry && state.isOpen ? [] : [this.#states.put({ ...state, isOpen: true })];
    const step = this.#states.stepOf(state);
    const level = Math.max(0, ...meaning.at.map((place) => levelOf(step, place)));
    if (level === 0) return [];
    const isKnown = isSwitching(state) ? state.isNoted : state.shown >= level;
    if (isEntry && isKnown && !meaning.optional) return [];
    const known = this.#states.put({ ...state, ...(isSwitching(state) ? { isNoted: true } : { shown: Math.max(state.shown, level) }) });
    // Where KVM_RUN begins the thread is in the kernel: its first step is the system call.
    return meaning.begins ? this.#states.stepped(known) : [known];
  }

  /** Whether the step that a function stands for has not run to its end. */
  #isWithin(id: number, { at }: Meaning): boolean {
    const state = this.#states.of(id);
    if (state.phase === 'parked') return false;
    const step = this.#states.stepOf(state);
    const level = Math.max(0, ...at.map((place) => levelOf(step, place)));
    return level > 0 && (isSwitching(state) ? state.isNoted : state.shown >= level);
  }

  #isInterruptible(id: number, context: Context | null): boolean {
    const state = this.#states.of(id);
    if (state.phase === 'parked' || state.phase === 'dead') return false;
    const letter = this.#states.letterOf(state);
    // Preemption may be off for what the model has no step for, but not on where it has it off.
    return letsIn(letter) && (context === null || context.preemptOff !== false || (letter !== 'N' && letter !== 'B' && letter !== 'L'));
  }

  #set(ids: readonly number[]): StateSet {
    const sorted = [...new Set(ids)].sort((a, b) => a - b);
    return this.#sets.of(sorted.join(' '), () => sorted);
  }
}
