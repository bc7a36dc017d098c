/**
 * What the tracepoints of a recording mean, with their fields as values. Fields are printed in two
 * ways: by the kernel's own format, and by the plugins of libtraceevent that trace-cmd and perf
 * load.
 *
 * @see kernel include/trace/events/{sched,signal,irq,ipi}.h, arch/x86/kvm/trace.h,
 * include/trace/events/kvm.h; tools/lib/traceevent/plugins/
 */
import type { EventText } from './line.ts';

/**
 * What became of the thread that a CPU leaves. `preempted`: as it was running (R+); `runnable`: it
 * has called schedule() and goes on (R); `either`: the plugin of libtraceevent prints R for both.
 */
export type PrevState = 'preempted' | 'runnable' | 'either' | 'sleeps' | 'dead';

/** A thread as an event names it. */
export interface Task {
  readonly comm: string;
  readonly pid: number;
}

/** A tracepoint that something is made of. */
export type TraceEvent =
  | { readonly type: 'sched_switch'; readonly prev: Task; readonly state: PrevState; readonly letters: string; readonly next: Task }
  /** `waking`: sent; `wakeup`: the thread is queued. */
  | { readonly type: 'sched_waking' | 'sched_wakeup'; readonly task: Task; readonly cpu: number | null }
  | { readonly type: 'sched_migrate_task'; readonly task: Task; readonly from: number; readonly to: number }
  | { readonly type: 'kvm_entry'; readonly vcpu: number | null }
  /** `reason` as printed, without `EXIT_REASON_`, `SVM_EXIT_`, in small letters: `npf`, `hlt`. */
  | { readonly type: 'kvm_exit'; readonly vcpu: number | null; readonly reason: string }
  /** `reason` is KVM_EXIT_*, or the errno with which KVM_RUN ends. */
  | { readonly type: 'kvm_userspace_exit'; readonly reason: string; readonly isError: boolean }
  | { readonly type: 'ioctl'; readonly fd: number; readonly cmd: number }
  | { readonly type: 'ioctl_end'; readonly result: bigint }
  | { readonly type: 'signal_generate'; readonly signal: number; readonly task: Task; readonly isPending: boolean }
  /** An interrupt handler of this CPU begins or ends. */
  | { readonly type: 'irq_entry' | 'irq_exit'; readonly vector: Vector }
  /** IPIs that this CPU sends; null: to CPUs that the event does not name as a list. */
  | { readonly type: 'ipi_send'; readonly cpus: readonly number[] | null; readonly callsite: string }
  | { readonly type: 'marker'; readonly text: string };

/** The interrupts of a host that tracepoints name. */
export type Vector = 'local_timer' | 'reschedule' | 'call_function' | 'call_function_single';

/** KVM_RUN, as `cmd` of an ioctl. @see kernel include/uapi/linux/kvm.h */
export const KVM_RUN = 0xae80;

const VECTORS: Readonly<Record<string, Vector>> = {
  local_timer: 'local_timer',
  reschedule: 'reschedule',
  call_function: 'call_function',
  call_function_single: 'call_function_single',
};

/** `prev_state` as letters: R and R+ go on, S, D, I, T, t, P and K wait, X and Z end. */
function stateOf(letters: string): PrevState {
  if (letters === 'R+') return 'preempted';
  if (letters === 'R') return 'runnable';
  return /^[XZ]/.test(letters) ? 'dead' : 'sleeps';
}

const SWITCH =
  /^prev_comm=(.{0,24}?) prev_pid=(\d{1,8}) prev_prio=-?\d{1,5} prev_state=(\S{1,16}) ==> next_comm=(.{0,24}?) next_pid=(\d{1,8}) next_prio=-?\d{1,5}/;
