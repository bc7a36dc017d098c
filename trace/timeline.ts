/**
 * The timeline of a recording itself, without a model: what ran on each CPU, system calls and
 * functions of each thread, time in guest mode, interrupts, IPIs, migrations. It has the lanes that
 * a simulated run has (timeline/views.ts), so that both can stand side by side.
 */
import { Board } from '../timeline/board.ts';
import type { Args, FlowEnd, Lane, SwitchState, TimelineEvent } from '../timeline/event.ts';
import { KVM_RUN, type PrevState, type Task, type TraceEvent, type Vector } from './event.ts';
import { type Cpu, HostLanes, type Thread } from './host-lanes.ts';
import type { CallLine, Head, LostLine, ReturnLine } from './line.ts';
import type { EventLine, Recording } from './recording.ts';
import type { SpanStack } from './span-stack.ts';

const STATES: Readonly<Record<PrevState, SwitchState>> = { preempted: 'R+', runnable: 'R', either: 'R', sleeps: 'S', dead: 'X' };
/** The handlers by the kernel's names. */
const HANDLERS: Readonly<Record<Vector, string>> = {
  local_timer: 'sysvec_apic_timer_interrupt',
  reschedule: 'sysvec_reschedule_ipi',
  call_function: 'sysvec_call_function',
  call_function_single: 'sysvec_call_function_single',
};

/** Arrows of one IPI; one that goes to more CPUs is told with their number. */
const ARROWS_MAX = 256;

/** Takes the lines of one recording in order. */
class TraceProjector {
  readonly #board = new Board();
  readonly #lanes = new HostLanes(this.#board);
  readonly #markers: Lane;
  /** Those with a leaf function that has not ended. */
  readonly #leaves = new Set<SpanStack>();
  #start: number | null = null;
  #now = 0;

  constructor({ file, format }: Pick<Recording, 'file' | 'format'>) {
    this.#markers = this.#board.lane('steps', 'recording', this.#board.group('run', 'recording'), null);
    this.#board.instant(this.#markers, 0, 'start', { category: 'verdict', args: { file, format } });
  }

  take(line: Recording['lines'][number]): readonly TimelineEvent[] {
    if (line.kind === 'foreign')
      this.#board.instant(this.#markers, this.#now, 'not understood', { category: 'verdict', args: { line: line.line } });
    else if (line.kind === 'lost') this.#lost(line);
    else {
      this.#advance(line);
      const cpu = this.#lanes.cpu(line.cpu);
      const thread = line.pid === 0 ? null : this.#lanes.thread(line.pid, line.comm, line.tgid);
      this.#settle(cpu, thread);
      if (line.kind === 'event') this.#event(cpu, thread, line);
      else if (line.kind === 'call') this.#call(cpu, thread, line);
      else this.#return(cpu, thread, line);
    }
    return this.#taken();
  }

