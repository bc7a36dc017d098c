/**
 * The states of a vCPU thread of the model, and what follows each of them unseen.
 *
 * A state is a local state of the thread's machine, with its context and locals, so that guards
 * count; with it go a few facts that the recording tells later than the model knows them.
 */
import { mayPreempt } from '../../actors/host/pcpu-context.ts';
import type { Letter } from '../../events/event.ts';
import type { HostModel } from './host.ts';
import { Interning } from './interning.ts';
import type { Move, Moves } from './moves.ts';
import type { Leaving, Sight } from './seen.ts';
import type { Visible } from './visible.ts';

/**
 * Where the thread is with respect to its CPU. `asleep`: it is about to give the CPU away. `out`
 * and `in`: its notifiers run.
 */
type Phase = 'runs' | 'asleep' | 'out' | 'parked' | 'in' | 'dead';

export interface State {
  readonly local: number;
  readonly phase: Phase;
  /** How far into the name of its step the recording has shown it (`levelOf`). */
  readonly shown: number;
  /** The recording has shown the step of its notifiers. */
  readonly isNoted: boolean;
  /** The step that ran last, if the recording tells what comes after it; and whether it has. */
  readonly gate: string | null;
  readonly isOpen: boolean;
  /** Since R6 it has been in guest mode. */
  readonly entered: boolean;
  /** mp_state of its vCPU. */
  readonly halted: boolean;
  /** Why it left guest mode. */
  readonly exit: string | null;
}

/** More states than these are not those of one thread, but a mistake. */
const STATES_MAX = 500_000;
const BOTH = [false, true] as const;
const FIRST = { phase: 'runs', shown: 0, isNoted: false, gate: null, isOpen: false, entered: false, halted: false, exit: null } as const;

/** Whether its notifiers run: then the step and its context are theirs. */
export const isSwitching = ({ phase }: Pick<State, 'phase'>): boolean => phase === 'out' || phase === 'in';
/** Whether it is on its CPU, and goes on. */
export const isRunning = ({ phase }: Pick<State, 'phase'>): boolean => phase === 'runs' || phase === 'out' || phase === 'in';

/** States by number, with what follows them. */
export class States {
  readonly #model: HostModel;
  readonly #moves: Moves;
  readonly #visible: Visible;
  readonly #sight: Sight;
  readonly #states = new Interning<State>();
  readonly #unseen: (readonly number[])[] = [];

  constructor(model: HostModel, moves: Moves, visible: Visible, sight: Sight) {
    this.#model = model;
    this.#moves = moves;
    this.#visible = visible;
    this.#sight = sight;
  }

  of(id: number): State {
    return this.#states.values[id]!;
  }

  /** @throws RangeError if there are too many */
  put(state: State): number {
    const { local, phase, shown, isNoted, gate, isOpen, entered, halted, exit } = state;
    const key = `${local} ${phase} ${shown} ${isNoted ? 1 : 0}${isOpen ? 1 : 0}${entered ? 1 : 0}${halted ? 1 : 0} ${gate ?? ''} ${exit ?? ''}`;
    const id = this.#states.of(key, () => state);
    if (id > STATES_MAX) throw new RangeError(`the thread has more than ${STATES_MAX} states`);
    return id;
  }

  stepOf({ phase, local }: State): string {
    const { step, notifier } = this.#model.placeOf(local);
    return isSwitching({ phase }) ? (notifier ?? step) : step;
  }

  letterOf({ phase, local }: State): Letter {
    const { letter, notifierLetter } = this.#model.placeOf(local);
    return isSwitching({ phase }) ? (notifierLetter ?? letter) : letter;
  }

  /** What may follow in one move that no line tells. */
  unseen(id: number): readonly number[] {
    this.#unseen[id] ??= this.#movesFrom(this.of(id));
    return this.#unseen[id];
  }

  /** The thread's own code has run one step. */
  stepped(id: number): readonly number[] {
    const state = this.of(id);
    return this.#moves.given(state.local, { type: 'step' }, state.halted).map((move) => this.#moved(state, move));
  }

  /** The thread gives its CPU away: nothing where the model does not let it. */
  left(id: number, how: Leaving, isLeftOut = false): readonly number[] {
    const state = this.of(id);
    const letter = this.letterOf(state);
    const isUser = state.phase === 'runs' && letter === 'U';
    if (how === 'dead') return isUser || state.phase === 'dead' ? [this.put({ ...state, phase: 'dead' })] : [];
    if (isLeftOut && state.phase === 'runs' && (letter === 'P' || letter === 'R')) return this.#out(state);
    if (how === 'sleeps') return state.phase === 'asleep' || isUser ? this.#out(state) : [];
    const ways = how === 'either' ? (['preempted', 'runnable'] as const) : [how];
    return ways.some((way) => this.#goesOn(state, letter, way)) ? this.#out(state) : [];
  }

  /**
   * Whether the thread loses its CPU and goes on. Steps that the map names call schedule(); all
   * else is preemption, cond_resched() among it.
   */
  #goesOn(state: State, letter: Letter, way: 'preempted' | 'runnable'): boolean {
    // One that sleeps may be woken before it is off its CPU.
    if (state.phase === 'asleep') return way === 'runnable';
    if (state.phase !== 'runs') return false;
    const { preemption } = this.#model.host;
    const schedules = this.#visible.schedules(this.stepOf(state));
    // To the model the ways in and out of the kernel, and other system calls, are user mode.
    if (letter === 'U') return true;
    if (way === 'runnable') return schedules && mayPreempt({ letter, preemption });
    return mayPreempt({ letter: schedules ? 'P' : letter, preemption });
  }

