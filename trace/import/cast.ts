/**
 * Who takes part in a recording: the threads that run vCPUs, found by what they do, the VMs that
 * they belong to, and the CPUs that have to do with them.
 */
import { KVM_RUN } from '../event.ts';
import type { EventLine, Recording, TraceLine } from '../recording.ts';

/** A thread that runs a vCPU. */
export interface VcpuThread {
  readonly pid: number;
  readonly comm: string;
  /** Number of its VM, and of its vCPU in it. */
  readonly vm: number;
  readonly vcpu: number;
}

export interface Cast {
  /** By VM, then by vCPU. */
  readonly threads: readonly VcpuThread[];
  /** Number of the thread with this pid. */
  readonly threadOf: ReadonlyMap<number, number>;
  /** CPUs of the recording; the place in the list is the number of the simulated CPU. */
  readonly cpus: readonly number[];
}

interface Seen {
  readonly pid: number;
  comm: string;
  tgid: number | null;
  vcpu: number | null;
}

const isEvent = (line: TraceLine): line is EventLine => line.kind === 'event';

/** What an event says of the thread that it is told by, if only a vCPU's thread tells it. */
function vcpuIn({ event }: EventLine): { readonly vcpu: number | null } | null {
  if (event?.type === 'kvm_entry' || event?.type === 'kvm_exit') return { vcpu: event.vcpu };
  if (event?.type === 'kvm_userspace_exit' || (event?.type === 'ioctl' && event.cmd === KVM_RUN)) return { vcpu: null };
  return null;
}

function threadsSeen(lines: readonly TraceLine[]): Seen[] {
  const seen = new Map<number, Seen>();
  for (const line of lines) {
    if (!isEvent(line)) continue;
    const found = vcpuIn(line);
    if (found === null) continue;
    const one = seen.get(line.pid) ?? { pid: line.pid, comm: line.comm, tgid: null, vcpu: null };
    if (!line.comm.startsWith('<')) one.comm = line.comm;
    one.tgid ??= line.tgid ?? null;
    one.vcpu ??= found.vcpu;
    seen.set(line.pid, one);
  }
  return [...seen.values()].sort((a, b) => a.pid - b.pid);
}

/**
 * VMs are told apart by their process, where the recording has that, and by numbers of vCPUs that
 * two threads have.
 */
function inVms(seen: readonly Seen[]): VcpuThread[] {
  const vms: { readonly tgid: number | null; readonly taken: Set<number> }[] = [];
  const placed = seen.map(({ pid, comm, tgid, vcpu }) => {
    const fits = vms.findIndex((one) => one.tgid === tgid && (vcpu === null || !one.taken.has(vcpu)));
    const vm = fits >= 0 ? fits : vms.push({ tgid, taken: new Set() }) - 1;
    const { taken } = vms[vm]!;
    let number = vcpu ?? 0;
    while (taken.has(number)) number++;
    taken.add(number);
    return { pid, comm, vm, vcpu: number };
  });
  placed.sort((a, b) => a.vm - b.vm || a.vcpu - b.vcpu);
  // A recording may lack some vCPUs of a VM: those that it has are numbered without gaps.
  return placed.map((thread) => ({ ...thread, vcpu: placed.filter(({ vm, vcpu }) => vm === thread.vm && vcpu < thread.vcpu).length }));
}

/** Whether a line has to do with a thread that runs a vCPU. */
function concerns({ pid, event }: EventLine, threadOf: ReadonlyMap<number, number>): boolean {
  if (threadOf.has(pid)) return true;
  if (event?.type === 'sched_switch') return threadOf.has(event.prev.pid) || threadOf.has(event.next.pid);
  return event !== null && 'task' in event && threadOf.has(event.task.pid);
}

/** Finds out who takes part. There may be no thread that runs a vCPU. */
export function castOf({ lines }: Recording): Cast {
  const threads = inVms(threadsSeen(lines));
  const threadOf = new Map(threads.map(({ pid }, index) => [pid, index]));
  const events = lines.filter(isEvent);
  const cpus = new Set(events.filter((line) => concerns(line, threadOf)).map(({ cpu }) => cpu));
  // What is done to a vCPU that never moves is done on another CPU.
  const other = cpus.size === 1 ? events.find(({ cpu }) => !cpus.has(cpu)) : undefined;
  if (other) cpus.add(other.cpu);
  return { threads, threadOf, cpus: [...cpus].sort((a, b) => a - b) };
}
