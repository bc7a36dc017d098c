/**
 * One line of a recording: the text of ftrace, what `trace-cmd report` prints, what `perf script`
 * prints, and the function_graph tracer. They differ in the head of a line; what follows it is the
 * same.
 *
 * @see kernel kernel/trace/trace_output.c, trace_print_context(), trace_print_lat_fmt();
 * kernel/trace/trace_functions_graph.c; tools/perf/builtin-script.c
 */

/** What the kernel notes of the context, where the recording has the column of flags. */
export interface ContextFlags {
  readonly irqsOff: boolean;
  readonly needResched: boolean;
  /** In a hard interrupt, a soft interrupt or an NMI, on top of the thread. */
  readonly inInterrupt: boolean;
  readonly preemptDepth: number;
}

/** Where a line stands, and whose it is. */
export interface Head {
  /** From 1. */
  readonly line: number;
  /** In ns, by the clock of the recording; null if the recording has no times. */
  readonly time: number | null;
  readonly cpu: number;
  /** Of the thread that ran on the CPU, by the name that it had then; `<...>` is unknown. */
  readonly comm: string;
  readonly pid: number;
  /** Of its process, where the recording has the column. */
  readonly tgid?: number;
  readonly flags: ContextFlags | null;
}

/** A tracepoint, as printed. */
export interface EventText extends Head {
  readonly kind: 'event';
  readonly name: string;
  /** What stands behind the name. */
  readonly text: string;
}
/** function_graph: a function is entered; a leaf returns at once, as far as the recording shows. */
export interface CallLine extends Head {
  readonly kind: 'call';
  readonly fn: string;
  readonly leaf: boolean;
  /** How long a leaf took, in ns, where it is printed. */
  readonly duration: number | null;
}
/** function_graph: a function returns. Its name is null where funcgraph-tail was off. */
export interface ReturnLine extends Head {
  readonly kind: 'return';
  readonly fn: string | null;
}
/** The ring buffer has dropped events: nothing is known of what the CPU did here. */
export interface LostLine {
  readonly kind: 'lost';
  readonly line: number;
  /** Null: it is not said which. */
  readonly cpu: number | null;
  /** How many; null if that is not said. */
  readonly events: number | null;
}
/** A line that no head fits. */
export interface ForeignLine {
  readonly kind: 'foreign';
  readonly line: number;
  readonly text: string;
}
/** A line that says nothing of a CPU: a comment, a rule between tasks. */
interface Blank {
  readonly kind: 'blank';
}
/** One frame of a stack; the reader gathers them. */
interface FrameLine {
  readonly kind: 'frame';
  readonly fn: string;
}
/** The head of a stack, whose frames are on the lines behind it. */
interface StackHead {
  readonly kind: 'stack-head';
}

/** Which program printed the recording. */
export type Format = 'ftrace' | 'trace-cmd' | 'perf' | 'function_graph';
/** What one line says, before fields are read and stacks are gathered. */
export type RawLine = EventText | CallLine | ReturnLine | LostLine | ForeignLine | Blank | FrameLine | StackHead;

/** Characters of a line that are looked at; no line of a tracer is longer. */
const LINE_MAX = 4_096;