  /**
   * Every state that the thread can come into: it is preempted, and sleeps, wherever it may. Of
   * what a recording shows they know nothing.
   */
  reachable(): readonly State[] {
    const start = this.#moves.given(this.#model.start, { type: 'sched.swapIn' })[0]!.next;
    const reached = new Set([this.put({ ...FIRST, local: start })]);
    for (const id of reached) {
      for (const next of this.unseen(id)) reached.add(next);
      for (const way of ['preempted', 'runnable', 'sleeps'] as const) for (const next of this.left(id, way)) reached.add(next);
    }
    return [...reached].map((id) => this.of(id));
  }

  /** The same states with all that the recording could have shown of each before. */
  asShown(states: readonly State[]): readonly number[] {
    return states.flatMap((state) => {
      const gate = state.gate !== null && this.#visible.isGate(state.gate) ? state.gate : null;
      const levels = this.#visible.levels(this.#model.placeOf(state.local).step).map(({ level }) => level);
      return [...new Set([0, ...levels])].flatMap((shown) =>
        (gate === null ? [false] : BOTH).flatMap((isOpen) =>
          (isSwitching(state) ? BOTH : [false]).map((isNoted) => this.put({ ...state, gate, shown, isOpen, isNoted })),
        ),
      );
    });
  }

  #movesFrom(state: State): readonly number[] {
    switch (state.phase) {
      case 'dead':
        return [];
      case 'asleep':
        return this.#sight.switches ? [] : this.#out(state);
      case 'parked':
        return this.#notified({ ...state, phase: 'in' }, 'sched.swapIn');
      case 'out':
      case 'in':
        return !state.isNoted && this.#visible.isHidden(this.stepOf(state), 0, state.entered) ? [] : this.#notified(state, 'notify.step');
      case 'runs':
        return this.#run(state);
    }
  }

  #run(state: State): readonly number[] {
    const { local, shown, entered, gate } = state;
    const { step, letter } = this.#model.placeOf(local);
    const signals = this.#sight.signals ? this.#moves.given(local, { type: 'process.signal' }) : [];
    const signalled = signals.map(({ next }) => this.put({ ...state, local: next }));
    const isShut = gate !== null && !state.isOpen && this.#visible.isShut(gate, entered);
    if (isShut || this.#visible.isHidden(step, shown, entered)) return signalled;
    const interrupts = letter === 'G' ? BOTH.flatMap((spurious) => this.#moves.given(local, { type: 'cpu.interrupt', spurious })) : [];
    return [
      ...signalled,
      ...[...interrupts, ...this.#moves.given(local, { type: 'step' }, state.halted)].map((move) => this.#moved(state, move)),
    ];
  }

  /** A micro-step has run. */
  #moved(state: State, { next, leaves, halted, exit }: Move): number {
    const { step, letter } = this.#model.placeOf(state.local);
    const after = this.#model.placeOf(next);
    // What a turn has come to is over with the first step that is preemptible again.
    const isOver = letter === 'P' || letter === 'R' || letter === 'U';
    return this.put({
      local: next,
      phase: leaves === 'sleeps' ? 'asleep' : leaves === 'dies' ? 'dead' : 'runs',
      shown: this.#visible.stillShown(step, after.step, state.shown),
      isNoted: false,
      gate: this.#visible.isGate(step) ? step : null,
      isOpen: false,
      entered: after.letter === 'G' || (state.entered && !isOver),
      halted: halted ?? state.halted,
      exit: exit ?? (isOver ? null : state.exit),
    });
  }

  /** prepare_task_switch(): the notifiers, then switch_to(). */
  #out(state: State): readonly number[] {
    return this.#notified({ ...state, phase: 'out' }, 'sched.out');
  }

  #notified(state: State, type: 'sched.out' | 'sched.swapIn' | 'notify.step'): readonly number[] {
    return this.#moves
      .given(state.local, { type })
      .map(({ next, isSwitched }) => this.#switched({ ...state, local: next, isNoted: false }, isSwitched));
  }

  #switched(state: State, isSwitched: boolean): number {
    if (!isSwitched) return this.put(state);
    if (state.phase === 'in') return this.put({ ...state, phase: 'runs' });
    const { letter } = this.#model.placeOf(state.local);
    const [parked] = this.#moves.given(state.local, { type: 'sched.swapOut', letter });
    return this.put({ ...state, local: parked!.next, phase: 'parked' });
  }
}
