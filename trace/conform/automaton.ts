/**
 * A vCPU thread of the model as an automaton over sets of its states: what it may do unseen between
 * two lines of a recording, and what is left of the set when a line is seen.
 *
 * A state is a local state of the thread's machine, with its context and locals, so that guards
 * count; with it go a few facts that the recording tells later than the model knows them.
 */
import { mayPreempt } from '../../actors/host/pcpu.ts';
import type { Letter } from '../../events/event.ts';
import type { HostModel } from './host.ts';
import type { Meaning, TraceMap } from './map.ts';
import type { Move, Moves } from './moves.ts';

/** Where the thread is with respect to its CPU. `asleep`: it has given the CPU away, or is about to. */
type Phase = 'runs' | 'asleep' | 'out' | 'parked' | 'in' | 'dead';

interface State {
  readonly local: number;
  readonly phase: Phase;
  /**
   * The length of the most exact place around its step that the recording has shown; 0 if it has
   * shown none.
   */
  readonly shown: number;
  /** The same of the step of its notifiers. */
  readonly isNoted: boolean;
  /** The step that ran last, if the recording tells what comes after it; and whether it has. */
  readonly gate: string | null;
  readonly isOpen: boolean;
  /** Since R6 it has been in guest mode. */
  readonly entered: boolean;
  /** Why it left guest mode. */
  readonly exit: string | null;
}

/** What a recording shows of a thread: names of functions and events, and kinds of events. */
export interface Sight {
  readonly functions: ReadonlySet<string>;
  readonly events: ReadonlySet<string>;
  /** Whether the recording has sched_switch. */
  readonly switches: boolean;
  /** Whether returns of functions show; true if absent. */
  readonly returns?: boolean;
  /** Whether signals may reach the thread unseen. */
  readonly signals: boolean;
}

/** What the head of a line says of the context. */
export interface Context {
  readonly irqsOff: boolean;
  /** Preemption is off; null if that is not known. */
  readonly preemptOff: boolean | null;
}

/** What one line says of the thread. */
export type Symbol =
  /** `isEntry`: a function is entered, so that it was not there before. `isSure` false: perhaps another one. */
  | {
      readonly type: 'shown';
      readonly meaning: Meaning;
      readonly isEntry: boolean;
      readonly isSure: boolean;
      readonly context: Context | null;
      readonly exits: readonly string[] | null;
    }
  | { readonly type: 'returned'; readonly meaning: Meaning; readonly context: Context | null }
  | { readonly type: 'preempted' | 'runnable' | 'sleeps' | 'dead' }
  | { readonly type: 'interrupted'; readonly context: Context | null };

/** A set of states, by number. */
export type StateSet = number;

const EMPTY: StateSet = 0;

interface Unit {
  readonly place: string;
  readonly entered: boolean | null;
}

/** Whether a place of a map names this step. */
export const isAt = (step: string, place: string): boolean => `.${step}.`.includes(`.${place}.`);

/** The context that a letter stands for. */
const fits = (letter: Letter, { irqsOff, preemptOff }: Context): boolean => {
  if (letter === 'I' || letter === 'G' || letter === 'X') return irqsOff;
  if (irqsOff) return false;
  if (preemptOff === null) return true;
  return letter === 'N' || letter === 'L' ? preemptOff : !preemptOff;
};
const isQuiet = (letter: Letter): boolean => letter === 'I' || letter === 'G' || letter === 'X';

/** Number by content. */
class Interning<V> {
  readonly values: V[] = [];
  readonly #ids = new Map<string, number>();
  of(key: string, make: () => V): number {
    let id = this.#ids.get(key);
    if (id === undefined) {
      id = this.values.push(make()) - 1;
      this.#ids.set(key, id);
    }
    return id;
  }
}

/** More states than these are not a thread of a host, but a mistake. */
const STATES_MAX = 500_000;

