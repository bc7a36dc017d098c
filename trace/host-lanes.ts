/** The pCPUs and threads of a recording, each with its lanes, as lines name them. */
import type { Board } from '../timeline/board.ts';
import type { Lane } from '../timeline/event.ts';
import { PendingIpis } from './pending-ipis.ts';
import { SpanStack } from './span-stack.ts';

/** A pCPU of the recording. */
export interface Cpu {
  readonly index: number;
  readonly stack: SpanStack;
  /** The lane of the thread that runs. */
  current: Thread | null;
  readonly ipis: PendingIpis;
}

/** A thread of the recording. */
export interface Thread {
  readonly pid: number;
  readonly stack: SpanStack;
  readonly state: Lane;
  /** Of its vCPU, once it has entered a guest. */
  guest: SpanStack | null;
  inIoctl: string | null;
}

export class HostLanes {
  readonly #board: Board;
  readonly #cpus = new Map<number, Cpu>();
  readonly #threads = new Map<number, Thread>();

  constructor(board: Board) {
    this.#board = board;
  }

  get cpus(): Iterable<Cpu> {
    return this.#cpus.values();
  }
  get threads(): Iterable<Thread> {
    return this.#threads.values();
  }

  cpu(index: number): Cpu {
    let cpu = this.#cpus.get(index);
    if (!cpu) {
      const lane = this.#board.lane('cpu', `pCPU ${index}`, this.#board.group('cpus', 'pCPUs'), null);
      cpu = { index, stack: new SpanStack(this.#board, lane), current: null, ipis: new PendingIpis(index) };
      this.#cpus.set(index, cpu);
    }
    return cpu;
  }

  thread(pid: number, comm: string, tgid?: number): Thread {
    let thread = this.#threads.get(pid);
    if (!thread) {
      const group = this.#board.group('process', tgid === undefined ? 'host' : `process ${tgid}`);
      const lane = this.#board.lane('thread', `${comm}-${pid}`, group, null);
      const state = this.#board.lane('task-state', `${comm}-${pid} state`, group, null);
      thread = { pid, stack: new SpanStack(this.#board, lane), state, guest: null, inIoctl: null };
      this.#threads.set(pid, thread);
    }
    return thread;
  }

  /** The guest of a thread that runs a vCPU. */
  guest(thread: Thread, vcpu: number | null): SpanStack {
    if (!thread.guest) {
      const name = `vCPU ${vcpu ?? '?'} (${thread.stack.lane.name})`;
      thread.guest = new SpanStack(this.#board, this.#board.lane('guest', name, this.#board.group('vm', 'guests'), null));
    }
    return thread.guest;
  }
}
