/** CPUs, the scheduler, threads and vCPUs on their lanes. */
import type { ActorId } from '../events/event.ts';
import type { JournalRecord, JsonObject } from '../events/journal.ts';
import type { Board } from './board.ts';
import type { Lane } from './event.ts';
import { TEXTS } from './mechanisms/shipped.ts';
import type { Tasks } from './tasks.ts';
import { argsOf, framesOf, isObject, nameOf, objectOf, pathOf, stringOf, stringsOf } from './text.ts';
import { ActorView, type View } from './view.ts';

/** States of a CPU that are no function: it runs its task, or nothing. */
const QUIET = ['task', 'idle'];

/** The outermost path of every guest says no more than the span of guest mode does. */
const GUEST_ROOT = 'guest';

/** A pCPU: the current task, and above it what interrupts it. */
export class CpuView extends ActorView {
  readonly #tasks: Tasks;
  #path: readonly string[] = [];
  #panicked = false;

  constructor(board: Board, lane: Lane, actor: ActorId, tasks: Tasks) {
    super(board, lane, actor);
    this.#tasks = tasks;
  }

  /** While a task runs, its own micro-step is what the CPU does. */
  override microStep(): readonly string[] | null {
    return this.#path[0] === 'task' ? null : this.#path;
  }

  protected override show(context: JsonObject, path: readonly string[], at: number): void {
    this.#path = path;
    const { current } = this.#tasks.setCpu(this.actor, context);
    const inside = path.length > 1 ? path.slice(0, -1) : path.filter((name) => !QUIET.includes(name));
    this.board.settle(this.lane, at, current === null ? inside : [nameOf(current), ...inside], { category: 'cpu' });
    const reason = stringOf(context.panicReason);
    if (reason !== null && !this.#panicked) this.board.instant(this.lane, at, 'panic', { category: 'state', args: { reason } });
    this.#panicked = reason !== null;
  }
}

/** The run queues: a number for each CPU. */
export class SchedulerView extends ActorView {
  readonly #tasks: Tasks;

  constructor(board: Board, lane: Lane, actor: ActorId, tasks: Tasks) {
    super(board, lane, actor);
    this.#tasks = tasks;
  }

  protected override show(context: JsonObject, _path: readonly string[], at: number): void {
    this.#tasks.setQueues(context, at);
  }
}

/** The guests of a run, by the thread that runs each. */
export class Guests {
  readonly #views: GuestView[] = [];

  add(view: GuestView): void {
    this.#views.push(view);
  }

  /** The guest that a thread is inside of. */
  of(thread: ActorId): GuestView | undefined {
    return this.#views.find((view) => view.isResident && view.thread === thread);
  }

  settle(at: number): void {
    for (const view of this.#views) view.enter(at);
  }
}

/** A host thread: its own call stack, and above it that of its notifiers. */
export class ThreadView extends ActorView {
  readonly #guests: Guests;
  #code: readonly string[] = [];
  #notify: readonly string[] = [];

  constructor(board: Board, lane: Lane, actor: ActorId, guests: Guests) {
    super(board, lane, actor);
    this.#guests = guests;
  }

  override microStep(type: string): readonly string[] {
    return type === 'notify.step' ? this.#notify : this.#code;
  }

  override settle({ value }: JsonObject, at: number): void {
    const regions = isObject(value) && 'code' in value ? value : { code: value ?? null };
    this.#code = pathOf(regions.code);
    this.#notify = pathOf('notify' in regions ? regions.notify : undefined);
    this.board.settle(this.lane, at, [...framesOf(this.#code), ...framesOf(this.#notify)], { category: 'function' });
  }

  message({ type, actor, vtime }: JournalRecord): void {
    if (type === 'cpu.interrupt' && actor === this.actor) this.#guests.of(actor)?.left('INTR', {}, vtime);
  }
}

/**
 * A vCPU: spans while its thread is in guest mode, what the guest does in them, and why it leaves.
 */
export class GuestView implements View {
  readonly actor: ActorId;
  readonly lane: Lane;
  readonly #board: Board;
  readonly #tasks: Tasks;
  #context: JsonObject = {};
  #path: readonly string[] = [];
  #requests: readonly string[] = [];
  isResident = false;

  constructor(board: Board, lane: Lane, actor: ActorId, tasks: Tasks) {
    this.#board = board;
    this.lane = lane;
    this.actor = actor;
    this.#tasks = tasks;
  }

  get thread(): ActorId | null {
    return stringOf(this.#context.thread);
  }

  microStep(): readonly string[] {
    return this.#path;
  }

  settle(state: JsonObject, at: number): void {
    this.#context = objectOf(state.context);
    this.#path = pathOf(state.value);
    const requests = stringsOf(this.#context.requests);
    for (const request of requests)
      if (!this.#requests.includes(request)) this.#board.instant(this.lane, at, request, { category: 'guest' });
    this.#requests = requests;
  }

  /** The CPU says whether its task is in guest mode, the vCPU whether it is loaded there. */
  enter(at: number): void {
    const cpu = this.#tasks.cpu(stringOf(this.#context.cpu) ?? '');
    this.isResident = cpu?.guest === true && cpu.current === this.thread && this.#context.mode === 'IN_GUEST_MODE';
    const args = cpu && { cpu: cpu.index };
    const spans = this.isResident ? ['guest mode', ...framesOf(this.#path).filter((name) => name !== GUEST_ROOT)] : [];
    this.#board.settle(this.lane, at, spans, { category: 'guest', ...(args && { args }) });
  }

  left(reason: string, info: JsonObject, at: number): void {
    this.#board.instant(this.lane, at, `#VMEXIT ${reason}`, { category: 'guest', args: { reason, ...argsOf(info, TEXTS) } });
  }

  message({ type, peer, payload, vtime }: JournalRecord): void {
    if (type === 'vmexit' && peer === this.actor) this.left(String(payload.reason), objectOf(payload.info), vtime);
  }
}
