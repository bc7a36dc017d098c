/** One vCPU thread of a recording on its way through the model, line by line. */
import { KVM_RUN } from '../event.ts';
import type { CallLine, ReturnLine } from '../line.ts';
import type { EventLine, TraceLine } from '../recording.ts';
import type { Automaton, StateSet } from './automaton.ts';
import type { Doubts } from './doubts.ts';
import { knowsFunction, type Meaning, type TraceMap } from './map.ts';
import type { Counts, Refusal, ThreadReport, Verdict } from './report.ts';
import type { Context, Leaving, Seen, Shown } from './seen.ts';
import { baseName, eventName, type VcpuThread } from './survey.ts';

/** On entry lines of function_graph the tracer itself has raised the depth. */
const ENTRY_DEPTH = 1;
/** Functions that are open at once; the kernel's own stack has 50 (FTRACE_RETFUNC_DEPTH). */
const DEPTH_MAX = 256;
/** What is told of one line. */
const TEXT_MAX = 160;
/** Micro-steps that a refusal lists. */
const STEPS_MAX = 8;

interface Frame {
  readonly fn: string;
  readonly meaning: Meaning | null;
  readonly isSure: boolean;
}

/** The line that has fixed a micro-step last, and what was left then. */
interface Last {
  readonly set: StateSet;
  readonly automaton: Automaton;
  readonly meaning: Meaning;
  readonly line: number;
}

type Tally = { -readonly [K in keyof Counts]: number };

/** One thread on its way. */
export class ThreadWalk {
  readonly #thread: VcpuThread;
  readonly #map: TraceMap;
  readonly #doubts: Doubts;
  readonly #hasDepths: boolean;
  readonly #whole: Automaton;
  #automaton: Automaton;
  #set: StateSet | null;
  #stack: Frame[] = [];
  /** The ioctl under way is another one, or no ioctl. */
  #elsewhere: 'ioctl' | number | null = null;
  /** What has shown the begin of KVM_RUN, if nothing was shown since. */
  #begunBy: string | null = null;
  /** An exit is handled that may sleep, in steps that the model does not have. */
  #isInSleepingExit = false;
  #last: Last | null = null;
  #refusal: Refusal | null = null;
  #refusals = 0;
  #isDoubtful = false;
  readonly #counts: Tally = { ioctls: 0, fixed: 0, entries: 0, exits: 0, preemptions: 0, sleeps: 0, interrupts: 0, giveUps: 0 };

  constructor(
    thread: VcpuThread,
    automata: { readonly whole: Automaton; readonly early: Automaton },
    map: TraceMap,
    doubts: Doubts,
    hasDepths: boolean,
  ) {
    this.#thread = thread;
    this.#whole = automata.whole;
    this.#automaton = automata.early;
    this.#set = this.#automaton.every();
    this.#map = map;
    this.#doubts = doubts;
    this.#hasDepths = hasDepths;
  }

