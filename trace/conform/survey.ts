/** What a recording shows at all, before it is walked: vCPU threads, and names that can be seen. */
import { KVM_RUN } from '../event.ts';
import type { CallLine, ReturnLine } from '../line.ts';
import { type EventLine, type Recording, TraceError, type TraceLine } from '../recording.ts';
import type { TraceMap } from './map.ts';
import type { Sight } from './seen.ts';

/** A thread that calls KVM_RUN. */
export interface VcpuThread {
  readonly comm: string;
  readonly pid: number;
  /** Indices of its lines, and of those that say that it leaves its CPU. */
  readonly lines: readonly number[];
  /** Calls of its functions that belong to no KVM_RUN. */
  readonly others: ReadonlySet<number>;
  /** Whether functions show from its first KVM_RUN on, and not before. */
  readonly isLateShown: boolean;
  readonly signals: boolean;
}

/** What all threads of a recording have in common. */
export interface Survey {
  readonly threads: readonly VcpuThread[];
  readonly sight: Omit<Sight, 'signals'>;
  /** Whether the flags count preempt_disable(). */
  readonly hasDepths: boolean;
}

type ThreadLine = EventLine | CallLine | ReturnLine;
const isOfThread = (line: TraceLine): line is ThreadLine => line.kind === 'event' || line.kind === 'call' || line.kind === 'return';

/** Whether only a vCPU thread does this. */
function runsVcpu(line: ThreadLine, { runs }: TraceMap): boolean {
  if (line.kind === 'call') return runs.has(baseName(line.fn));
  if (line.kind !== 'event' || line.event === null) return false;
  const { event } = line;
  return event.type === 'kvm_entry' || event.type === 'kvm_exit' || (event.type === 'ioctl' && event.cmd === KVM_RUN);
}

/** The name by which a map knows a line; null if it can stand for nothing. */
export function eventName(line: EventLine): string | null {
  const { event } = line;
  if (event === null) return null;
  return event.type === 'ioctl' && event.cmd !== KVM_RUN ? null : event.type;
}

/** vCPU threads of one recording. */
const THREADS_MAX = 4_096;

/**
 * Looks through a recording.
 * @throws TraceError if it has more threads than fit
 */
export function survey({ file, lines }: Recording, map: TraceMap): Survey {
  const pids = new Set<number>();
  const functions = new Set<string>();
  const events = new Set<string>();
  let hasDepths = false;
  let switches = false;
  let canSeeSignals = false;
  for (const line of lines) {
    if (!isOfThread(line)) continue;
    if (runsVcpu(line, map)) pids.add(line.pid);
    if (line.kind === 'event' && line.event !== null) {
      const name = eventName(line);
      if (name !== null && map.events.has(name)) events.add(name);
      switches ||= line.event.type === 'sched_switch';
      canSeeSignals ||= line.event.type === 'signal_generate';
      hasDepths ||= (line.flags?.preemptDepth ?? 0) > 0 && line.flags?.irqsOff === false;
    }
    if (line.kind === 'return') hasDepths ||= (line.flags?.preemptDepth ?? 0) > 0 && line.flags?.irqsOff === false;
  }
  if (pids.size > THREADS_MAX)
    throw new TraceError(
      `${file} has ${pids.size.toLocaleString('en')} vCPU threads`,
      `at most ${THREADS_MAX.toLocaleString('en')}`,
      'a part of the recording: head -n 1000000 FILE',
    );
  const byThread = new Map([...pids].map((pid) => [pid, { comm: '', lines: [] as number[] }]));
  const signalled = new Set<number>();
  for (const [index, line] of lines.entries()) {
    if (!isOfThread(line)) continue;
    const own = byThread.get(line.pid);
    if (own) {
      own.lines.push(index);
      if (own.comm === '' || own.comm === '<...>') own.comm = line.comm;
      if (line.kind === 'call') functions.add(baseName(line.fn));
    }
    if (line.kind === 'event' && line.event?.type === 'signal_generate') signalled.add(line.event.task.pid);
  }
  const seen = seenKeys(map, functions);
  return {
    threads: [...byThread].map(([pid, own]) => ({
      ...own,
      pid,
      others: otherIoctls(own.lines, lines, map),
      isLateShown: isLateShown(own.lines, lines, map),
      signals: !canSeeSignals || signalled.has(pid),
    })),
    sight: { functions: seen, events, switches },
    hasDepths,
  };
}