  finish(): readonly TimelineEvent[] {
    this.#endLeaves(Number.POSITIVE_INFINITY);
    this.#board.instant(this.#markers, this.#now, 'end of the recording', { category: 'verdict' });
    for (const { stack } of this.#lanes.cpus) stack.cut(0, this.#now);
    for (const { stack, guest } of this.#lanes.threads) {
      guest?.cut(0, this.#now);
      stack.cut(0, this.#now);
    }
    this.#board.close(this.#now);
    return this.#taken();
  }

  #taken(): readonly TimelineEvent[] {
    const events: TimelineEvent[] = [];
    this.#board.moveTo(events);
    return events;
  }

  /** Time never goes back, though the clocks of two CPUs may differ. */
  #advance({ time }: Head): void {
    if (time === null) return;
    this.#start ??= time;
    const at = time - this.#start;
    this.#endLeaves(at);
    this.#now = Math.max(this.#now, at);
  }

  #endLeaves(at: number): void {
    const ended = [...this.#leaves].filter(({ leafEnd }) => leafEnd === null || leafEnd <= at);
    for (const stack of ended.sort((a, b) => (a.leafEnd ?? 0) - (b.leafEnd ?? 0))) {
      this.#leaves.delete(stack);
      this.#now = Math.max(this.#now, stack.leafEnd ?? 0);
      stack.endLeaf(this.#now);
    }
  }

  /** A line says who runs on its CPU. */
  #settle(cpu: Cpu, thread: Thread | null): void {
    if (cpu.current === thread) return;
    cpu.stack.cut(0, this.#now);
    if (thread) this.#run(cpu, thread);
    cpu.current = thread;
  }

  #run(cpu: Cpu, thread: Thread): void {
    cpu.stack.push([thread.stack.lane.name, 'cpu'], this.#now);
    this.#state(thread, `running on CPU ${cpu.index}`);
  }

  #state({ state }: Thread, name: string | null): void {
    this.#board.settle(state, this.#now, name === null ? [] : [name], { category: 'state' });
  }

  #event(cpu: Cpu, thread: Thread | null, { event, name, text, line }: EventLine): void {
    switch (event?.type) {
      case 'sched_switch':
        this.#switch(cpu, event);
        break;
      case 'sched_waking':
        this.#waking(event.task, event.cpu ?? cpu.index);
        break;
      case 'sched_migrate_task':
        this.#migrate(event);
        break;
      case 'irq_entry':
        this.#interrupt(cpu, thread, event.vector);
        break;
      case 'irq_exit':
        cpu.stack.pop(HANDLERS[event.vector], this.#now);
        break;
      case 'ipi_send':
        this.#send(cpu, event.cpus ?? [], event.callsite, line);
        break;
      case 'marker':
        this.#instant(this.#markers, event.text, { line });
        break;
      case 'signal_generate':
        this.#signal(cpu, event);
        break;
      default:
        if (thread && event) this.#kvm(thread, event, line);
        else if (thread) this.#instant(thread.stack.lane, name, { line, ...(text !== '' && { text }) });
    }
  }

  /** What concerns the thread that runs: system calls, guest mode. */
  #kvm(thread: Thread, event: TraceEvent, line: number): void {
    switch (event.type) {
      case 'ioctl':
        thread.stack.cut(0, this.#now);
        thread.inIoctl = event.cmd === KVM_RUN ? 'KVM_RUN' : `ioctl 0x${event.cmd.toString(16)}`;
        thread.stack.push([thread.inIoctl, 'function'], this.#now, { line });
        break;
      case 'ioctl_end':
        if (thread.inIoctl !== null) thread.stack.pop(thread.inIoctl, this.#now, { result: String(event.result) });
        thread.inIoctl = null;
        break;
      case 'kvm_entry':
        this.#enter(thread, event.vcpu, line);
        break;
      case 'kvm_exit':
        this.#leave(thread);
        this.#instant(this.#lanes.guest(thread, event.vcpu).lane, `#VMEXIT ${event.reason}`, { reason: event.reason, line }, 'guest');
        break;
      case 'kvm_userspace_exit':
        this.#instant(thread.stack.lane, event.reason, { line });
    }
  }

  #enter(thread: Thread, vcpu: number | null, line: number): void {
    const guest = this.#lanes.guest(thread, vcpu);
    guest.cut(0, this.#now);
    guest.push(['guest mode', 'guest'], this.#now, { line });
  }

  /** 6.1 tells an exit after the interrupt or the switch that it caused: both show it too. */
  #leave({ guest }: Thread): void {
    guest?.cut(0, this.#now);
  }

  #call(cpu: Cpu, thread: Thread | null, { fn, leaf, duration, flags, line }: CallLine): void {
    if (thread && flags?.inInterrupt === true) this.#leave(thread);
    const stack = thread === null || flags?.inInterrupt === true ? cpu.stack : thread.stack;
    if (!leaf) {
      stack.push([fn, 'function'], this.#now, { line });
      return;
    }
    stack.pushLeaf([fn, 'function'], this.#now, this.#now + (duration ?? 0), { line });
    this.#leaves.add(stack);
  }

  #return(cpu: Cpu, thread: Thread | null, { fn, flags }: ReturnLine): void {
    const stack = thread === null || flags?.inInterrupt === true ? cpu.stack : thread.stack;
    stack.pop(fn, this.#now);
  }

  #switch(cpu: Cpu, { prev, state, next }: Extract<TraceEvent, { readonly type: 'sched_switch' }>): void {
    const from = prev.pid === 0 ? null : this.#lanes.thread(prev.pid, prev.comm);
    const to = next.pid === 0 ? null : this.#lanes.thread(next.pid, next.comm);
    if (from) {
      this.#leave(from);
      this.#state(from, state === 'dead' ? null : state === 'sleeps' ? 'sleeping' : `runnable on CPU ${cpu.index}`);
    }
    this.#board.events.push({
      kind: 'switch',
      cpu: cpu.index,
      at: this.#now,
      from: from?.stack.lane ?? null,
      fromState: from ? STATES[state] : 'R',
      to: to?.stack.lane ?? null,
    });
    cpu.stack.cut(0, this.#now);
    if (to) this.#run(cpu, to);
    cpu.current = to;
  }

  #waking({ pid, comm }: Task, cpu: number): void {
    const thread = this.#lanes.thread(pid, comm);
    this.#state(thread, `runnable on CPU ${cpu}`);
    this.#board.events.push({ kind: 'wake', cpu, at: this.#now, thread: thread.stack.lane });
  }

  #migrate({ task: { pid, comm }, from, to }: Extract<TraceEvent, { readonly type: 'sched_migrate_task' }>): void {
    this.#instant(this.#lanes.thread(pid, comm).stack.lane, `migrate to pCPU ${to}`, { from, to }, 'offer');
  }

  #interrupt(cpu: Cpu, thread: Thread | null, vector: Vector): void {
    if (thread) this.#leave(thread);
    const sent = vector === 'local_timer' ? undefined : cpu.ipis.entered();
    if (sent !== undefined)
      this.#board.instant(cpu.stack.lane, this.#now, `IPI ${vector}`, { category: 'message', args: {}, flow: { id: sent, end: 'in' } });
    cpu.stack.push([HANDLERS[vector], 'cpu'], this.#now);
  }

  /** One arrow for each CPU that is sent to: an arrow has two ends. */
  #send(cpu: Cpu, targets: readonly number[], callsite: string, line: number): void {
    if (targets.length > ARROWS_MAX) {
      this.#board.instant(cpu.stack.lane, this.#now, `send IPI to ${targets.length} pCPUs`, { category: 'message', args: { line } });
      return;
    }
    for (const target of targets) {
      const flow: FlowEnd = { id: this.#lanes.cpu(target).ipis.sent(line), end: 'out' };
      const args = { to: target, line, ...(callsite !== '' && { callsite }) };
      this.#board.instant(cpu.stack.lane, this.#now, `send IPI to pCPU ${target}`, { category: 'message', args, flow });
    }
  }

  #signal(cpu: Cpu, { signal, task: { pid, comm } }: Extract<TraceEvent, { readonly type: 'signal_generate' }>): void {
    const lane = this.#lanes.thread(pid, comm).stack.lane;
    this.#instant(lane, `signal ${signal}`, { from: cpu.current?.stack.lane.name ?? `pCPU ${cpu.index}` });
  }

  #instant(lane: Lane, name: string, args: Args, category: 'state' | 'guest' | 'offer' = 'state'): void {
    this.#board.instant(lane, this.#now, name, { category, args });
  }

  /** Nothing is known of what the CPU did: no span goes on. */
  #lost({ cpu, events, line }: LostLine): void {
    const args = { line, ...(cpu !== null && { cpu }), ...(events !== null && { events }) };
    this.#board.instant(this.#markers, this.#now, 'events lost', { category: 'verdict', args });
    for (const one of this.#lanes.cpus) {
      if (cpu !== null && one.index !== cpu) continue;
      one.stack.cut(0, this.#now);
      one.ipis.forget();
      one.current?.guest?.cut(0, this.#now);
      one.current?.stack.cut(0, this.#now);
      one.current = null;
    }
  }
}

/** The timeline of a recording. `at` is in ns from its first line. */
export function* traceTimeline(recording: Recording): Generator<TimelineEvent, void> {
  const projector = new TraceProjector(recording);
  for (const line of recording.lines) yield* projector.take(line);
  yield* projector.finish();
}