  report(): ThreadReport {
    const { comm, pid } = this.#thread;
    const verdict: Verdict = this.#refusal ? 'cannot' : this.#isDoubtful ? 'unknown' : 'conforms';
    return { comm, pid, verdict, counts: this.#counts, refusal: this.#refusal, refusals: this.#refusals };
  }

  /** Nothing is known of the thread any more: events were lost, or not understood. */
  lose(): void {
    this.#isDoubtful = true;
    this.#stack = [];
    this.#elsewhere = null;
    if (this.#set !== null) this.#set = this.#automaton.every();
  }

  take(line: TraceLine, index: number): void {
    if (line.kind === 'event') this.#event(line);
    else if (line.kind === 'call') this.#call(line, index);
    else if (line.kind === 'return') this.#return(line);
  }

  #event(line: EventLine): void {
    const { event } = line;
    if (event === null) return;
    if (event.type === 'sched_switch') {
      if (event.prev.pid === this.#thread.pid) this.#leave(line, event.state);
      return;
    }
    if (event.type === 'irq_entry') {
      this.#counts.interrupts += 1;
      const { flags } = line;
      this.#see(line, { type: 'interrupted', context: flags && this.#context(false, flags.preemptDepth) });
      return;
    }
    if (event.type === 'ioctl' && event.cmd !== KVM_RUN) this.#elsewhere = 'ioctl';
    const name = eventName(line);
    const meaning = name === null ? undefined : this.#map.events.get(name);
    if (meaning === undefined) return;
    if (event.type === 'ioctl_end' && this.#elsewhere === 'ioctl') {
      this.#elsewhere = null;
      return;
    }
    if (event.type === 'kvm_entry') this.#counts.entries += 1;
    if (event.type === 'kvm_exit') this.#counts.exits += 1;
    this.#isInSleepingExit = event.type === 'kvm_exit' && this.#map.sleepingExits.has(event.reason);
    const exits = event.type === 'kvm_exit' ? this.#exits(event.reason, line.line) : null;
    if (exits === undefined) return;
    // Tracepoints of system calls run with preemption off.
    const { flags } = line;
    const isKvm = event.type !== 'ioctl' && event.type !== 'ioctl_end';
    const context = flags === null || !isKvm ? null : this.#context(flags.irqsOff, flags.preemptDepth);
    // A function that handles the exit may be seen before it is told.
    const isEntry = event.type !== 'kvm_exit' && event.type !== 'ioctl_end';
    this.#show(line, meaning, { isEntry, isSure: true, context, exits });
  }

  /** Exits of the model that a recorded one stands for; undefined if no map says. */
  #exits(reason: string, line: number): readonly string[] | undefined {
    const exits = this.#map.exits.get(reason);
    if (exits !== undefined) return exits;
    this.#doubts.add(`the exit ${reason}`, line, `--map FILE with exits: { ${reason}: … }`);
    this.lose();
    return undefined;
  }

  #call(line: CallLine, index: number): void {
    const fn = baseName(line.fn);
    const parent = this.#stack.at(-1)?.fn ?? null;
    const inInterrupt = line.flags?.inInterrupt === true;
    if (this.#thread.others.has(index)) this.#elsewhere ??= this.#stack.length;
    const found = inInterrupt || this.#elsewhere !== null ? null : this.#meaningOf(fn, parent);
    const frame: Frame = { fn, meaning: found?.meaning ?? null, isSure: found?.isSure ?? false };
    if (found) {
      const { flags } = line;
      const context = flags && this.#context(flags.irqsOff, flags.preemptDepth - ENTRY_DEPTH);
      this.#show(line, found.meaning, { isEntry: true, isSure: found.isSure, context, exits: null });
    } else if (
      !inInterrupt &&
      this.#elsewhere === null &&
      parent !== null &&
      this.#map.inside.has(parent) &&
      !knowsFunction(this.#map, fn)
    ) {
      this.#doubts.add(`the function ${fn}() in ${parent}()`, line.line, `--map FILE with known: [${fn}], or functions: { ${fn}: … }`);
      this.#isDoubtful = true;
    }
    if (line.leaf) this.#leaveFrame(frame, line);
    else if (this.#stack.push(frame) > DEPTH_MAX) {
      this.#doubts.add(`more than ${DEPTH_MAX} functions that do not return`, line.line, 'a recording whose functions return');
      this.lose();
    }
    if (line.leaf && this.#elsewhere === this.#stack.length) this.#elsewhere = null;
  }

  /** Without its caller a function may be another use of it. */
  #meaningOf(fn: string, parent: string | null): { readonly meaning: Meaning; readonly isSure: boolean } | null {
    const exact = parent === null ? undefined : this.#map.functions.get(`${parent}>${fn}`);
    const any = exact ?? this.#map.functions.get(fn);
    if (any) return { meaning: any, isSure: true };
    if (parent !== null) return null;
    const key = [...this.#map.functions.keys()].filter((name) => name.endsWith(`>${fn}`));
    if (key.length === 0) return null;
    const meanings = key.map((name) => this.#map.functions.get(name)!);
    return { meaning: joined(meanings), isSure: false };
  }

  #return(line: ReturnLine): void {
    const name = line.fn === null ? null : baseName(line.fn);
    const at = name === null ? this.#stack.length - 1 : this.#stack.findLastIndex(({ fn }) => fn === name);
    if (at < 0) {
      // It was entered before the recording, and with it all that stands on the stack is over.
      this.#stack = [];
      const meaning = name === null || line.flags?.inInterrupt === true ? undefined : this.#map.functions.get(name);
      if (meaning && this.#elsewhere === null) this.#leaveFrame({ fn: name!, meaning, isSure: false }, line);
      return;
    }
    const frame = this.#stack[at]!;
    this.#stack.length = at;
    this.#leaveFrame(frame, line);
    if (this.#elsewhere === at) this.#elsewhere = null;
  }

  #leaveFrame({ meaning, isSure }: Frame, line: CallLine | ReturnLine): void {
    if (meaning === null) return;
    if (isSure && !meaning.optional && meaning.at.length > 0) this.#see(line, { type: 'returned', meaning });
    if (meaning.returns.length === 0) return;
    const returned: Meaning = { ...meaning, at: meaning.returns, after: [], returns: [], begins: false };
    this.#show(line, returned, { isEntry: false, isSure: true, context: null, exits: null });
  }

  #leave(line: EventLine, state: Leaving): void {
    if (state === 'sleeps') this.#counts.sleeps += 1;
    else if (state !== 'dead') this.#counts.preemptions += 1;
    // Where functions show, the handler itself says that it runs.
    const isLeftOut = this.#stack.length === 0 ? this.#isInSleepingExit : this.#stack.some(({ fn }) => this.#map.sleeps.has(fn));
    this.#see(line, { type: state, isLeftOut });
  }

  #show(line: EventLine | CallLine | ReturnLine, meaning: Meaning, rest: Omit<Shown, 'type' | 'meaning'>): void {
    // Both the system call and its function may be seen.
    const by = line.kind === 'event' ? line.name : 'function';
    const isAgain = meaning.begins && this.#begunBy !== null && this.#begunBy !== by;
    this.#begunBy = meaning.begins && !isAgain ? by : null;
    if (isAgain) return;
    if (meaning.begins) this.#counts.ioctls += 1;
    if (meaning.entered === false && rest.isEntry) this.#counts.giveUps += 1;
    const seen: Shown = { type: 'shown', meaning, ...rest };
    this.#see(line, seen);
    // From its first KVM_RUN on, all that the recording can show is shown; behind a refusal the
    // next one is where the walk goes on.
    if (meaning.begins && (this.#set === null || this.#automaton !== this.#whole)) {
      this.#automaton = this.#whole;
      this.#set = this.#whole.next(this.#whole.beginning(meaning), seen);
    }
    if (this.#set === null || !rest.isSure) return;
    this.#counts.fixed += 1;
    this.#last = { set: this.#set, automaton: this.#automaton, meaning, line: line.line };
  }

  /** The line narrows what the thread may be doing; nothing left is what the model cannot do. */
  #see(line: EventLine | CallLine | ReturnLine, seen: Seen): void {
    if (this.#set === null) return;
    const next = this.#automaton.next(this.#set, seen);
    if (!this.#automaton.isEmpty(next)) {
      this.#set = next;
      return;
    }
    this.#refusals += 1;
    if (this.#refusal === null) {
      const { letters, steps } = this.#automaton.possible(this.#automaton.closure(this.#set));
      this.#refusal = {
        line: line.line,
        text: textOf(line),
        context: this.#isContext(seen) ? contextText(seen.context) : null,
        after: this.#last && { step: stepOf(this.#last), line: this.#last.line },
        letters,
        steps: steps.slice(0, STEPS_MAX),
        more: Math.max(0, steps.length - STEPS_MAX),
      };
    }
    this.#set = null;
  }

  /** Whether the line would fit, but for its context. */
  #isContext(seen: Seen): seen is Shown & { readonly context: Context } {
    if (seen.type !== 'shown' || seen.context === null || this.#set === null) return false;
    return !this.#automaton.isEmpty(this.#automaton.next(this.#set, { ...seen, context: null }));
  }

  #context(irqsOff: boolean, depth: number): Context {
    return { irqsOff, preemptOff: this.#hasDepths ? depth > 0 : null };
  }
}

/** What several uses of a function may stand for. */
function joined(meanings: readonly Meaning[]): Meaning {
  const [first] = meanings;
  if (meanings.length === 1) return first!;
  return {
    at: meanings.flatMap(({ at }) => at),
    after: meanings.flatMap(({ after }) => after),
    returns: [],
    entered: null,
    optional: true,
    begins: false,
  };
}

/** The micro-step that a line has fixed. */
function stepOf({ set, automaton, meaning: { at, after, begins } }: Last): string {
  if (after.length > 0) return after.map((step) => `the end of ${step}`).join(' or ');
  return (begins ? at : automaton.possible(set).steps).join(' or ');
}

const contextText = ({ irqsOff, preemptOff }: Context): string =>
  `interrupts ${irqsOff ? 'off' : 'on'}${preemptOff === null ? '' : `, preemption ${preemptOff ? 'off' : 'on'}`}`;

function textOf(line: EventLine | CallLine | ReturnLine): string {
  const what =
    line.kind === 'event'
      ? `${line.name}: ${line.text}`
      : line.kind === 'call'
        ? `${line.fn}()`
        : `the end of ${line.fn ?? 'a function'}()`;
  return `${line.comm}-${line.pid} [${line.cpu}] ${what}`.slice(0, TEXT_MAX);
}