/** As plugin_sched_switch prints it: `vcpu0:154 [120] R ==> swapper/0:0 [120]`. */
const SWITCH_BY_PLUGIN = /^(.{0,24}?):(\d{1,8}) \[-?\d{1,5}\] (\S{1,16}) ==> (.{0,24}?):(\d{1,8}) \[-?\d{1,5}\]/;
const WAKE = /^comm=(.{0,24}?) pid=(\d{1,8}) prio=-?\d{1,5}(?: success=\d)?(?: target_cpu=(\d{1,5}))?/;
const WAKE_BY_PLUGIN = /^(.{0,24}?):(\d{1,8}) \[-?\d{1,5}\](?:.{0,60}? CPU:(\d{1,5}))?/;
const MIGRATE = /^comm=(.{0,24}?) pid=(\d{1,8}) prio=-?\d{1,5} orig_cpu=(\d{1,5}) dest_cpu=(\d{1,5})/;
const ENTRY = /^vcpu (\d{1,6})/;
const EXIT = /^(?:vcpu (\d{1,6}) )?reason (.{1,40}?)(?: rip | isa |$)/;
/** A reason that the kernel has no name for is printed as a number. */
const USER_EXIT = /^reason (\S{1,40}) \((-?\d{1,6})\)/;
const IOCTL = /^fd: (?:0x)?([0-9a-f]{1,16}), cmd: (?:0x)?([0-9a-f]{1,16})/;
const RESULT = /^(?:0x)?(-?[0-9a-f]{1,16})/;
const SIGNAL = /^sig=(\d{1,3}) .{0,60}?comm=(.{0,24}?) pid=(\d{1,8})(?: grp=\d res=(\d))?/;
const IPI_CPU = /^cpu=(\d{1,5})(?: callsite=([\w.]{1,128}))?/;
const IPI_MASK = /^cpumask=([0-9,-]{1,400})(?: callsite=([\w.]{1,128}))?/;
const IPI_RAISE = /^target_mask=([0-9a-f,]{1,400})/;

const task = (comm: string, pid: string): Task => ({ comm, pid: Number(pid) });

/** CPUs that a kernel can have (NR_CPUS). */
const CPUS_MAX = 8_192;

/** `0-3,5`, as the kernel prints a list of CPUs; null if it is none, or of too many. */
function cpuList(text: string): readonly number[] | null {
  const ranges = text.split(',').map((part) => {
    const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? [];
    return { first: Number(first), length: first === undefined ? 0 : Math.max(0, Number(last) - Number(first) + 1) };
  });
  // Counted before it is written out: a line of 400 characters could name 800,000.
  const count = ranges.reduce((sum, { length }) => sum + length, 0);
  if (count === 0 || count > CPUS_MAX) return null;
  return ranges.flatMap(({ first, length }) => Array.from({ length }, (_, index) => first + index));
}

/** `00000000,00000003`: 32 bits a group, the lowest last. */
function cpuMask(text: string): readonly number[] | null {
  const groups = text.split(',').reverse();
  const cpus = groups.flatMap((group, index) =>
    Array.from({ length: 32 }, (_, bit) => bit).flatMap((bit) =>
      ((Number.parseInt(group, 16) >>> bit) & 1) === 1 ? [index * 32 + bit] : [],
    ),
  );
  return cpus.length === 0 ? null : cpus;
}

type Parse = (text: string) => TraceEvent | undefined;
const wake =
  (type: 'sched_waking' | 'sched_wakeup'): Parse =>
  (text) => {
    const found = WAKE.exec(text) ?? WAKE_BY_PLUGIN.exec(text);
    return found ? { type, task: task(found[1]!, found[2]!), cpu: found[3] === undefined ? null : Number(found[3]) } : undefined;
  };