/** A comm is 15 characters and may hold spaces (`CPU 0/KVM`) and hyphens. */
const COMM = String.raw`\s{0,24}(\S.{0,31}?)`;
const FLAGS = '([.dDbX][.NnpBbLl][.ZzHhs][.0-9a-f][.0-9a-f]?)';
const TIME = String.raw`(\d{1,10}\.\d{1,9})`;
const TASK = new RegExp(
  String.raw`^${COMM}-(\d{1,8})\s+(?:\(\s{0,8}(\d{1,8}|-{1,8})\)\s+)?\[(\d{1,5})\]\s+(?:${FLAGS}\s+)?${TIME}:\s(.*)$`,
);
const PERF = new RegExp(
  String.raw`^${COMM}\s+(\d{1,8})(?:/(\d{1,8}))?\s+\[(\d{1,5})\]\s+(?:\S{1,8}\s+)?${TIME}:\s+(?:\d{1,20}\s+)?([a-z_0-9]{1,40}):([a-zA-Z_0-9]{1,64}):\s?(.*)$`,
);
const GRAPH = new RegExp(
  String.raw`^\s{0,24}(?:${TIME} \|)?\s{0,8}(\d{1,5})\)\s(?:${COMM}-(\d{1,8})\s+\|\s{0,4})?(?:${FLAGS}\s{0,4}\|)?([^|]{0,32})\|(.*)$`,
);
/** With the option sym-offset ftrace names a marker by the place that writes it. */
const EVENT = /^([a-zA-Z_][a-zA-Z_0-9]{0,63})(?:\+0x[0-9a-f]+\/0x[0-9a-f]+)?:\s*(.*)$/;
/** ftrace prints a system call as `sys_ioctl(fd: 5, …)` and `sys_ioctl -> 0x0`. */
const SYSCALL = /^sys_([a-z_0-9]{1,40})(?:\((.*)\)| -> (.*))$/;
const CALL = /^([\w.$]{1,128})(?: \[[\w-]{1,64}\])?\(\)(?:;| \{)(?: \/\*.*\*\/)?$/;
const RETURN = /^\}(?: \/\*\s?(?:-> )?([\w.$]{1,128}).*\*\/)?$/;
const IN_GRAPH = /^\/\* (.*?)\s?\*\/$/;
/** In µs; a mark before it says how long that is. */
const DURATION = /(\d{1,12}\.\d{1,6}) us/;
const LOST = [/^CPU:\s?(\d{1,5}) \[LOST (\d{1,15}) EVENTS\]/, /^CPU:\s?(\d{1,5}) \[(?:(\d{1,15}) )?EVENTS (?:DROPPED|LOST)\]/] as const;
const PERF_LOST = /PERF_RECORD_LOST(?:_SAMPLES)?\b\D{0,40}(\d{1,15})?/;
const FRAME = /^\s*=> (?:<?[0-9a-f]{8,16}>?\s+)?([\w.$]{1,128})/;
const PERF_FRAME = /^\s+[0-9a-f]{6,16}\s([\w.$[\]]{1,128})(?:\+0x[0-9a-f]+)? \(/;
const BLANK =
  /^\s*$|^#|^\s*-{10,}$|^\s{0,4}\d{1,5}\)\s.{1,64}=>.{1,64}$|^cpus=\d|^version = \d|^\s{0,4}\|\s*$|^(?:version|CPU \d+ is empty)/;

const nanoseconds = (text: string): number => {
  const [seconds, fraction = ''] = text.split('.');
  return Number(seconds) * 1_000_000_000 + Number(fraction.padEnd(9, '0'));
};

function flagsOf(text: string | undefined): ContextFlags | null {
  if (text === undefined) return null;
  return {
    irqsOff: text[0] === 'd' || text[0] === 'D',
    needResched: text[1] !== '.',
    inInterrupt: text[2] !== '.',
    preemptDepth: text[3] === '.' ? 0 : Number.parseInt(text[3]!, 16),
  };
}

/** A tracepoint by its text: `name: fields`, or a system call as ftrace prints it. */
function eventOf(head: Head, text: string): EventText | undefined {
  const event = EVENT.exec(text);
  // trace-cmd calls a marker of user space `print`.
  if (event) return { ...head, kind: 'event', name: event[1] === 'print' ? 'tracing_mark_write' : event[1]!, text: event[2]! };
  const call = SYSCALL.exec(text);
  if (!call) return undefined;
  return call[2] === undefined
    ? { ...head, kind: 'event', name: `sys_exit_${call[1]}`, text: call[3]! }
    : { ...head, kind: 'event', name: `sys_enter_${call[1]}`, text: call[2] };
}

const isStack = (text: string): boolean => /^<stack trace\s*>/.test(text) || /^kernel_stack:\s*<stack trace\s*>/.test(text);

function taskLine(text: string, line: number): { readonly raw: RawLine; readonly format: Format } | undefined {
  const found = TASK.exec(text);
  if (!found) return undefined;
  const [, comm, pid, tgid, cpu, flags, time, rest] = found;
  const head: Head = {
    line,
    time: nanoseconds(time!),
    cpu: Number(cpu),
    comm: comm!,
    pid: Number(pid),
    ...(tgid !== undefined && !tgid.startsWith('-') && { tgid: Number(tgid) }),
    flags: flagsOf(flags),
  };
  const format = flags === undefined ? 'trace-cmd' : 'ftrace';
  if (isStack(rest!.trim())) return { raw: { kind: 'stack-head' }, format };
  const event = eventOf(head, rest!.trim());
  return event && { raw: event, format };
}

function perfLine(text: string, line: number): { readonly raw: RawLine; readonly format: Format } | undefined {
  const found = PERF.exec(text);
  if (!found) return undefined;
  const [, comm, first, second, cpu, time, , name, rest] = found;
  // `comm pid/tid` where both are printed, else `comm tid`.
  const pid = Number(second ?? first);
  const head: Head = {
    line,
    time: nanoseconds(time!),
    cpu: Number(cpu),
    // perf names the idle task of every CPU after its own comm.
    comm: pid === 0 ? '<idle>' : comm!,
    pid,
    ...(second !== undefined && { tgid: Number(first) }),
    flags: null,
  };
  return { raw: { ...head, kind: 'event', name: name!, text: rest!.trim() }, format: 'perf' };
}

function graphLine(text: string, line: number): { readonly raw: RawLine; readonly format: Format } | undefined {
  const found = GRAPH.exec(text);
  if (!found) return undefined;
  const [, time, cpu, comm, pid, flags, took, rest] = found;
  // Whose line it is cannot be told without the task's column.
  if (pid === undefined) return undefined;
  const head: Head = {
    line,
    time: time === undefined ? null : nanoseconds(time),
    cpu: Number(cpu),
    comm: comm!.trim(),
    pid: Number(pid),
    flags: flagsOf(flags),
  };
  const what = rest!.trim();
  const inner = IN_GRAPH.exec(what);
  if (inner) {
    const event = eventOf(head, inner[1]!);
    return event && { raw: event, format: 'function_graph' };
  }
  const call = CALL.exec(what);
  if (call) {
    const duration = DURATION.exec(took!)?.[1];
    const raw: CallLine = {
      ...head,
      kind: 'call',
      fn: call[1]!,
      leaf: !what.includes('{'),
      duration: duration === undefined ? null : Math.round(Number(duration) * 1_000),
    };
    return { raw, format: 'function_graph' };
  }
  const back = RETURN.exec(what);
  return back ? { raw: { ...head, kind: 'return', fn: back[1] ?? null }, format: 'function_graph' } : undefined;
}

function lostLine(text: string, line: number): LostLine | undefined {
  for (const pattern of LOST) {
    const found = pattern.exec(text);
    if (found) return { kind: 'lost', line, cpu: Number(found[1]), events: found[2] === undefined ? null : Number(found[2]) };
  }
  const perf = PERF_LOST.exec(text);
  return perf ? { kind: 'lost', line, cpu: null, events: perf[1] === undefined ? null : Number(perf[1]) } : undefined;
}

/** What a line says, and which program printed it; no format where nothing tells. */
export function parseLine(whole: string, line: number): { readonly raw: RawLine; readonly format?: Format } {
  const text = whole.length > LINE_MAX ? whole.slice(0, LINE_MAX) : whole;
  const known = taskLine(text, line) ?? graphLine(text, line) ?? perfLine(text, line);
  if (known) return known;
  const lost = lostLine(text.trim(), line);
  if (lost) return { raw: lost };
  if (BLANK.test(text)) return { raw: { kind: 'blank' } };
  const frame = FRAME.exec(text) ?? PERF_FRAME.exec(text);
  if (frame) return { raw: { kind: 'frame', fn: frame[1]! } };
  return { raw: { kind: 'foreign', line, text: text.slice(0, 200) } };
}