/** A host, a map and what one recording shows. */
export class Automaton {
  readonly #model: HostModel;
  readonly #moves: Moves;
  readonly #sight: Sight;
  readonly #states = new Interning<State>();
  readonly #sets = new Interning<readonly number[]>();
  readonly #closures = new Map<number, StateSet>();
  readonly #successors: (readonly number[])[] = [];
  readonly #after = new Map<string, StateSet>();
  /** Places that the recording shows, the longest first. */
  readonly #units: readonly Unit[];
  readonly #gates: readonly Unit[];
  readonly #unitOf = new Map<string, Unit | null>();
  readonly #gatesOf = new Map<string, string | null>();
  #every: StateSet | undefined;

  constructor(model: HostModel, moves: Moves, map: TraceMap, sight: Sight) {
    this.#model = model;
    this.#moves = moves;
    this.#sight = sight;
    this.#set([]);
    // A step that may run unseen is not waited for.
    const seen = [
      ...[...map.functions].filter(([name]) => sight.functions.has(name)),
      ...[...map.events].filter(([name]) => sight.events.has(name)),
    ]
      .map(([, meaning]) => meaning)
      .filter(({ optional }) => !optional);
    const units = (of: (meaning: Meaning) => readonly string[]): readonly Unit[] =>
      seen.flatMap((meaning) => of(meaning).map((place) => ({ place, entered: meaning.entered })));
    this.#units = [...units(({ at, returns }) => [...at, ...(sight.returns === false ? [] : returns)])].sort((a, b) => b.place.length - a.place.length);
    this.#gates = units(({ after }) => after);
  }

  /** Every state that the thread can be in, whatever has been shown so far. */
  every(): StateSet {
    this.#every ??= this.#reach();
    return this.#every;
  }

  isEmpty(set: StateSet): boolean {
    return set === EMPTY;
  }

  /** What may be after the line: empty if the model cannot do it. */
  next(set: StateSet, symbol: Symbol): StateSet {
    const key = `${set} ${keyOf(symbol)}`;
    let next = this.#after.get(key);
    if (next === undefined) {
      next = this.#step(this.closure(set), symbol);
      this.#after.set(key, next);
    }
    return next;
  }

