/** A recording of a real kernel, read whole: its lines in order, with what each of them means. */
import type { PreemptionModel } from '../events/options.ts';
import { eventOf, type TraceEvent } from './event.ts';
import {
  type CallLine,
  type EventText,
  type ForeignLine,
  type Format,
  type Head,
  type LostLine,
  parseLine,
  type ReturnLine,
} from './line.ts';

/** A tracepoint with its fields; `event` is null if nothing is made of it. */
export interface EventLine extends Head {
  readonly kind: 'event';
  readonly name: string;
  readonly text: string;
  readonly event: TraceEvent | null;
  /** The kernel stack at the event, innermost function first, where it was recorded. */
  readonly stack?: readonly string[];
}
/** What a recording says, line by line. */
export type TraceLine = EventLine | CallLine | ReturnLine | LostLine | ForeignLine;

/** A recording, whole. */
export interface Recording {
  /** The file as the user named it. */
  readonly file: string;
  readonly format: Format;
  /** The version as the recording tells it, `6.12`; null if it does not. */
  readonly kernel: string | null;
  /** CONFIG_PREEMPT* of the kernel, where the head of the recording tells it. */
  readonly preemption: PreemptionModel | null;
  readonly lines: readonly TraceLine[];
}

const EXPECTED = 'the text of ftrace (/sys/kernel/tracing/trace), trace-cmd report, perf script or function_graph';
const ATTEMPT = 'docs/real-kernels.md has the commands that record one';

/** A file that is no recording, or too large a one. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
  readonly expected: string;
  readonly attempt: string;
  constructor(message: string, expected: string, attempt: string) {
    super(message);
    this.expected = expected;
    this.attempt = attempt;
  }
}

/** No line of the file is one of a recording. */
export class NoRecordingError extends TraceError {
  constructor(message: string) {
    super(message, EXPECTED, ATTEMPT);
  }
}

/** Lines that are kept of one recording. */
const LINES_MAX = 4_000_000;
/** Lines of one file, with those that say nothing and are not kept. */
const FILE_LINES_MAX = 2 * LINES_MAX;
/** Where the tracer names the kernel, if it does. */
const HEAD_LINES = 16;
const KERNEL = /^# function_graph latency trace v[\d.]{1,10} on (\d{1,2}\.\d{1,3})[.\s-]/;
const PREEMPTION = /^# latency: .{1,80}\(M:(\w{1,20}) /;
/** What the latency format calls it. @see kernel kernel/trace/trace.c, print_trace_header() */
const PREEMPTION_NAMES: Readonly<Record<string, PreemptionModel>> = {
  server: 'none',
  desktop: 'voluntary',
  preempt: 'full',
  preempt_rt: 'rt',
  lazy: 'lazy',
};
/** Frames that are kept of one stack. */
const FRAMES_MAX = 128;

/** An entry of a hist trigger. */
const HISTOGRAM = /^\{ [\w.]+:(?:\s|$)/;

/** Gathers the lines of one file. */
export class RecordingReader {
  readonly #file: string;
  readonly #lines: TraceLine[] = [];
  readonly #formats = new Map<Format, number>();
  #stack: string[] | undefined;
  /** Whether frames that follow belong to the event before them: perf has no head of a stack. */
  #afterEvent = false;
  #number = 0;
  #kernel: string | null = null;
  #preemption: PreemptionModel | null = null;

  constructor(file: string) {
    this.#file = file;
  }

  /** The next line of the file. @throws TraceError if there are too many */
  take(text: string): void {
    this.#number += 1;
    if (this.#number > FILE_LINES_MAX) throw this.#tooLong(FILE_LINES_MAX);
    if (this.#number <= HEAD_LINES) this.#head(text);
    const { raw, format } = parseLine(text, this.#number);
    if (format) this.#formats.set(format, (this.#formats.get(format) ?? 0) + 1);
    if (raw.kind === 'frame') {
      this.#frame(raw.fn, text);
      return;
    }
    this.#endStack();
    this.#afterEvent = raw.kind === 'event';
    if (raw.kind === 'stack-head') this.#stack = [];
    else if (raw.kind !== 'blank') this.#keep(raw.kind === 'event' ? withEvent(raw) : raw);
  }

  /** The recording. @throws TraceError if no line of the file was understood */
  end(): Recording {
    this.#endStack();
    const [most] = [...this.#formats].sort(([, a], [, b]) => b - a);
    if (!most) {
      const first = this.#lines.find((line): line is ForeignLine => line.kind === 'foreign');
      if (!first) throw new NoRecordingError(`${this.#file} has no events`);
      const what = HISTOGRAM.test(first.text) ? 'counts of a hist trigger, which have no order' : `"${printable(first.text)}"`;
      throw new NoRecordingError(`${this.#file}:${first.line}: no line of a recording: ${what}`);
    }
    return { file: this.#file, format: most[0], kernel: this.#kernel, preemption: this.#preemption, lines: this.#lines };
  }

  #head(text: string): void {
    this.#kernel ??= KERNEL.exec(text)?.[1] ?? null;
    const [, name] = PREEMPTION.exec(text) ?? [];
    if (name !== undefined && Object.hasOwn(PREEMPTION_NAMES, name)) this.#preemption ??= PREEMPTION_NAMES[name]!;
  }

  #frame(fn: string, text: string): void {
    if (this.#stack === undefined && this.#afterEvent) this.#stack = [];
    if (this.#stack === undefined) this.#keep({ kind: 'foreign', line: this.#number, text: text.slice(0, 200) });
    else if (this.#stack.length < FRAMES_MAX) this.#stack.push(fn);
  }

  /** A stack belongs to the event before it. */
  #endStack(): void {
    const last = this.#lines.at(-1);
    if (this.#stack !== undefined && this.#stack.length > 0 && last?.kind === 'event')
      this.#lines[this.#lines.length - 1] = { ...last, stack: this.#stack };
    this.#stack = undefined;
  }

  #keep(line: TraceLine): void {
    if (this.#lines.length >= LINES_MAX) throw this.#tooLong(LINES_MAX);
    this.#lines.push(line);
  }

  #tooLong(most: number): TraceError {
    const lines = `${most.toLocaleString('en')} lines`;
    const attempt = `a part of the recording: head -n ${LINES_MAX} FILE`;
    return new TraceError(`${this.#file}:${this.#number}: more than ${lines}`, `at most ${lines}`, attempt);
  }
}

/** Reads the fields of a tracepoint; one whose fields are not as expected is not understood. */
function withEvent(raw: EventText): TraceLine {
  const event = eventOf(raw);
  return event === undefined ? { kind: 'foreign', line: raw.line, text: `${raw.name}: ${raw.text}`.slice(0, 200) } : { ...raw, event };
}

const printable = (text: string): string => [...text.slice(0, 60)].map((c) => (c < ' ' || c === '\u007f' ? '?' : c)).join('');

/** A recording that is in memory. @throws TraceError */
export function recordingOf(file: string, text: string): Recording {
  const reader = new RecordingReader(file);
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  for (const line of lines) reader.take(line);
  return reader.end();
}
