/**
 * Perfetto's native format: track events, and the kernel's scheduling events so that Perfetto's own
 * CPU tracks fill.
 *
 * One packet for each event, all in one sequence; names are interned. Where Perfetto derives a
 * track itself (the state of a thread, from sched_switch and sched_waking), ours is left out.
 *
 * @see https://perfetto.dev/docs/reference/synthetic-track-event
 */
import type { Args, FlowEnd, Group, Lane, SwitchState, TimelineEvent } from '../event.ts';
import {
  ARG,
  EXPLICIT_ORDER,
  FTRACE_BUNDLE,
  FTRACE_EVENT,
  INTERNED,
  INTERNED_DATA,
  NEEDS_STATE,
  PACKET,
  PROCESS,
  SCHED_SWITCH,
  SCHED_WAKING,
  STATE_CLEARED,
  SYSTEM_INFO,
  SYSTEM_NAMES,
  THREAD,
  TRACE_PACKET,
  TRACK_DESCRIPTOR,
  TRACK_EVENT,
  TRACK_EVENT_TYPE,
} from './perfetto-fields.ts';
import { ProtobufWriter } from './protobuf.ts';

const CHUNK_BYTES = 1 << 16;
const SEQUENCE = 1;
const PRIORITY = 120;
const IDLE = { id: 0, name: 'swapper' };

/** The release whose numbers of task states are in use, where a scenario names none. */
const KERNEL = '6.12';
const KNOWN_KERNELS = /^[5-9]\.\d{1,3}$/;
/** task_struct.__state as sched_switch prints it since 4.14, and the bit that says preempted. */
const TASK_STATE: Readonly<Record<SwitchState, number>> = { R: 0, S: 1, X: 16, 'R+': 256 };

type TrackEvent = Extract<TimelineEvent, { readonly kind: 'begin' | 'end' | 'instant' | 'counter' }>;
type Titled = Pick<Extract<TrackEvent, { readonly kind: 'begin' }>, 'category' | 'name' | 'args'>;
type Table = keyof typeof INTERNED_DATA;