const PARSERS: Readonly<Record<string, Parse>> = {
  sched_switch: (text) => {
    const whole = SWITCH.exec(text);
    const found = whole ?? SWITCH_BY_PLUGIN.exec(text);
    if (!found) return undefined;
    const [, comm, pid, letters, nextComm, nextPid] = found;
    const state = whole === null && letters === 'R' ? 'either' : stateOf(letters!);
    return { type: 'sched_switch', prev: task(comm!, pid!), state, letters: letters!, next: task(nextComm!, nextPid!) };
  },
  sched_waking: wake('sched_waking'),
  sched_wakeup: wake('sched_wakeup'),
  sched_wakeup_new: wake('sched_wakeup'),
  sched_migrate_task: (text) => {
    const found = MIGRATE.exec(text);
    return found
      ? { type: 'sched_migrate_task', task: task(found[1]!, found[2]!), from: Number(found[3]), to: Number(found[4]) }
      : undefined;
  },
  kvm_entry: (text) => ({ type: 'kvm_entry', vcpu: ENTRY.exec(text) ? Number(ENTRY.exec(text)![1]) : null }),
  kvm_exit: (text) => {
    const found = EXIT.exec(text);
    if (!found) return undefined;
    const reason = found[2]!
      .trim()
      .replace(/^(?:EXIT_REASON_|SVM_EXIT_|EXIT_)/, '')
      .toLowerCase();
    return { type: 'kvm_exit', vcpu: found[1] === undefined ? null : Number(found[1]), reason };
  },
  kvm_userspace_exit: (text) => {
    const found = USER_EXIT.exec(text);
    if (!found) return undefined;
    const isError = !found[1]!.startsWith('KVM_EXIT_');
    return { type: 'kvm_userspace_exit', reason: found[1]!, isError };
  },
  sys_enter_ioctl: (text) => {
    const found = IOCTL.exec(text);
    return found ? { type: 'ioctl', fd: Number.parseInt(found[1]!, 16), cmd: Number.parseInt(found[2]!, 16) } : undefined;
  },
  sys_exit_ioctl: (text) => {
    const found = RESULT.exec(text);
    if (!found) return undefined;
    const isNegative = found[1]!.startsWith('-');
    const value = BigInt(`0x${isNegative ? found[1]!.slice(1) : found[1]}`);
    return { type: 'ioctl_end', result: BigInt.asIntN(64, isNegative ? -value : value) };
  },
  signal_generate: (text) => {
    const found = SIGNAL.exec(text);
    // res 0 is TRACE_SIGNAL_DELIVERED; 2 is one that was pending already.
    return found
      ? { type: 'signal_generate', signal: Number(found[1]), task: task(found[2]!, found[3]!), isPending: found[4] === '2' }
      : undefined;
  },
  ipi_send_cpu: (text) => {
    const found = IPI_CPU.exec(text);
    return found ? { type: 'ipi_send', cpus: [Number(found[1])], callsite: found[2] ?? '' } : undefined;
  },
  ipi_send_cpumask: (text) => {
    const found = IPI_MASK.exec(text);
    return found ? { type: 'ipi_send', cpus: cpuList(found[1]!), callsite: found[2] ?? '' } : undefined;
  },
  ipi_raise: (text) => {
    const found = IPI_RAISE.exec(text);
    return found ? { type: 'ipi_send', cpus: cpuMask(found[1]!), callsite: '' } : undefined;
  },
  tracing_mark_write: (text) => ({ type: 'marker', text }),
};

/**
 * What the tracepoint says; null if nothing is made of it. Undefined: it is one of those that
 * something is made of, and its fields are not as expected.
 */
export function eventOf({ name, text }: Pick<EventText, 'name' | 'text'>): TraceEvent | null | undefined {
  const parse = Object.hasOwn(PARSERS, name) ? PARSERS[name] : undefined;
  if (parse) return parse(text);
  const [, vector, side] = /^(.{1,32})_(entry|exit)$/.exec(name) ?? [];
  const known = vector !== undefined && Object.hasOwn(VECTORS, vector) ? VECTORS[vector] : undefined;
  return known === undefined ? null : { type: side === 'entry' ? 'irq_entry' : 'irq_exit', vector: known };
}
