/**
 * What CPUs, run queues and threads say together: who runs, who waits, who sleeps, and when a CPU
 * changes its task.
 */
import type { ActorId } from '../events/event.ts';
import type { JsonObject } from '../events/journal.ts';
import type { Board } from './board.ts';
import type { Lane, SwitchState } from './event.ts';
import { objectOf, stringOf, stringsOf } from './text.ts';

export interface CpuState {
  readonly index: number;
  readonly current: ActorId | null;
  readonly next: ActorId | null;
  /** What becomes of the current task at the switch. */
  readonly previous: string | null;
  /** The current task is in guest mode. */
  readonly guest: boolean;
}

type Phase = 'running' | 'runnable' | 'sleeping';

interface Task {
  readonly thread: Lane;
  readonly state: Lane;
  phase: Phase | null;
}

const idle = (index: number): CpuState => ({ index, current: null, next: null, previous: null, guest: false });

/** Guest mode lasts through instructions of the guest; X is also an instruction of the host. */
function inGuest(before: boolean, letter: string | null): boolean {
  return letter === 'G' || (letter === 'X' && before);
}

export class Tasks {
  readonly #board: Board;
  readonly #cpus = new Map<ActorId, CpuState>();
  readonly #queues = new Map<ActorId, Lane>();
  readonly #lengths = new Map<ActorId, number>();
  readonly #tasks = new Map<ActorId, Task>();
  readonly #queuedOn = new Map<ActorId, ActorId>();
  #asleep: JsonObject = {};
  #switches: { readonly from: CpuState; readonly to: CpuState }[] = [];
  #changed = false;

  constructor(board: Board) {
    this.#board = board;
  }

  addCpu(cpu: ActorId, queue: Lane): void {
    this.#cpus.set(cpu, idle(this.#cpus.size));
    this.#queues.set(cpu, queue);
  }

  addThread(actor: ActorId, thread: Lane, state: Lane): void {
    this.#tasks.set(actor, { thread, state, phase: null });
  }

  cpu(actor: ActorId): CpuState | undefined {
    return this.#cpus.get(actor);
  }

  setCpu(actor: ActorId, context: JsonObject): CpuState {
    const before = this.#cpus.get(actor)!;
    const after: CpuState = {
      index: before.index,
      current: stringOf(context.current),
      next: stringOf(context.next),
      previous: stringOf(context.previous),
      guest: inGuest(before.guest, stringOf(context.letter)),
    };
    this.#cpus.set(actor, after);
    if (before.current !== after.current) this.#switches.push({ from: before, to: after });
    if (before.current !== after.current || before.next !== after.next) this.#changed = true;
    return after;
  }

  setQueues(context: JsonObject, at: number): void {
    const queues = objectOf(context.rq);
    this.#asleep = objectOf(context.asleep);
    this.#queuedOn.clear();
    this.#changed = true;
    for (const cpu of this.#cpus.keys()) {
      const waiting = stringsOf(queues[cpu]);
      for (const thread of waiting) this.#queuedOn.set(thread, cpu);
      if (this.#lengths.get(cpu) === waiting.length) continue;
      this.#lengths.set(cpu, waiting.length);
      this.#board.counter(this.#queues.get(cpu)!, at, waiting.length);
    }
  }

  /** At the end of a step, once everything that changed is known. */
  settle(at: number): void {
    if (!this.#changed) return;
    this.#changed = false;
    const running = new Map<ActorId, CpuState>();
    const chosen = new Map<ActorId, CpuState>();
    for (const cpu of this.#cpus.values()) {
      if (cpu.current !== null) running.set(cpu.current, cpu);
      if (cpu.next !== null) chosen.set(cpu.next, cpu);
    }
    const woken: { readonly thread: Lane; readonly cpu: number }[] = [];
    for (const [actor, task] of this.#tasks) {
      const queue = this.#queuedOn.get(actor);
      const cpu = running.get(actor) ?? chosen.get(actor) ?? (queue === undefined ? undefined : this.#cpus.get(queue));
      const phase: Phase | null = running.has(actor)
        ? 'running'
        : cpu
          ? 'runnable'
          : Object.hasOwn(this.#asleep, actor)
            ? 'sleeping'
            : null;
      if (cpu && phase === 'runnable' && task.phase !== 'runnable' && task.phase !== 'running')
        woken.push({ thread: task.thread, cpu: cpu.index });
      task.phase = phase;
      this.#board.settle(task.state, at, phase === null ? [] : [cpu ? `${phase} on CPU ${cpu.index}` : phase], { category: 'state' });
    }
    this.#emitSwitches(at);
    for (const { thread, cpu } of woken) this.#board.events.push({ kind: 'wake', cpu, at, thread });
  }

  #emitSwitches(at: number): void {
    const lane = (actor: ActorId | null) => (actor === null ? null : (this.#tasks.get(actor)?.thread ?? null));
    for (const { from, to } of this.#switches) {
      const fromState = this.#stateAfter(from);
      this.#board.events.push({ kind: 'switch', cpu: to.index, at, from: lane(from.current), fromState, to: lane(to.current) });
    }
    this.#switches = [];
  }

  #stateAfter({ current, previous }: CpuState): SwitchState {
    const phase = current === null ? 'runnable' : this.#tasks.get(current)?.phase;
    if (current === null) return 'R';
    if (phase === 'sleeping') return 'S';
    return phase === 'runnable' ? (previous === 'runnable' ? 'R+' : 'R') : 'X';
  }
}