class PerfettoWriter {
  readonly out = new ProtobufWriter(2 * CHUNK_BYTES);
  readonly #ids: Readonly<Record<Table, Map<string, number>>> = {
    categories: new Map(),
    names: new Map(),
    argNames: new Map(),
    texts: new Map(),
  };
  /** Names that the present packet is the first to use. */
  #fresh: { readonly table: Table; readonly id: number; readonly text: string }[] = [];
  readonly #groups = new Set<Group>();
  #isFirst = true;

  /** A reader takes the numbers of task states from the release. */
  system(release: string): void {
    this.#packet(() => {
      const info = this.out.begin(TRACE_PACKET.systemInfo);
      const names = this.out.begin(SYSTEM_INFO.names);
      this.out.text(SYSTEM_NAMES.system, 'Linux');
      this.out.text(SYSTEM_NAMES.release, `${release}.0`);
      this.out.end(names);
      this.out.end(info);
    });
  }

  event(event: TimelineEvent): void {
    if (event.kind === 'lane') this.#lane(event.lane);
    else if (event.kind === 'switch') this.#switch(event);
    else if (event.kind === 'wake') this.#wake(event);
    else if (event.lane.kind !== 'task-state') this.#trackEvent(event);
  }

  #packet(write: () => void): void {
    const packet = this.out.begin(PACKET);
    this.out.number(TRACE_PACKET.sequenceId, SEQUENCE);
    this.out.number(TRACE_PACKET.sequenceFlags, this.#isFirst ? STATE_CLEARED : NEEDS_STATE);
    this.#isFirst = false;
    write();
    this.#internedData();
    this.out.end(packet);
  }

  #intern(table: Table, text: string): number {
    const ids = this.#ids[table];
    let id = ids.get(text);
    if (id === undefined) {
      id = ids.size + 1;
      ids.set(text, id);
      this.#fresh.push({ table, id, text });
    }
    return id;
  }

  #internedData(): void {
    if (this.#fresh.length === 0) return;
    const data = this.out.begin(TRACE_PACKET.internedData);
    for (const { table, id, text } of this.#fresh) {
      const entry = this.out.begin(INTERNED_DATA[table]);
      this.out.number(INTERNED.id, id);
      this.out.text(INTERNED.text, text);
      this.out.end(entry);
    }
    this.out.end(data);
    this.#fresh = [];
  }

  #descriptor(uuid: number, write: () => void): void {
    this.#packet(() => {
      const descriptor = this.out.begin(TRACE_PACKET.trackDescriptor);
      this.out.number(TRACK_DESCRIPTOR.uuid, uuid);
      write();
      this.out.end(descriptor);
    });
  }

  #group(group: Group): void {
    if (this.#groups.has(group)) return;
    this.#groups.add(group);
    this.#descriptor(uuidOf(group), () => {
      this.out.number(TRACK_DESCRIPTOR.childOrdering, EXPLICIT_ORDER);
      if (group.kind === 'process') this.#process(group);
      else this.out.text(TRACK_DESCRIPTOR.name, group.name);
    });
  }

  #process(group: Group): void {
    const facts = this.out.begin(TRACK_DESCRIPTOR.process);
    this.out.number(PROCESS.pid, group.id);
    this.out.text(PROCESS.name, group.name);
    this.out.end(facts);
  }

  #lane(lane: Lane): void {
    this.#group(lane.group);
    if (lane.kind === 'task-state') return;
    this.#descriptor(uuidOf(lane), () => {
      if (lane.kind === 'thread') this.#thread(lane);
      else this.#track(lane);
    });
  }

  #track(lane: Lane): void {
    this.out.text(TRACK_DESCRIPTOR.name, lane.name);
    this.out.number(TRACK_DESCRIPTOR.parent, uuidOf(lane.group));
    this.out.number(TRACK_DESCRIPTOR.rank, lane.id);
    if (lane.kind === 'counter') this.out.end(this.out.begin(TRACK_DESCRIPTOR.counter));
  }

  #thread(lane: Lane): void {
    const facts = this.out.begin(TRACK_DESCRIPTOR.thread);
    this.out.number(THREAD.pid, lane.group.id);
    this.out.number(THREAD.tid, lane.id);
    this.out.text(THREAD.name, lane.name);
    this.out.end(facts);
  }

  #trackEvent(event: TrackEvent): void {
    const { begin, end, counter } = TRACK_EVENT_TYPE;
    switch (event.kind) {
      case 'begin':
        this.#event(event, begin, () => this.#slice(event));
        break;
      case 'end':
        this.#event(event, end, () => this.#args(event.args));
        break;
      case 'counter':
        this.#event(event, counter, () => this.out.signed(TRACK_EVENT.counterValue, event.value));
        break;
      // A span of no length: true instants that happen at the same time on one track are put below
      // each other.
      case 'instant':
        this.#event(event, begin, () => this.#slice(event, event.flow));
        this.#event(event, end, () => {});
    }
  }

  #event({ at, lane }: TrackEvent, type: number, write: () => void): void {
    this.#packet(() => {
      this.out.number(TRACE_PACKET.timestamp, at);
      const body = this.out.begin(TRACE_PACKET.trackEvent);
      this.out.number(TRACK_EVENT.type, type);
      this.out.number(TRACK_EVENT.track, uuidOf(lane));
      write();
      this.out.end(body);
    });
  }

  #slice({ category, name, args }: Titled, flow: FlowEnd | null = null): void {
    this.out.number(TRACK_EVENT.categoryId, this.#intern('categories', category));
    this.out.number(TRACK_EVENT.nameId, this.#intern('names', name));
    if (flow) this.out.fixed64(flow.end === 'out' ? TRACK_EVENT.flow : TRACK_EVENT.flowEnd, flow.id);
    this.#args(args);
  }

  #args(args: Args | null): void {
    for (const [name, value] of Object.entries(args ?? {})) {
      const arg = this.out.begin(TRACK_EVENT.arg);
      this.out.number(ARG.nameId, this.#intern('argNames', name));
      if (typeof value === 'string') this.out.number(ARG.textId, this.#intern('texts', value));
      else if (typeof value === 'boolean') this.out.boolean(ARG.boolean, value);
      else if (Number.isSafeInteger(value)) this.out.signed(ARG.integer, value);
      else this.out.double(ARG.double, value);
      this.out.end(arg);
    }
  }

  #kernelEvent(cpu: number, at: number, pid: number, field: number, write: () => void): void {
    this.#packet(() => {
      const bundle = this.out.begin(TRACE_PACKET.ftraceEvents);
      this.out.number(FTRACE_BUNDLE.cpu, cpu);
      const event = this.out.begin(FTRACE_BUNDLE.event);
      this.out.number(FTRACE_EVENT.timestamp, at);
      this.out.number(FTRACE_EVENT.pid, pid);
      const body = this.out.begin(field);
      write();
      this.out.end(body);
      this.out.end(event);
      this.out.end(bundle);
    });
  }

  #switch({ cpu, at, from, fromState, to }: Extract<TimelineEvent, { readonly kind: 'switch' }>): void {
    const prev = from ?? IDLE;
    const next = to ?? IDLE;
    this.#kernelEvent(cpu, at, prev.id, FTRACE_EVENT.schedSwitch, () => {
      this.out.text(SCHED_SWITCH.prevComm, prev.name);
      this.out.number(SCHED_SWITCH.prevPid, prev.id);
      this.out.number(SCHED_SWITCH.prevPriority, PRIORITY);
      this.out.number(SCHED_SWITCH.prevState, TASK_STATE[fromState]);
      this.out.text(SCHED_SWITCH.nextComm, next.name);
      this.out.number(SCHED_SWITCH.nextPid, next.id);
      this.out.number(SCHED_SWITCH.nextPriority, PRIORITY);
    });
  }

  #wake({ cpu, at, thread }: Extract<TimelineEvent, { readonly kind: 'wake' }>): void {
    this.#kernelEvent(cpu, at, IDLE.id, FTRACE_EVENT.schedWaking, () => {
      this.out.text(SCHED_WAKING.comm, thread.name);
      this.out.number(SCHED_WAKING.pid, thread.id);
      this.out.number(SCHED_WAKING.priority, PRIORITY);
      this.out.number(SCHED_WAKING.success, 1);
      this.out.number(SCHED_WAKING.targetCpu, cpu);
    });
  }
}

/** A process and its first thread share a number, but not a track. */
const uuidOf = (of: Group | Lane): number => ('group' in of ? 2 * of.id : 2 * of.id + 1);

/** A timeline as the bytes of a Perfetto file. */
function* encode(events: Iterable<TimelineEvent>, kernel: string | null): Generator<Uint8Array, void> {
  const writer = new PerfettoWriter();
  writer.system(kernel !== null && KNOWN_KERNELS.test(kernel) ? kernel : KERNEL);
  for (const event of events) {
    writer.event(event);
    if (writer.out.length >= CHUNK_BYTES) yield writer.out.take();
  }
  if (writer.out.length > 0) yield writer.out.take();
}

export const perfetto = {
  name: 'perfetto',
  extension: 'pftrace',
  summary: "Perfetto's native format: tracks, call stacks, message arrows, counters, CPU scheduling; for ui.perfetto.dev and its SQL",
  encodeEvents: encode,
} as const;
