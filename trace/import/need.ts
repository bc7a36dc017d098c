/**
 * What a recording asks of the simulated host: each line that has to do with a vCPU, as something
 * that its CPU has to come to. Everything between two of them is free.
 */
import { KVM_RUN, type PrevState, type TraceEvent, type Vector } from '../event.ts';
import type { ContextFlags } from '../line.ts';
import type { EventLine, Recording } from '../recording.ts';
import type { Cast } from './cast.ts';
import { withCauses } from './causes.ts';
import { flushLines } from './flushes.ts';
import { withoutVain } from './vain.ts';

/** What has to happen. Threads by their number in the cast; null: one that runs no vCPU. */
export type Act =
  | {
      readonly type: 'switch';
      readonly prev: number | null;
      readonly next: number | null;
      readonly state: PrevState;
      readonly stack: readonly string[] | null;
    }
  | { readonly type: 'wake'; readonly thread: number }
  | { readonly type: 'migrate'; readonly thread: number; readonly to: number }
  /** KVM_RUN begins, ends, and has come to its end in KVM. */
  | { readonly type: 'run' | 'return'; readonly thread: number }
  | { readonly type: 'user-exit'; readonly thread: number; readonly reason: string; readonly isError: boolean }
  | { readonly type: 'entry'; readonly thread: number }
  /** `turn`: number of the exit among those of its thread. */
  | {
      readonly type: 'exit';
      readonly thread: number;
      readonly reason: string;
      readonly turn: number;
      /** Of the interrupt that ended guest mode; null where it is not known. */
      readonly vector: Vector | null;
      /** The port that was accessed; null where it is not known. */
      readonly port: Port | null;
    }
  | { readonly type: 'irq'; readonly thread: number; readonly vector: Vector; readonly flags: ContextFlags | null }
  /** `isTold`: the recording has its line. */
  | { readonly type: 'signal'; readonly thread: number; readonly isTold: boolean }
  /** All vCPUs of a VM get a request, and an IPI if they are in guest mode. */
  | { readonly type: 'flush'; readonly vm: number }
  /** It was woken for nothing, and has slept again at once: that is left out. */
  | { readonly type: 'vain'; readonly thread: number }
  /** kvm_run->immediate_exit of its vCPU was set: told by no line, but by what followed. */
  | { readonly type: 'store'; readonly thread: number };

/** A port that a guest has accessed. */
export interface Port {
  readonly port: number;
  readonly write: boolean;
}

export interface Need {
  /** Of the recording, from 1. */
  readonly line: number;
  /** The line at which it has happened: an event may be told after its effect. */
  readonly order: number;
  /** The thread that tells it. */
  readonly pid: number;
  /** Number of the simulated CPU. */
  readonly cpu: number;
  readonly act: Act;
  /** The line, as it is told. */
  readonly text: string;
}

/** Where a recording ends before its last line, because nothing is known from there on. */
export interface Gap {
  readonly line: number;
  readonly why: string;
}

export interface Needs {
  readonly needs: readonly Need[];
  readonly gap: Gap | null;
  /** Lines with events that ask for nothing, by name. */
  readonly passed: ReadonlyMap<string, number>;
  /** Whether the recording has events of a kind at all. */
  readonly has: ReadonlySet<TraceEvent['type']>;
}

const TEXT_MAX = 76;
const textOf = ({ comm, pid, cpu, name, text }: EventLine): string => `${comm}-${pid} [${cpu}] ${name}: ${text}`.slice(0, TEXT_MAX);

const PIO = /^pio_(read|write) at 0x([0-9a-f]{1,4}) /;

/** The port of the last exit of a thread, which a line behind it tells. */
function tellPort(needs: Need[], { name, text }: EventLine, thread: number | null): void {
  const found = name === 'kvm_pio' ? PIO.exec(text) : null;
  if (found === null || thread === null) return;
  const at = needs.findLastIndex(({ act }) => 'thread' in act && act.thread === thread);
  const need = needs[at];
  if (need?.act.type !== 'exit') return;
  needs[at] = { ...need, act: { ...need.act, port: { port: Number.parseInt(found[2]!, 16), write: found[1] === 'write' } } };
}

/** Reads a recording from its first line on. */
class Reader {
  readonly #cast: Cast;
  readonly #turns: number[];
  /** Whether the ioctl that a thread is in is KVM_RUN; what is not known is. */
  readonly #inOther: boolean[];

  constructor(cast: Cast) {
    this.#cast = cast;
    this.#turns = cast.threads.map(() => 0);
    this.#inOther = cast.threads.map(() => false);
  }