/** Keys of the map whose functions the recording has. */
function seenKeys({ functions }: TraceMap, names: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...functions.keys()].filter((key) => names.has(key.slice(key.indexOf('>') + 1))));
}

/**
 * Ioctls in which nothing is called that only KVM_RUN calls; and what a thread calls outside of
 * KVM_RUN by functions of it: the one that creates the vCPU loads it, the last that ends does.
 */
function otherIoctls(own: readonly number[], lines: readonly TraceLine[], map: TraceMap): ReadonlySet<number> {
  const others = new Set<number>();
  const calls = own.map((index) => lines[index]!);
  if (!calls.some((line) => line.kind === 'call' && map.runs.has(baseName(line.fn)))) return others;
  let begin: { readonly index: number; readonly fn: string } | null = null;
  let runs = false;
  /** Calls between two ioctls; before the first one, unless KVM_RUN is under way there. */
  let between: number[] = [];
  for (const index of own) {
    const line = lines[index]!;
    if (line.kind === 'call') {
      runs ||= map.runs.has(baseName(line.fn));
      if (map.functions.get(baseName(line.fn))?.begins !== true) {
        if (begin === null && map.inside.has(baseName(line.fn))) between.push(index);
        continue;
      }
      if (begin === null && !runs) for (const call of between) others.add(call);
      between = [];
      if (line.leaf) others.add(index);
      else {
        begin = { index, fn: line.fn };
        runs = false;
      }
    } else if (line.kind === 'return' && begin !== null && line.fn === begin.fn) {
      if (!runs) others.add(begin.index);
      begin = null;
      runs = false;
    } else if (begin === null) runs ||= line.kind === 'return' ? returnsToUser(line, map) : isInRun(line);
  }
  // What ends the recording may be the vCPU's last thread.
  if (begin === null && !runs) for (const call of between) others.add(call);
  return others;
}

const isInRun = (line: TraceLine): boolean => line.kind === 'event' && line.event !== null && Object.hasOwn(KVM_EVENTS, line.event.type);

/** Whether it is KVM_RUN, or a part of it, that returns: it was called before the recording. */
const returnsToUser = ({ fn }: ReturnLine, map: TraceMap): boolean =>
  fn === null || map.runs.has(baseName(fn)) || map.functions.get(baseName(fn))?.begins === true;

/**
 * With set_graph_function a function that was entered before the tracer does not show what it
 * calls: events are seen, and no function of the map.
 */
function isLateShown(own: readonly number[], lines: readonly TraceLine[], map: TraceMap): boolean {
  let sees = false;
  const begins = new Map([...map.functions].reverse().map(([name, meaning]) => [name.slice(name.indexOf('>') + 1), meaning.begins]));
  for (const index of own) {
    const line = lines[index]!;
    if (line.kind === 'event' && line.event !== null) sees ||= Object.hasOwn(KVM_EVENTS, line.event.type);
    if (line.kind !== 'call') continue;
    const found = begins.get(baseName(line.fn));
    if (found !== undefined) return sees && found;
  }
  return false;
}

const KVM_EVENTS: Readonly<Record<string, true>> = { kvm_entry: true, kvm_exit: true, kvm_userspace_exit: true };

/** A function without what the compiler adds to the name of a part or a copy of it. */
export const baseName = (fn: string): string => fn.replace(/(?:\.(?:isra|part|constprop|cold|llvm)(?:\.\d{1,20})?)+$/, '');