  /** Micro-steps that may run next, and the letters of the contexts, where the set has come to. */
  possible(set: StateSet): { readonly letters: string; readonly steps: readonly string[] } {
    const letters = new Set<string>();
    const steps = new Set<string>();
    for (const id of this.#sets.values[this.closure(set)]!) {
      const state = this.#states.values[id]!;
      if (state.phase === 'dead' || state.phase === 'parked') continue;
      letters.add(this.#letterOf(state));
      steps.add(this.#stepOf(state));
    }
    return { letters: [...letters].sort().join(' '), steps: [...steps].sort() };
  }

  /** States at one of these places, as a thread comes to them that was last seen in user mode. */
  beginning(meaning: Meaning): StateSet {
    const key = `beginning ${meaning.at}`;
    const known = this.#after.get(key);
    if (known !== undefined) return known;
    const ids = this.#sets.values[this.every()]!.filter((id) => {
      const state = this.#states.values[id]!;
      return state.phase === 'runs' && meaning.at.some((place) => isAt(this.#stepOf(state), place));
    });
    const set = this.#set(ids.map((id) => this.#intern({ ...this.#states.values[id]!, shown: 0, gate: null, isOpen: false })));
    this.#after.set(key, set);
    return set;
  }

  /** All that may happen unseen. */
  closure(set: StateSet): StateSet {
    let closed = this.#closures.get(set);
    if (closed === undefined) {
      const seen = new Set(this.#sets.values[set]);
      const todo = [...seen];
      for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
        for (const next of this.#unseen(id)) {
          if (seen.has(next)) continue;
          seen.add(next);
          todo.push(next);
        }
      }
      closed = this.#set([...seen]);
      this.#closures.set(set, closed);
      this.#closures.set(closed, closed);
    }
    return closed;
  }

  #step(closed: StateSet, symbol: Symbol): StateSet {
    const ids = this.#sets.values[closed]!;
    switch (symbol.type) {
      case 'shown':
        return this.#set([...ids.flatMap((id) => this.#shown(id, symbol) ?? []), ...(symbol.isSure ? [] : ids)]);
      case 'returned':
        return this.#set(ids.filter((id) => !this.#isWithin(id, symbol.meaning)));
      case 'interrupted':
        return this.#set(ids.filter((id) => this.#isInterruptible(id, symbol.context)));
      default:
        return this.#set(ids.flatMap((id) => this.#leave(id, symbol.type)));
    }
  }

  /** The state that is left of one when a line shows where the thread is. */
  #shown(id: number, { meaning, isEntry, context, exits }: Extract<Symbol, { readonly type: 'shown' }>): number | null {
    const state = this.#states.values[id]!;
    if (state.phase === 'parked' || state.phase === 'dead' || state.phase === 'asleep') return null;
    if (meaning.entered !== null && meaning.entered !== state.entered) return null;
    if (exits !== null && (state.exit === null || !exits.includes(state.exit))) return null;
    if (context !== null && !fits(this.#letterOf(state), context)) return null;
    if (meaning.after.some((place) => state.gate !== null && isAt(state.gate, place)))
      return isEntry && state.isOpen ? null : this.#intern({ ...state, isOpen: true });
    const place = meaning.at.find((one) => isAt(this.#stepOf(state), one));
    if (place === undefined) return null;
    const isKnown = isSwitching(state) ? state.isNoted : state.shown >= place.length;
    if (isEntry && isKnown && !meaning.optional) return null;
    return this.#intern(isSwitching(state) ? { ...state, isNoted: true } : { ...state, shown: Math.max(state.shown, place.length) });
  }

  /** Whether the step that a function stands for has not run to its end. */
  #isWithin(id: number, { at }: Meaning): boolean {
    const state = this.#states.values[id]!;
    if (state.phase === 'parked') return false;
    const isKnown = (place: string): boolean => (isSwitching(state) ? state.isNoted : state.shown >= place.length);
    return at.some((place) => isKnown(place) && isAt(this.#stepOf(state), place));
  }

  #isInterruptible(id: number, context: Context | null): boolean {
    const state = this.#states.values[id]!;
    if (state.phase === 'parked' || state.phase === 'dead') return false;
    const letter = this.#letterOf(state);
    if (isQuiet(letter)) return false;
    return context === null || context.preemptOff !== false || (letter !== 'N' && letter !== 'L');
  }

  /** The thread gives its CPU away. */
  #leave(id: number, how: 'preempted' | 'runnable' | 'sleeps' | 'dead'): readonly number[] {
    const state = this.#states.values[id]!;
    const letter = this.#letterOf(state);
    const isUser = state.phase === 'runs' && letter === 'U';
    if (how === 'dead') return isUser || state.phase === 'dead' ? [this.#intern({ ...state, phase: 'dead' })] : [];
    const mayLeave =
      how === 'sleeps'
        ? state.phase === 'asleep' || isUser
        : state.phase === 'runs'
          ? mayPreempt({ letter, preemption: this.#model.host.preemption })
          : // It was woken before it was off its CPU.
            state.phase === 'asleep' && how === 'runnable';
    return mayLeave ? this.#out(state) : [];
  }

  /** prepare_task_switch(): the notifiers, then switch_to(). */
  #out(state: State): readonly number[] {
    return this.#moves
      .given(state.local, { type: 'sched.out' })
      .map((move) => this.#switched({ ...state, local: move.next, phase: 'out' }, move.isSwitched));
  }

  #switched(notified: State, isSwitched: boolean): number {
    const state = { ...notified, isNoted: false };
    if (!isSwitched) return this.#intern(state);
    if (state.phase === 'in') return this.#intern({ ...state, phase: 'runs' });
    const { letter } = this.#model.placeOf(state.local);
    const [parked] = this.#moves.given(state.local, { type: 'sched.swapOut', letter });
    return this.#intern({ ...state, local: parked!.next, phase: 'parked' });
  }

  /** What may follow in one move that no line tells. */
  #unseen(id: number): readonly number[] {
    this.#successors[id] ??= this.#movesFrom(this.#states.values[id]!);
    return this.#successors[id];
  }

  #movesFrom(state: State): readonly number[] {
    switch (state.phase) {
      case 'dead':
        return [];
      case 'asleep':
        return this.#sight.switches ? [] : this.#out(state);
      case 'parked':
        return this.#moves
          .given(state.local, { type: 'sched.swapIn' })
          .map((move) => this.#switched({ ...state, local: move.next, phase: 'in' }, move.isSwitched));
      case 'out':
      case 'in':
        return this.#notified(state);
      case 'runs':
        return this.#run(state);
    }
  }

  #notified(state: State): readonly number[] {
    if (!state.isNoted && this.#unit(this.#stepOf(state)) !== null) return [];
    return this.#moves
      .given(state.local, { type: 'notify.step' })
      .map((move) => this.#switched({ ...state, local: move.next }, move.isSwitched));
  }

  #run(state: State): readonly number[] {
    const next: number[] = [];
    const { step, letter } = this.#model.placeOf(state.local);
    const signals = this.#sight.signals ? this.#moves.given(state.local, { type: 'process.signal' }) : [];
    for (const move of signals) next.push(this.#intern({ ...state, local: move.next }));
    const unit = this.#unit(step);
    const isHidden = unit !== null && state.shown < unit.place.length && holds(unit, state);
    const isShut = state.gate !== null && !state.isOpen && this.#isShut(state.gate, state);
    if (isHidden || isShut) return next;
    for (const spurious of letter === 'G' ? [false, true] : [])
      for (const move of this.#moves.given(state.local, { type: 'cpu.interrupt', spurious })) next.push(this.#moved(state, move));
    for (const move of this.#moves.given(state.local, { type: 'step' })) next.push(this.#moved(state, move));
    return next;
  }

  /** A micro-step has run. */
  #moved(state: State, { next, leaves, exit }: Move): number {
    const { step, letter } = this.#model.placeOf(state.local);
    const after = this.#model.placeOf(next);
    const wasKernel = letter === 'P' || letter === 'R' || letter === 'U';
    const gate = this.#gate(step);
    return this.#intern({
      local: next,
      phase: leaves === 'sleeps' ? 'asleep' : leaves === 'dies' ? 'dead' : 'runs',
      shown: this.#stillShown(step, after.step, state.shown),
      isNoted: false,
      gate,
      isOpen: false,
      entered: after.letter === 'G' || (state.entered && !wasKernel),
      exit: exit ?? (wasKernel ? null : state.exit),
    });
  }

  /** What shows a step shows the functions around it too, as long as the thread is in them. */
  #stillShown(step: string, next: string, shown: number): number {
    if (shown === 0) return 0;
    const around = this.#units.find(({ place }) => place.length <= shown && isAt(step, place) && isAt(next, place));
    return around?.place.length ?? 0;
  }

  #stepOf({ phase, local }: State): string {
    const { step, notifier } = this.#model.placeOf(local);
    return isSwitching({ phase }) ? (notifier ?? step) : step;
  }

  #letterOf({ phase, local }: State): Letter {
    const { letter, notifierLetter } = this.#model.placeOf(local);
    return isSwitching({ phase }) ? (notifierLetter ?? letter) : letter;
  }

  /** What of the recording shows a step: the most exact place that names it. */
  #unit(step: string): Unit | null {
    let unit = this.#unitOf.get(step);
    if (unit === undefined) {
      unit = this.#units.find(({ place }) => isAt(step, place)) ?? null;
      this.#unitOf.set(step, unit);
    }
    return unit;
  }