  #number(pid: number): number | null {
    return this.#cast.threadOf.get(pid) ?? null;
  }

  actOf({ pid, event, flags, stack }: EventLine): Act | null {
    if (event === null) return null;
    const thread = this.#number(pid);
    switch (event.type) {
      case 'sched_switch': {
        const prev = this.#number(event.prev.pid);
        const next = this.#number(event.next.pid);
        return prev === next ? null : { type: 'switch', prev, next, state: event.state, stack: stack ?? null };
      }
      case 'sched_wakeup':
        return this.#ofTask(event.task.pid, (task) => ({ type: 'wake', thread: task }));
      case 'sched_migrate_task': {
        const to = this.#cast.cpus.indexOf(event.to);
        return to < 0 ? null : this.#ofTask(event.task.pid, (task) => ({ type: 'migrate', thread: task, to }));
      }
      case 'signal_generate':
        return this.#ofTask(event.task.pid, (task) => ({ type: 'signal', thread: task, isTold: true }));
      default:
        return thread === null ? null : this.#own(thread, event, flags);
    }
  }

  #ofTask(pid: number, act: (thread: number) => Act): Act | null {
    const thread = this.#number(pid);
    return thread === null ? null : act(thread);
  }

  /** What a vCPU's thread does itself. */
  #own(thread: number, event: TraceEvent, flags: ContextFlags | null): Act | null {
    switch (event.type) {
      case 'kvm_entry':
        return { type: 'entry', thread };
      case 'kvm_exit':
        return { type: 'exit', thread, reason: event.reason, turn: this.#turns[thread]!++, vector: null, port: null };
      case 'kvm_userspace_exit':
        return { type: 'user-exit', thread, reason: event.reason, isError: event.isError };
      case 'ioctl':
        this.#inOther[thread] = event.cmd !== KVM_RUN;
        return event.cmd === KVM_RUN ? { type: 'run', thread } : null;
      case 'ioctl_end': {
        const isOther = this.#inOther[thread]!;
        this.#inOther[thread] = false;
        return isOther ? null : { type: 'return', thread };
      }
      case 'irq_entry':
        return { type: 'irq', thread, vector: event.vector, flags };
      default:
        return null;
    }
  }
}

/** The vector of an interrupt that ends guest mode is told by the handler that follows. */
function withVectors(needs: readonly Need[]): Need[] {
  const next = new Map<number, Vector | null>();
  return needs
    .toReversed()
    .map((need) => {
      const { act, cpu } = need;
      if (act.type === 'irq') next.set(cpu, act.vector);
      else if (act.type === 'exit') return { ...need, act: { ...act, vector: next.get(cpu) ?? null } };
      else if (act.type === 'entry' || act.type === 'switch') next.set(cpu, null);
      return need;
    })
    .reverse();
}

/** A line of a thread. */
interface Told {
  readonly pid: number;
  readonly line: number;
}
/** Lines between a signal's effects and its own. */
const SIGNAL_NEAR = 32;

/**
 * Adds a need. The kernel tells a signal behind what it does: the IPI to the CPU of the thread that
 * it is for, or the wake-up of that thread.
 */
function takeUp(needs: Need[], need: Need, sent: Told | undefined): void {
  const { act, pid, cpu, line } = need;
  if (act.type !== 'signal') {
    needs.push(need);
    return;
  }
  const isNear = (told: number) => line - told <= SIGNAL_NEAR;
  const wake = needs.findLastIndex((one) => one.cpu === cpu);
  const before = needs[wake];
  const isItsWake = before?.act.type === 'wake' && before.act.thread === act.thread && before.pid === pid && isNear(before.line);
  const ipi = sent?.pid === pid && isNear(sent.line) ? sent.line : line;
  if (isItsWake) needs.splice(wake, 0, { ...need, order: Math.min(before.order, ipi) });
  else needs.push({ ...need, order: ipi });
}

const completed = (needs: readonly Need[], { threads, cpus }: Cast): Need[] =>
  withCauses(withoutVain(withVectors(needs), threads.length), cpus.length);

/** What a recording asks for, up to the first line from which on nothing is known. */
export function needsOf({ lines }: Recording, cast: Cast): Needs {
  const reader = new Reader(cast);
  const needs: Need[] = [];
  const passed = new Map<string, number>();
  const has = new Set<TraceEvent['type']>();
  const sends = new Map<number, Told>();
  const flushes = flushLines(lines, cast);
  const isCut = (): boolean => needs.length > 0;
  for (const line of lines) {
    if (line.kind === 'lost') {
      // What was lost before the first event is not missed.
      if (!isCut()) continue;
      const where = line.cpu === null ? 'the recording' : `CPU ${line.cpu}`;
      return {
        needs: completed(needs, cast),
        passed,
        has,
        gap: { line: line.line, why: `${where} has lost ${line.events ?? 'some'} events` },
      };
    }
    if (line.kind === 'foreign') {
      return { needs: completed(needs, cast), passed, has, gap: { line: line.line, why: `the line is not understood: "${line.text}"` } };
    }
    if (line.kind !== 'event') continue;
    if (line.event) has.add(line.event.type);
    tellPort(needs, line, cast.threadOf.get(line.pid) ?? null);
    const { pid, cpu: on } = line;
    if (line.event?.type === 'ipi_send' && /signal/.test(line.event.callsite)) sends.set(on, { pid, line: line.line });
    const act = flushes.has(line) ? ({ type: 'flush', vm: 0 } as const) : reader.actOf(line);
    if (act === null) passed.set(line.name, (passed.get(line.name) ?? 0) + 1);
    else takeUp(needs, { line: line.line, order: line.line, pid, cpu: cast.cpus.indexOf(on), act, text: textOf(line) }, sends.get(on));
  }
  return { needs: completed(needs, cast), passed, has, gap: null };
}