  #gate(step: string): string | null {
    let gate = this.#gatesOf.get(step);
    if (gate === undefined) {
      gate = this.#gates.some(({ place }) => isAt(step, place)) ? step : null;
      this.#gatesOf.set(step, gate);
    }
    return gate;
  }

  #isShut(gate: string, state: State): boolean {
    return this.#gates.some((unit) => isAt(gate, unit.place) && holds(unit, state));
  }

  #intern(state: State): number {
    const { local, phase, shown, isNoted, gate, isOpen, entered, exit } = state;
    const key = `${local} ${phase} ${shown} ${isNoted ? 1 : 0}${isOpen ? 1 : 0}${entered ? 1 : 0} ${gate ?? ''} ${exit ?? ''}`;
    const id = this.#states.of(key, () => state);
    if (id > STATES_MAX) throw new RangeError(`the thread has more than ${STATES_MAX} states`);
    return id;
  }

  #set(ids: readonly number[]): StateSet {
    const sorted = [...new Set(ids)].sort((a, b) => a - b);
    return this.#sets.of(sorted.join(' '), () => sorted);
  }

  /** A search with nothing to show: the thread is preempted, and sleeps, wherever it may. */
  #reach(): StateSet {
    const start = this.#moves.given(this.#model.start, { type: 'sched.swapIn' })[0]!.next;
    const first = { local: start, phase: 'runs', shown: 0, isNoted: false, gate: null, isOpen: false, entered: false, exit: null } as const;
    const seen = new Set([this.#intern(first)]);
    const todo = [...seen];
    const ways = ['preempted', 'runnable', 'sleeps'] as const;
    for (let id = todo.pop(); id !== undefined; id = todo.pop()) {
      const state = this.#states.values[id]!;
      const around = this.#units.filter(({ place }) => isAt(this.#model.placeOf(state.local).step, place));
      const shown = [0, ...around.map(({ place }) => place.length)].flatMap((length) =>
        BOTH.flatMap((isOpen) =>
          BOTH.map((isNoted) => ({
            ...state,
            shown: Math.max(state.shown, length),
            isOpen: state.isOpen || (isOpen && state.gate !== null),
            isNoted: state.isNoted || (isNoted && isSwitching(state)),
          })),
        ),
      );
      const next = [
        ...shown.flatMap((one) => [this.#intern(one), ...this.#movesFrom(one)]),
        ...ways.flatMap((way) => this.#leave(id!, way)),
      ];
      for (const one of next) {
        if (seen.has(one)) continue;
        seen.add(one);
        todo.push(one);
      }
    }
    return this.#set([...seen]);
  }
}

const BOTH = [false, true] as const;
const isSwitching = ({ phase }: Pick<State, 'phase'>): boolean => phase === 'out' || phase === 'in';
const holds = ({ entered }: Unit, state: State): boolean => entered === null || entered === state.entered;

const contextKey = (context: Context | null): string =>
  context === null ? '-' : `${context.irqsOff ? 'd' : '.'}${context.preemptOff === null ? '?' : context.preemptOff ? '1' : '0'}`;
const meaningKey = ({ at, after, returns, entered, optional }: Meaning): string => `${at}|${after}|${returns}|${entered}|${optional}`;

function keyOf(symbol: Symbol): string {
  switch (symbol.type) {
    case 'shown':
      return `shown ${meaningKey(symbol.meaning)} ${symbol.isEntry} ${symbol.isSure} ${contextKey(symbol.context)} ${symbol.exits ?? ''}`;
    case 'returned':
      return `returned ${meaningKey(symbol.meaning)} ${contextKey(symbol.context)}`;
    case 'interrupted':
      return `interrupted ${contextKey(symbol.context)}`;
    default:
      return symbol.type;
  }
}
